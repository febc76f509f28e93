"""What every grant gets: a token request whose client has already proven itself."""

from dataclasses import dataclass
from datetime import datetime

from audit.record import Origin
from base.forms import Form
from identity.client_values import Client
from identity.services import Services
from risk.places.edge_places import EdgePlace


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One token request, its client authenticated and allowed to use the grant.

    `edge_place`: where a trusted edge says that it comes from, None where none says so.
    """

    services: Services
    client: Client
    form: Form
    origin: Origin
    now: datetime
    edge_place: EdgePlace | None = None
