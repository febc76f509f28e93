"""`ostiary risk evaluate`: how well the score tells attackers from people, on a file of sign-ins."""

from pathlib import Path

import click

from base.errors import NotReady
from risk.evaluation.columns import BadDataset
from risk.evaluation.dataset import read_rows, survey
from risk.evaluation.drawing import draw
from risk.evaluation.models import Ostiary
from risk.evaluation.picture import to_png
from risk.evaluation.replay import replay
from risk.evaluation.report import Report, as_document, as_words, report_on
from server.commands.frame import Frame, framed
from server.commands.progress import Counting

_NEW = click.Path(path_type=Path, dir_okay=False)


@click.command("evaluate")
@click.option(
    "--dataset", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="A CSV file."
)
@click.option("--svg", type=_NEW, help="Draw the curves into this file.")
@click.option("--png", type=_NEW, help="The same drawing as a picture.")
@framed
def evaluate(frame: Frame, *, dataset: Path, svg: Path | None, png: Path | None) -> None:
    """Say how well the score tells attackers from people, on a file of sign-ins.

    The file has the columns of the public RBA data set (docs/risk.md) and is replayed in time order.
    Beside the score goes the model of Freeman et al. 2016, the baseline of the literature.
    Nothing of this deployment is read or written.
    """
    for place in (svg, png):
        if place is not None and not place.absolute().parent.is_dir():
            raise click.UsageError(f"{place}: there is no such folder")
    try:
        report = _evaluated(frame, dataset)
    except BadDataset as refused:
        raise NotReady(f"{dataset}: {refused}") from None
    except OSError as failure:
        raise NotReady(f"{failure.filename or dataset}: {failure.strerror}") from None
    if svg is not None or png is not None:
        _draw(report, svg, png)
    frame.answer(as_document(report), as_words(report))


def _evaluated(frame: Frame, dataset: Path) -> Report:
    looked = Counting("looked at", frame.say, things="bytes")
    found = survey(dataset, looked.told)
    looked.clear()
    if not found.is_sorted:
        frame.say(f"{dataset} is not in time order: it is sorted through a temporary folder first.")
    replayed = Counting("replayed", frame.say, things="rows")
    model = Ostiary(returning=found.returning)
    result = replay(read_rows(dataset, found), model=model, told=lambda done: replayed.told(done, found.rows))
    replayed.clear()
    return report_on(result)


def _draw(report: Report, svg: Path | None, png: Path | None) -> None:
    drawing = draw(report)
    try:
        if svg is not None:
            svg.write_text(drawing, encoding="utf-8")
        if png is not None:
            png.write_bytes(to_png(drawing))
    except OSError as failure:
        raise NotReady(f"{failure.filename}: {failure.strerror}") from None
