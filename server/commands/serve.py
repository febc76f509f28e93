"""`ostiary serve`."""

from typing import TYPE_CHECKING

import click

from server.commands.frame import Frame, framed

if TYPE_CHECKING:
    from server.app import App
    from server.settings import Settings


@click.command("serve")
@click.option("--issuer", help="The address people and applications use.")
@click.option("--listen", help="Addresses to listen on: 127.0.0.1:3201,[::1]:3201.")
@click.option("--ops-listen", help="Where health and metrics answer.")
@click.option("--workers", type=int, help="Server processes; more than one needs PostgreSQL and Redis.")
@click.option("--tls-cert", type=click.Path(), help="The certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(), help="Its private key (PEM).")
@framed
def command(frame: Frame, **options: object) -> None:
    """Start the server; it runs until Ctrl-C or SIGTERM."""
    settings = frame.load(**options).settings
    from server.serve import serve

    async def announce(app: "App") -> None:
        document, words = await welcome(settings, app)
        frame.answer(document, words)

    serve(settings, announce)


async def welcome(settings: "Settings", app: "App") -> tuple[dict[str, object], str]:
    """What a start prints: how to become administrator (while there is none), try a sign-in, connect an application."""
    from server.admin_links import ensure_link

    discovery = f"{settings.issuer}/.well-known/openid-configuration"
    document: dict[str, object] = {"issuer": settings.issuer, "discovery": discovery}
    lines = []
    link = await ensure_link(app.services, settings.data_dir)
    if link is not None:
        document["admin_link"] = link
        lines.append(f"Become admin:    {link}   (works once, for 30 minutes)")
    if app.has_demo:
        document["demo"] = f"{settings.issuer}/demo"
        lines.append(f"Try a sign-in:   {settings.issuer}/demo")
    else:
        document["sign_in"] = f"{settings.issuer}/signin"
        lines.append(f"Try a sign-in:   {settings.issuer}/signin")
    lines.append(f"Connect an app:  {discovery}")
    return document, "\n".join(lines)
