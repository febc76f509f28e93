"""The demo's letters: what a deployment without a mail server would have sent, for whoever tries it on this machine.

Their links open accounts. So they are shown only where no mail server takes them, where the issuer is this machine
itself, and to requests that were addressed to it and came from it: neither a foreign page whose own name points here
nor another machine, to which the deployment listens as well, gets anything.
"""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from base.ids import parse_id, show_id
from identity.mail import outbox
from identity.mail.letter_values import LINKS
from identity.mail.letters import LetterWriter, show_instant
from identity.services import Services

LETTER = "let_"
SHOWN = 50


class MailPages:
    """The endpoints of one deployment's letters."""

    def __init__(self, services: Services, *, keeps_letters: bool) -> None:
        self._services = services
        issuer = urlsplit(services.settings.issuer)
        self._host = issuer.netloc if keeps_letters and issuer.hostname == "localhost" else None

    async def list_letters(self, request: Request) -> Response:
        """GET /demo/mail"""
        if not self._is_for_us(request):
            return self._not_found(request)
        services = self._services
        async with services.database.reading() as db:
            kept = await outbox.list_kept(db, services.sealer, limit=SHOWN)
        writer, language = self._writer(), services.pages.language_of(request)
        rows = [
            {
                "id": show_id(LETTER, each.id),
                "to": each.letter.to,
                "kind": each.letter.kind,
                "language": each.letter.language,
                "subject": writer.write(each.letter).subject,
                "at": show_instant(each.created_at, language=language),
            }
            for each in kept
        ]
        return services.pages.render(request, "demo_mail.html", letters=rows, most=SHOWN)

    async def show_letter(self, request: Request) -> Response:
        """GET /demo/mail/{letter}"""
        row_id = parse_id(LETTER, request.path_params["letter"])
        if row_id is None or not self._is_for_us(request):
            return self._not_found(request)
        services = self._services
        async with services.database.reading() as db:
            kept = await outbox.find_kept(db, services.sealer, row_id)
        if kept is None:
            return self._not_found(request)
        return services.pages.render(
            request,
            "demo_letter.html",
            letter=kept.letter,
            written=self._writer().write(kept.letter),
            at=show_instant(kept.created_at, language=services.pages.language_of(request)),
            links={name: kept.letter.facts[name] for name in LINKS if name in kept.letter.facts},
        )

    def _writer(self) -> LetterWriter:
        settings = self._services.settings
        return LetterWriter(service_name=settings.service_name, issuer=settings.issuer)

    def _is_for_us(self, request: Request) -> bool:
        is_named = self._host is not None and request.headers.get("host") == self._host
        return is_named and _is_this_machine(request.scope.get("ostiary.address"))

    def _not_found(self, request: Request) -> Response:
        return self._services.pages.error(request, 404, "Page not found", "There is nothing at this address.")


def _is_this_machine(address: str | None) -> bool:
    """Whether a request came from a loopback address; nobody knows where one without an address came from."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def mail_routes(services: Services, *, keeps_letters: bool) -> list[BaseRoute]:
    """The letters' pages. `keeps_letters`: no mail server takes them."""
    pages = MailPages(services, keeps_letters=keeps_letters)
    return [
        Route("/demo/mail", pages.list_letters, methods=["GET"]),
        Route("/demo/mail/{letter}", pages.show_letter, methods=["GET"]),
    ]
