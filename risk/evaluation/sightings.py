"""A row of a data set as the scorer sees a sign-in."""

from functools import lru_cache

from risk.browsers import MAX_USER_AGENT, browser_of_names, parse_user_agent
from risk.evaluation.dataset import Row
from risk.place import NOWHERE, Place
from risk.sighting import Browser, Sighting

# A file holds more user agents at once than a deployment's cache.
_CACHED = 65_536


def sighting_of(row: Row, *, device: str | None = None, has_cookie: bool = False) -> Sighting:
    """What the scorer is given of a row, with what its cookie says."""
    return Sighting(
        at_s=row.at_s,
        address=row.address,
        network=row.network,
        place=place_of(row.country, row.region, row.city, row.asn),
        user_agent=row.user_agent,
        browser=browser_of(row),
        device=device,
        has_cookie=has_cookie,
    )


@lru_cache(maxsize=_CACHED)
def place_of(country: str | None, region: str | None, city: str | None, asn: int | None) -> Place:
    """What the file knows of an address: no coordinates, so that no distance is claimed."""
    if country is None and asn is None:
        return NOWHERE
    return Place(country=country, region=region, city=city, asn=asn)


def browser_of(row: Row) -> Browser | None:
    """What the user agent says, parsed as in a deployment; where the file has none, what its columns say."""
    if row.user_agent is not None:
        return _parsed(row.user_agent[:MAX_USER_AGENT])
    return browser_of_names(row.browser, row.system, row.kind)


_parsed = lru_cache(maxsize=_CACHED)(parse_user_agent)
