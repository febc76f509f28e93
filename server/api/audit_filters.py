"""What a search of the log may ask for, as parameters of an address."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field

from audit.intake.schema import plain_address
from audit.record import network_of
from audit.search.filter import TEXT_AT_LEAST, TEXT_AT_MOST, EventFilter
from base.ids import PERSON, parse_id
from server.api.parameters import Moment, Paging, Visible, parse_moment
from server.api.problems import wrong_field

FindPeople = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]
Risk = Annotated[int, Field(ge=0, le=100)]
# Their values are personal, or may be; that a search asked for them is told, for what is not.
_HIDDEN = frozenset({"address", "network", "text"})
_BY = "; by `audit:read_personal`"


class EventParameters(Paging):
    """The filters; all that are given must fit."""

    from_: Annotated[Moment | None, Field(alias="from", description="not older than this")] = None
    until: Annotated[Moment | None, Field(description="older than this")] = None
    person: Annotated[Visible | None, Field(description="`usr_…`, or the `sub` of an account")] = None
    client: Annotated[Visible | None, Field(description="`client_id` of the application that it concerns")] = None
    address: Annotated[Visible | None, Field(description=f"an exact IPv4 or IPv6 address{_BY}")] = None
    network: Annotated[Visible | None, Field(description=f"a /24 of IPv4 or a /48 of IPv6{_BY}")] = None
    family: Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = None
    name: Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}$")] = None
    severity: Literal["LOW", "MEDIUM", "HIGH"] | None = None
    outcome: Literal["success", "failure", "denied"] | None = None
    risk_min: Risk | None = None
    risk_max: Risk | None = None
    source: Annotated[
        Visible | None, Field(description="`auth-service`, or the id of the application that sent it")
    ] = None
    text: Annotated[
        str | None,
        Field(
            min_length=TEXT_AT_LEAST,
            max_length=TEXT_AT_MOST,
            pattern=r"^[^\x00-\x1f\x7f-\x9f]+$",
            description="stands somewhere in the public fields; A to Z in either case",
        ),
    ] = None

    def told(self) -> dict[str, object]:
        """What the event of a search says of it: everything that is not personal."""
        given = self.model_dump(by_alias=True, exclude_none=True, exclude={"limit", "after"})
        return {name: "…" if name in _HIDDEN else value for name, value in given.items()}


async def parse_filter(asked: EventParameters, find_people: FindPeople) -> EventFilter:
    """The filter that the parameters ask for; raises Problem with the field that cannot be understood."""
    return EventFilter(
        from_at=parse_moment("from", asked.from_),
        until_at=parse_moment("until", asked.until),
        person=await _person(asked.person, find_people),
        client_id=asked.client,
        address=_address(asked.address),
        network=_network(asked.network),
        family=asked.family,
        name=asked.name,
        severity=asked.severity,
        outcome=asked.outcome,
        risk_min=asked.risk_min,
        risk_max=asked.risk_max,
        source=asked.source,
        text=asked.text,
    )


async def _person(text: str | None, find_people: FindPeople) -> bytes | None:
    if text is None:
        return None
    found = parse_id(PERSON, text) or (await find_people([text])).get(text)
    if found is None:
        raise wrong_field("person", "usr_ and 32 hexadecimal digits, or the sub of an account")
    return found


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    found = plain_address(text)
    if found is None:
        raise wrong_field("address", "an IPv4 or IPv6 address")
    return found


def _network(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        network = ip_network(text)
    except ValueError:
        network = None
    if network is None or str(network) != network_of(str(network.network_address)):
        raise wrong_field("network", "a /24 of IPv4 or a /48 of IPv6, such as 203.0.113.0/24")
    return str(network)
