"""A drawing as a picture, set by `typst`, which sets the reports too."""

WIDTH_PT = 840.0
_PIXELS_PER_INCH = 160.0


def to_png(svg: str) -> bytes:
    """The drawing as PNG."""
    # It brings a whole typesetter, and only a picture needs it.
    import typst

    page = (
        f"#set page(width: {WIDTH_PT}pt, height: auto, margin: 0pt, fill: white)\n"
        '#image(bytes(sys.inputs.drawing), format: "svg", width: 100%, alt: "How good the score is")\n'
    )
    made = typst.compile(page.encode(), format="png", ppi=_PIXELS_PER_INCH, sys_inputs={"drawing": svg})
    if not isinstance(made, bytes):
        raise TypeError("expected one page")
    return made
