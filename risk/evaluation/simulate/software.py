"""User agents of a made-up world: systems and browsers with versions that go up as time passes."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Seen:
    """A user agent string, and what a parser makes of it: browser and system with versions, kind of device."""

    user_agent: str
    browser: str
    system: str
    kind: str


@dataclass(frozen=True, slots=True)
class Family:
    """A browser: its engine, the version on the first day of 2024, and days from one version to the next."""

    name: str
    version: int
    every_days: float


CHROME = Family("Chrome", 120, 28)
EDGE = Family("Edge", 120, 28)
FIREFOX = Family("Firefox", 121, 28)
OPERA = Family("Opera", 106, 28)
SAMSUNG = Family("Samsung Internet", 23, 120)
SAFARI = Family("Safari", 0, 60)  # its version is the system's

_FIRST_OF_2024 = 19_723

# (kind, system, weight, the browsers on it with their weights)
SYSTEMS: tuple[tuple[str, str, float, tuple[tuple[Family, float], ...]], ...] = (
    ("desktop", "Windows", 40, ((CHROME, 62), (EDGE, 24), (FIREFOX, 10), (OPERA, 4))),
    ("desktop", "Mac OS X", 12, ((SAFARI, 45), (CHROME, 45), (FIREFOX, 8), (EDGE, 2))),
    ("desktop", "Linux", 2.5, ((CHROME, 50), (FIREFOX, 50))),
    ("mobile", "Android", 26, ((CHROME, 78), (SAMSUNG, 17), (FIREFOX, 3), (OPERA, 2))),
    ("mobile", "iOS", 16, ((SAFARI, 86), (CHROME, 14))),
    ("tablet", "iPadOS", 2, ((SAFARI, 100),)),
    ("tablet", "Android tablet", 1.5, ((CHROME, 70), (SAMSUNG, 30))),
)

_MODELS = tuple(
    "SM-G991B SM-G998B SM-A525F SM-A536B SM-S911B SM-S918B SM-A145F SM-M336B Pixel_6 Pixel_7 Pixel_8 Redmi_Note_12 "
    "2201117TY M2101K6G CPH2387 CPH2211 V2111 RMX3363 moto_g(30) XQ-BC52".split()
)
_TABLETS = ("SM-T500", "SM-X200", "SM-T870", "SM-X700", "Lenovo_TB-X606F")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is installed on one device; `lag_days` is how late it updates, `frozen_day` when it stopped to."""

    kind: str
    system: str
    family: Family
    other_family: Family
    model: str
    system_version: int
    build: int
    lag_days: float
    system_lag_days: float
    frozen_day: float | None


def draw_setup(random: Random, *, frozen: float, day: float, kinds: frozenset[str] | None = None) -> Setup:
    """Some device of the world's mix, on this day; `kinds` narrows it."""
    fitting = [each for each in SYSTEMS if kinds is None or each[0] in kinds]
    kind, system, _, browsers = random.choices(fitting, [each[2] for each in fitting])[0]
    family = random.choices([each[0] for each in browsers], [each[1] for each in browsers])[0]
    return Setup(
        kind=kind,
        system=system,
        family=family,
        other_family=random.choice([each[0] for each in browsers]),
        model=random.choice(_TABLETS if system == "Android tablet" else _MODELS).replace("_", " "),
        system_version=random.choices((10, 11, 12, 13, 14), (1, 1.5, 2.5, 4, 3))[0],
        build=random.randint(40, 220),
        lag_days=random.expovariate(1 / 5),
        system_lag_days=random.expovariate(1 / 25),
        frozen_day=day if random.random() < frozen else None,
    )


def seen_on(setup: Setup, day: float, *, reduced: bool, other_browser: bool = False) -> Seen:
    """What the device's browser sends on this day (days since 1970)."""
    family = setup.other_family if other_browser else setup.family
    effective = day if setup.frozen_day is None else min(day, setup.frozen_day)
    version = _version(family, effective - setup.lag_days)
    if setup.system in {"iOS", "iPadOS"}:
        return _apple(setup, family, version, effective - setup.system_lag_days)
    if setup.system.startswith("Android"):
        return _android(setup, family, version, reduced=reduced)
    return _desktop(setup, family, version, effective, reduced=reduced)


