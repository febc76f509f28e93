"""What the identity rooms work with; made once by the composition root and handed to every endpoint."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from audit.emit import Emitter
from audit.record import Origin
from audit.services import AuditServices
from base.clock import Clock
from base.database import Database
from base.pages import Pages
from base.rates import RateLimiter
from base.sealing import Sealer
from identity.breached import BreachedList
from identity.catalogue import Catalogue
from identity.keys import KeyRing
from identity.password_hashes import HashPool
from identity.settings import IdentitySettings
from policy.active import ActivePolicies
from policy.values import Decision, SigninFacts
from risk.places.geography import Geography
from risk.services import RiskServices


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One deployment's parts.

    `form_key` signs form tokens; `decide` is the policy's answer about a sign-in; `geography` knows where
    addresses are.
    """

    settings: IdentitySettings
    database: Database
    emitter: Emitter
    audit: AuditServices
    sealer: Sealer
    catalogue: Catalogue
    keys: KeyRing
    hashes: HashPool
    breached: BreachedList | None
    rates: RateLimiter
    pages: Pages
    policies: ActivePolicies
    decide: Callable[[SigninFacts], Decision]
    risk: RiskServices
    clock: Clock
    form_key: bytes
    geography: Geography = field(default_factory=Geography)


def origin_of(request: Request) -> Origin:
    """Where a request came from, as the edge established it (`server/edge.py`)."""
    scope = request.scope
    return Origin(
        address=scope.get("ostiary.address"),
        user_agent=request.headers.get("user-agent", "")[:512] or None,
        request_id=scope.get("ostiary.request_id"),
    )
