"""`ostiary healthcheck`: for container platforms, which run a command and look at its exit code."""

import http.client

import click
import msgspec

from server.commands.frame import REFUSED, UNREACHABLE, Frame, framed

TIMEOUT_S = 3.0


@click.command("healthcheck")
@framed
def command(frame: Frame) -> None:
    """Ask the running server whether it is ready: 0 ready, 1 not ready, 3 no answer."""
    addresses = frame.settings.ops_listen
    if not addresses:
        frame.say("OSTIARY_OPS_LISTEN is empty, so there is nothing to ask")
        raise click.exceptions.Exit(UNREACHABLE)
    host, port = addresses[0].host, addresses[0].port
    # A server that listens everywhere is asked on this machine.
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(asked, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        document = msgspec.json.decode(answer.read(65536))
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        words = f"no answer from {addresses[0]}: is the server running?"
        frame.say(words)
        if frame.as_json:
            frame.answer({"error": words}, words)
        raise click.exceptions.Exit(UNREACHABLE) from error
    finally:
        connection.close()
    words = "ready" if answer.status == 200 else f"not ready: {document.get('faults')}"
    frame.answer(document, words)
    if answer.status != 200:
        raise click.exceptions.Exit(REFUSED)
