"""Which route a request takes, and what that route asks for. No I/O.

The longest prefix wins, on the borders of segments. A path that belongs to a prefix never falls back to a shorter one,
whatever its method: what is refused here would otherwise be let through by the rules of a wider route.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ostiary.errors import ConfigurationError
from ostiary.failure_policy import Sensitivity
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.targets import Target
from ostiary.guard_rules import Needs

ANY_METHOD: frozenset[str] = frozenset()
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Route:
    """One route: whose requests these are and what they need.

    `prefixes` and `public` are paths that hold all below them, `health` exact ones. `methods` is empty for all.
    `service` is where they go, `audience` the API that the service's own tokens are made for (None: it gets none),
    `origins` are the sites whose pages may call it.
    """

    name: str
    prefixes: tuple[str, ...]
    service: str
    needs: Needs
    audience: str | None = None
    methods: frozenset[str] = ANY_METHOD
    sensitivity: Sensitivity = Sensitivity.ORDINARY
    public: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    websocket: bool = False
    origins: frozenset[str] = frozenset()

    def takes(self, method: str) -> bool:
        """Whether requests by this method are this route's; HEAD goes where GET goes."""
        return not self.methods or method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def is_public(self, path: str) -> bool:
        """Whether the path needs no token."""
        return any(_holds(prefix, path) for prefix in self.public)

    def is_health(self, target: Target) -> bool:
        """Whether this asks how the service is, and can do nothing else."""
        return target.method in _READS and target.path in self.health


class NoRoute(Exception):
    """No route has this path: answer 404."""


class WrongMethod(Exception):
    """The path has routes, but none for the method: answer 405; `allowed` is what the path takes."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"this path takes {', '.join(allowed)}")
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes, ready to be asked; ConfigurationError where two would take the same request."""

    routes: tuple[Route, ...]
    _by_prefix: dict[str, list[Route]] = field(init=False, repr=False, compare=False)
    _in_lower_case: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_prefix", _indexed(self.routes))
        object.__setattr__(self, "_in_lower_case", {prefix.lower(): prefix for prefix in self._by_prefix})

    def find(self, target: Target) -> Route:
        """The route of a request; NoRoute, WrongMethod or Ambiguous otherwise."""
        candidates = self.candidates(target.path)
        for route in candidates:
            if route.takes(target.method):
                return route
        raise WrongMethod(_methods_of(candidates))

    def candidates(self, path: str) -> list[Route]:
        """The routes of the longest prefix that holds the path; NoRoute, or Ambiguous where its case is another's."""
        prefix = _longest(path, self._by_prefix)
        # A service that reads paths without their case would take this for another route's.
        strict = self._in_lower_case.get(_longest(path.lower(), self._in_lower_case) or "")
        if strict != prefix:
            raise Ambiguous("the path differs from that of a route only in upper and lower case")
        if prefix is None:
            raise NoRoute("no route has this path")
        return self._by_prefix[prefix]


def _longest(path: str, known: Iterable[str]) -> str | None:
    """The longest of the known prefixes that holds the path."""
    prefix = path.rstrip("/") or "/"
    while prefix not in known:
        if prefix == "/":
            return None
        prefix = prefix.rpartition("/")[0] or "/"
    return prefix


def _holds(prefix: str, path: str) -> bool:
    return prefix in ("/", path) or path.startswith(f"{prefix}/")


def _indexed(routes: Iterable[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        for prefix in route.prefixes:
            others = found.setdefault(prefix, [])
            for other in others:
                _check_apart(route, other, prefix)
            others.append(route)
    lowered: dict[str, str] = {}
    for prefix in found:
        if (same := lowered.setdefault(prefix.lower(), prefix)) != prefix:
            raise ConfigurationError(f"routes: the prefixes {same} and {prefix} differ only in upper and lower case")
    return found


def _check_apart(route: Route, other: Route, prefix: str) -> None:
    if not route.methods or not other.methods or route.methods & other.methods:
        raise ConfigurationError(
            f"routes: {other.name} and {route.name} both take {prefix}; give each methods that the other has not"
        )


def _methods_of(routes: Iterable[Route]) -> tuple[str, ...]:
    named = {method for route in routes for method in route.methods}
    return tuple(sorted(named | ({"HEAD"} if "GET" in named else set())))
