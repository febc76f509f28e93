"""Where an address is, as far as it is known."""

from dataclasses import dataclass
from typing import Literal

NetworkKind = Literal["hosting", "mobile", "anonymous"]


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an address's place; everything may be unknown (None), which is never taken for a zero.

    `country` is an ISO 3166-1 alpha-2 code, `city` and `region` English names. Coordinates in degrees, with the radius
    in km within which they are right; without a city or coordinates no distance is claimed. `network_kind` comes from
    the operator's lists.
    """

    country: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float | None = None
    asn: int | None = None
    network_name: str | None = None
    network_kind: NetworkKind | None = None

    @property
    def has_position(self) -> bool:
        """Whether distances can be measured from here."""
        return self.latitude is not None and self.longitude is not None


NOWHERE = Place()
