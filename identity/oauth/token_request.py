"""What every grant gets: a token request whose client has already proven itself."""

from dataclasses import dataclass
from datetime import datetime

from audit.record import Origin
from base.forms import Form
from identity.client_values import Client
from identity.services import Services


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One token request, its client authenticated and allowed to use the grant."""

    services: Services
    client: Client
    form: Form
    origin: Origin
    now: datetime