def _version(family: Family, day: float) -> int:
    return max(family.version + int((day - _FIRST_OF_2024) // family.every_days), 20)


def _system_steps(day: float) -> tuple[int, int]:
    """iOS: a new major version each September with six smaller ones."""
    since = day - 19_618  # iOS 17 came out in the middle of September 2023
    years = int(since // 365)
    return 17 + years, min(int((since - years * 365) // 55), 6)


def _build(setup: Setup, version: int, *, reduced: bool) -> str:
    return f"{version}.0.0.0" if reduced else f"{version}.0.{4000 + version * 15}.{setup.build + version % 7}"


def _shown(version: str) -> str:
    return ".".join(version.split(".")[:3])


def _apple(setup: Setup, family: Family, version: int, day: float) -> Seen:
    major, minor = _system_steps(day)
    if setup.system == "iPadOS":
        # An iPad says that it is a Mac; only its touch screen would tell.
        agent = (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            f"Version/{major}.{minor} Safari/605.1.15"
        )
        return Seen(agent, f"Safari {major}.{minor}", "Mac OS X 10.15.7", "desktop")
    start = (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    )
    system = f"iOS {major}.{minor}"
    if family is CHROME:
        build = f"{version}.0.{4000 + version * 15}.{50 + version % 7}"
        return Seen(
            f"{start} CriOS/{build} Mobile/15E148 Safari/604.1", f"Chrome Mobile iOS {_shown(build)}", system, "mobile"
        )
    browser = f"Mobile Safari {major}.{minor}"
    return Seen(f"{start} Version/{major}.{minor} Mobile/15E148 Safari/604.1", browser, system, "mobile")


def _android(setup: Setup, family: Family, version: int, *, reduced: bool) -> Seen:
    is_tablet = setup.system == "Android tablet"
    kind = "tablet" if is_tablet else "mobile"
    if family is FIREFOX:
        word = "Tablet" if is_tablet else "Mobile"
        start = f"Mozilla/5.0 (Android {setup.system_version}; {word}; rv:{version}.0)"
        agent = f"{start} Gecko/{version}.0 Firefox/{version}.0"
        return Seen(agent, f"Firefox Mobile {version}.0", f"Android {setup.system_version}", kind)
    shown_system = "10" if reduced else str(setup.system_version)
    model = "K" if reduced else setup.model
    engine = _version(CHROME, _FIRST_OF_2024 + (version - family.version) * family.every_days)
    build = _build(setup, version if family is CHROME else engine, reduced=reduced)
    start = f"Mozilla/5.0 (Linux; Android {shown_system}; {model}) AppleWebKit/537.36 (KHTML, like Gecko)"
    mobile = "" if is_tablet else "Mobile "
    if family is SAMSUNG:
        agent = f"{start} SamsungBrowser/{version}.0 Chrome/{build} {mobile}Safari/537.36"
        return Seen(agent, f"Samsung Internet {version}.0", f"Android {shown_system}", kind)
    if family is OPERA:
        agent = f"{start} Chrome/{build} {mobile}Safari/537.36 OPR/{version - 30}.0.0.0"
        return Seen(agent, f"Opera Mobile {version - 30}.0.0", f"Android {shown_system}", kind)
    name = "Chrome" if is_tablet else "Chrome Mobile"
    return Seen(
        f"{start} Chrome/{build} {mobile}Safari/537.36", f"{name} {_shown(build)}", f"Android {shown_system}", kind
    )


def _desktop(setup: Setup, family: Family, version: int, day: float, *, reduced: bool) -> Seen:
    platform, system = {
        "Windows": ("Windows NT 10.0; Win64; x64", "Windows 10"),
        "Mac OS X": ("Macintosh; Intel Mac OS X 10_15_7", "Mac OS X 10.15.7"),
        "Linux": ("X11; Linux x86_64", "Linux"),
    }[setup.system]
    if family is SAFARI:
        major, minor = _system_steps(day - setup.system_lag_days)
        agent = (
            f"Mozilla/5.0 ({platform}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{major}.{minor} Safari/605.1.15"
        )
        return Seen(agent, f"Safari {major}.{minor}", system, "desktop")
    if family is FIREFOX:
        firefox = platform.replace("10_15_7", "10.15")
        agent = f"Mozilla/5.0 ({firefox}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        return Seen(agent, f"Firefox {version}.0", system, "desktop")
    engine = version + (14 if family is OPERA else 0)
    build = _build(setup, engine, reduced=reduced)
    start = f"Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{build} Safari/537.36"
    if family is EDGE:
        return Seen(f"{start} Edg/{build}", f"Edge {_shown(build)}", system, "desktop")
    if family is OPERA:
        return Seen(f"{start} OPR/{version}.0.0.0", f"Opera {version}.0.0", system, "desktop")
    return Seen(start, f"Chrome {_shown(build)}", system, "desktop")


_SCRIPTS = (
    ("python-requests/2.31.0", "Python Requests 2.31", "Other", "bot"),
    ("Go-http-client/2.0", "Go-http-client 2.0", "Other", "bot"),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0.0.0 Safari/537.36",
        "HeadlessChrome 119.0.0",
        "Linux",
        "desktop",
    ),
    ("curl/8.4.0", "curl 8.4.0", "Other", "bot"),
)


def script(random: Random) -> Seen:
    """The user agent of a program."""
    return Seen(*random.choice(_SCRIPTS))
