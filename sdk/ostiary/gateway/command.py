"""The command `ostiary-gateway`: serves the gateway adapter beside a proxy (extra `ostiary[gateway]`)."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ostiary.errors import ConfigurationError
from ostiary.gateway.routes_file import load_routes
from ostiary.gateway.serving import make_server, open_service
from ostiary.gateway.settings import PREFIX, SETTINGS, parse_settings

# A secret in an argument is seen by everybody on the machine.
_NEVER_ARGUMENTS = ("CLIENT_SECRET",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until a signal; 0 then, 1 for a routes file that is wrong, 2 for settings that are."""
    given = vars(_parser().parse_args(arguments))
    try:
        if given.pop("check"):
            routes = load_routes(Path(given["ROUTES"] or os.environ.get(f"{PREFIX}ROUTES", "")))
            return _say(f"{len(routes.routes)} routes, nothing wrong with them", 0)
        settings = parse_settings(given, os.environ)
    except ConfigurationError as error:
        return _say(f"ostiary-gateway: {error}", 2)
    if find_spec("uvicorn") is None:
        return _say("ostiary-gateway: uvicorn is missing; install it by: pip install 'ostiary[gateway]'", 2)
    try:
        service = open_service(settings)
    except (ConfigurationError, OSError) as error:
        return _say(f"ostiary-gateway: {error}", 1)
    server = make_server(service, settings.listen)
    where = settings.listen.socket_file or f"{settings.listen.host}:{settings.listen.port}"
    _say(f"ostiary-gateway: answers at {where} for tokens of {settings.issuer}", 0)
    server.run()
    return 0 if server.started else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ostiary-gateway",
        description="Answers nginx, Caddy, Traefik and Envoy: may this request pass, and whose is it?",
        epilog=f"Each option can stand in the environment instead, as {PREFIX}ISSUER and so on.",
    )
    parser.add_argument("--check", action="store_true", help="only check the routes file")
    for name, default, words in SETTINGS:
        if name not in _NEVER_ARGUMENTS:
            usual = f" (usually {default})" if default else ""
            option = "--" + name.lower().replace("_", "-")
            parser.add_argument(option, dest=name, help=words + usual, metavar="VALUE")
    return parser


def _say(words: str, code: int) -> int:
    sys.stderr.write(words + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
