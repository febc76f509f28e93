"""Where a request of a sign-in comes from, as far as policies look at it."""

from starlette.requests import Request

from identity.assessing.sightings import EDGE_PLACE
from identity.services import Services
from policy.signin_question import ACTION
from policy.values import Whence
from risk.keys import networks_of
from risk.places.edge_places import place_by_edge

_READ = frozenset({"context", "context.place"})


def whence_of(services: Services, request: Request) -> Whence:
    """The address, and its place where the set in force looks at places: to find one takes a while."""
    address: str | None = request.scope.get("ostiary.address")
    if address is None or networks_of(address) is None or not services.policies.engine.reads(ACTION) & _READ:
        return Whence(address)
    place = place_by_edge(services.geography.place_of(address), request.scope.get(EDGE_PLACE))
    return Whence(address, place.country, place.city, place.asn)
