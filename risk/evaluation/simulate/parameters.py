"""What differs from world to world: every rate is drawn anew from a broad range."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from random import Random


@dataclass(frozen=True, slots=True)
class Parameters:
    """One world's rates. Shares and chances are between 0 and 1; times in days unless named otherwise."""

    # The world.
    first_day: int  # days since 1970
    home_land_share: float  # of people who live in the main country
    lands: int  # countries that people live in
    # Networks.
    nets_a_city: int  # networks (/24) of an operator in a city, at the median
    city_error: float  # networks whose city a database gets wrong
    city_unknown: float  # networks without a city in the database
    carrier_nat_share: float  # fixed operators that share addresses among people
    six_share: float  # operators with IPv6
    static_share: float  # homes whose address never changes
    lease: float  # until a home's address changes, on average
    same_net_after: float  # changes of address that stay in the network
    # People.
    signins_median: float
    signins_spread: float  # of the logarithm
    company_share: float  # people who work at one of the companies
    companies: int
    proxied_companies: float  # companies whose address is a filtering proxy's
    mobile_habit: float  # sign-ins from a telephone that go over its carrier
    vpn_people: float
    vpn_habit: float  # of their sign-ins
    trips: float  # a person and year, on average; some travel far more
    abroad: float  # trips that leave the country
    roams_home: float  # of telephones abroad, leaving through the home carrier
    cafes: float  # sign-ins away from home in the same city
    second_homes: float  # people with a second place
    moves: float  # changes of home or operator, a person and year
    break_share: float  # people who stay away for weeks
    night_share: float  # people whose day is turned around
    regularity: float  # how narrow the hours of a person are
    # Devices.
    devices: float  # a person, on average, beside the first
    replaced: float  # a device and year
    second_browser: float  # sign-ins by another browser of the device
    clears: float  # sign-ins that find their cookie cleared
    private_people: float  # people who mostly browse privately or clear always
    private_habit: float  # private windows of everyone else
    frozen: float  # devices whose browser is never updated
    reduced: bool  # user agents carry no model and build numbers
    # Mistakes and attacks.
    failing: float  # sign-ins that a wrong password went before
    sprays: float  # campaigns in thirty days
    spray_people: float  # people whom a campaign tries
    residential: float  # attackers who leave through somebody's home or telephone
    scripted: float  # naive attackers with a program's user agent
    same_city: float  # targeted attackers in the right city
    same_address: float  # very targeted attackers at the very address
    same_version: float  # very targeted attackers with the very version
    copied_browser: float  # cookie thieves who copy the user agent too
    thief_in_land: float  # cookie thieves who leave through the right country
    day_hours: float  # targeted attackers who keep to the person's waking hours


# Meant to hold what deployments differ in.
_RANGES: Mapping[str, tuple[float, float]] = {
    "home_land_share": (0.45, 0.97),
    "city_error": (0.0, 0.15),
    "city_unknown": (0.0, 0.25),
    "carrier_nat_share": (0.0, 0.5),
    "six_share": (0.0, 0.4),
    "static_share": (0.05, 0.5),
    "lease": (2, 90),
    "same_net_after": (0.1, 0.8),
    "signins_median": (12, 60),
    "signins_spread": (0.7, 1.3),
    "company_share": (0.1, 0.7),
    "proxied_companies": (0.0, 0.4),
    "mobile_habit": (0.2, 0.7),
    "vpn_people": (0.01, 0.12),
    "vpn_habit": (0.1, 0.8),
    "trips": (0.5, 5),
    "abroad": (0.1, 0.5),
    "roams_home": (0.2, 0.9),
    "cafes": (0.005, 0.06),
    "second_homes": (0.05, 0.3),
    "moves": (0.05, 0.4),
    "break_share": (0.1, 0.5),
    "night_share": (0.01, 0.12),
    "regularity": (0.3, 1.0),
    "devices": (0.4, 1.6),
    "replaced": (0.2, 0.6),
    "second_browser": (0.0, 0.03),
    "clears": (0.002, 0.02),
    "private_people": (0.0, 0.06),
    "private_habit": (0.0, 0.015),
    "frozen": (0.02, 0.2),
    "failing": (0.01, 0.12),
    "sprays": (0, 4),
    "spray_people": (0.1, 0.9),
    "residential": (0.1, 0.8),
    "scripted": (0.0, 0.3),
    "same_city": (0.4, 0.95),
    "same_address": (0.0, 0.3),
    "same_version": (0.2, 0.8),
    "copied_browser": (0.2, 0.8),
    "thief_in_land": (0.2, 0.8),
    "day_hours": (0.2, 0.8),
}


def draw_parameters(random: Random) -> Parameters:
    """A world of its own."""
    drawn: dict[str, float] = {name: random.uniform(*ends) for name, ends in _RANGES.items()}
    return Parameters(
        first_day=random.randint(19_000, 20_200),
        lands=random.randint(2, 8),
        nets_a_city=random.randint(6, 60),
        companies=random.randint(1, 12),
        reduced=random.random() < 0.6,
        **drawn,
    )


def as_table(parameters: Parameters) -> dict[str, float]:
    """Every parameter by its name, rounded for reading."""
    return {each.name: round(float(getattr(parameters, each.name)), 4) for each in fields(parameters)}
