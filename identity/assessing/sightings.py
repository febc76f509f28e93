"""What the scorer is told of a request: keyed digests of what could be traced, and plain facts of the rest."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request

from identity.services import Services
from risk.browsers import cut_languages, parse_user_agent
from risk.keys import networks_of
from risk.place import NOWHERE
from risk.places.edge_places import EdgePlace, place_by_edge
from risk.sighting import BrowserFacts, Sighting

# Where the edge and the sign-in page leave what they found (`server/edge.py`, `identity.signin.browser_facts`).
EDGE_PLACE, BROWSER_FACTS, TLS_FACT = "ostiary.edge_place", "ostiary.browser_facts", "ostiary.tls_fact"
_MOST_AGENT, _MOST_PLATFORM = 512, 32


@dataclass(frozen=True, slots=True)
class Seeing:
    """A sighting with the address that it came from, whole, for the lists; None where it is no address."""

    sighting: Sighting
    address: str | None


def see(
    services: Services, request: Request, *, device_id: bytes | None = None, has_cookie: bool, now: datetime
) -> Seeing:
    """How this request looks. `device_id` is the person's device whose cookie came, None where there was none."""
    headers = request.headers
    return look(
        services,
        request.scope.get("ostiary.address"),
        # Who leaves these out must not fare better than who names what the person never used: a browser that says
        # nothing of itself is one of its own, and without the header any language will do (RFC 9110 §12.5.4).
        headers.get("user-agent", ""),
        languages=headers.get("accept-language") or "*",
        facts=_facts(request),
        device_id=device_id,
        has_cookie=has_cookie,
        tls=request.scope.get(TLS_FACT),
        edge_place=request.scope.get(EDGE_PLACE),
        now=now,
    )


def look(
    services: Services,
    address: str | None,
    user_agent: str | None,
    *,
    languages: str | None = None,
    facts: BrowserFacts | None = None,
    device_id: bytes | None = None,
    has_cookie: bool = False,
    tls: str | None = None,
    edge_place: EdgePlace | None = None,
    now: datetime,
) -> Seeing:
    """The same for what somebody else saw: a service that asks about a token passes these on.

    `user_agent` is empty where a browser said nothing of itself, None where none was asked.
    """
    risk = services.risk
    agent = user_agent[:_MOST_AGENT] if user_agent else user_agent
    networks = networks_of(address) if address else None
    place = services.geography.place_of(address) if networks else NOWHERE
    sighting = Sighting(
        at_s=now.timestamp(),
        address=risk.key.short("address", networks[0]) if networks else None,
        network=risk.key.short("network", networks[1]) if networks else None,
        place=place_by_edge(place, edge_place),
        user_agent=risk.key.short("agent", agent) if agent else agent,
        browser=parse_user_agent(agent),
        languages=cut_languages(languages),
        facts=facts,
        device=device_id.hex() if device_id else None,
        has_cookie=has_cookie,
        tls=tls,
    )
    return Seeing(sighting, address if networks else None)


def _facts(request: Request) -> BrowserFacts | None:
    """What the page's script saw, with the platform that the browser names by itself (User-Agent Client Hints)."""
    facts: BrowserFacts | None = request.scope.get(BROWSER_FACTS)
    hint = request.headers.get("sec-ch-ua-platform", "").strip('"')[:_MOST_PLATFORM]
    if facts is None:
        return BrowserFacts(platform=hint) if hint else None
    return facts if facts.platform or not hint else replace(facts, platform=hint)
