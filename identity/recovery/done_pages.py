"""The pages that a link's form leads to: they say that it worked, to whoever opens them, and change nothing."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from identity.services import Services

# By path, which of the sentences in the template is said.
DONE: Mapping[str, str] = {"/recover/done": "password", "/reset/done": "reset", "/verify/done": "address"}


def done_routes(services: Services) -> list[BaseRoute]:
    """Their routes; they stand before those with a link, which would take `done` for one."""
    return [Route(path, _DonePage(services, what).show, methods=["GET"]) for path, what in DONE.items()]


class _DonePage:
    def __init__(self, services: Services, what: str) -> None:
        self._services = services
        self._what = what

    async def show(self, request: Request) -> Response:
        return self._services.pages.render(request, "recovery_done.html", what=self._what)
