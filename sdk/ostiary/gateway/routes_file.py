"""Reads a file of routes, TOML or JSON: every fault names the route and the field, and what was expected there."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ostiary.errors import ConfigurationError
from ostiary.failure_policy import Sensitivity
from ostiary.gateway.paths import Ambiguous, parse_path
from ostiary.gateway.routes import Route, RouteTable
from ostiary.guard_rules import Needs, parse_needs

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME_WORDS = "1 to 64 of a-z 0-9 . _ - and begin with a letter or digit"
_METHOD = re.compile(r"[A-Z]{1,20}(?:-[A-Z]{1,20})?")
_FIELDS = (
    "name", "prefixes", "service", "audience", "methods", "scope", "acr", "max_age_s", "sensitivity", "public",
    "health", "websocket", "origins",
)  # fmt: skip


def load_routes(path: Path) -> RouteTable:
    """The routes of a file; ConfigurationError names file, line or field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); name a file of routes in TOML or JSON") from error
    try:
        return parse_routes(text, is_json=path.suffix == ".json")
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def parse_routes(text: str, *, is_json: bool = False) -> RouteTable:
    """The routes of a text; ConfigurationError otherwise."""
    try:
        document: object = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError as error:  # both say line and column
        raise ConfigurationError(f"not {'JSON' if is_json else 'TOML'}: {error}") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("routes"), list) or not document["routes"]:
        raise ConfigurationError("routes must be a list of at least one route ([[routes]] in TOML)")
    if unknown := sorted(set(document) - {"routes", "origins"}):
        raise ConfigurationError(f"unknown: {', '.join(map(str, unknown))}; a file has routes and origins")
    origins = _Fields("the file", document).origins("origins", default=frozenset())
    routes = [_parse_route(number, each, origins) for number, each in enumerate(document["routes"], 1)]
    names = [route.name for route in routes]
    if again := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"routes: {', '.join(again)} stands there twice; a name belongs to one route")
    return RouteTable(tuple(routes))


def _parse_route(number: int, described: object, origins: frozenset[str]) -> Route:
    if not isinstance(described, Mapping):
        raise ConfigurationError(f"route {number} must be a table of fields")
    name = described.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"route {number}: name must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    fields = _Fields(f"route {number} ({name})", described)
    fields.check_known()
    prefixes = fields.paths("prefixes", needed=True)
    route = Route(
        name=name,
        prefixes=prefixes,
        service=fields.name("service") or name,
        needs=fields.needs(),
        audience=fields.text("audience"),
        methods=fields.methods(),
        sensitivity=fields.sensitivity(),
        public=fields.paths("public"),
        health=fields.paths("health"),
        websocket=fields.flag("websocket"),
        origins=fields.origins("origins", default=origins),
    )
    for field in ("public", "health"):
        for path in getattr(route, field):
            if not any(prefix in ("/", path) or path.startswith(f"{prefix}/") for prefix in prefixes):
                raise ConfigurationError(f"{fields.where}: {field} {path} must lie under one of its prefixes")
    return route


class _Fields:
    """The fields of one route, each read into the value that it stands for."""

    def __init__(self, where: str, described: Mapping[str, object]) -> None:
        self.where = where
        self._described = described

    def check_known(self) -> None:
        if unknown := sorted(set(self._described) - set(_FIELDS)):
            raise self._wrong(f"unknown: {', '.join(unknown)}; a route has {', '.join(_FIELDS)}")

    def text(self, name: str) -> str | None:
        value = self._described.get(name)
        if value is not None and (not isinstance(value, str) or not value or value != value.strip()):
            raise self._wrong(f"{name} must be a string that is not empty")
        return value

    def name(self, name: str) -> str | None:
        """A name that fits into a header and the name of an upstream."""
        value = self.text(name)
        if value is not None and _NAME.fullmatch(value) is None:
            raise self._wrong(f"{name} must be {_NAME_WORDS}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._described.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._wrong(f"{name} must be a list of strings")
        return tuple(value)

    def flag(self, name: str) -> bool:
        value = self._described.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(f"{name} must be true or false")
        return value

    def paths(self, name: str, *, needed: bool = False) -> tuple[str, ...]:
        found = []
        for text in self.texts(name):
            try:
                is_plain = parse_path(text) == text and (text == "/" or not text.endswith("/"))
            except Ambiguous as error:
                raise self._wrong(f"{name}: {text!r}: {error}") from error
            if not is_plain:
                raise self._wrong(f"{name}: {text!r} must be written without needless escapes and a slash at its end")
            found.append(text)
        if needed and not found:
            raise self._wrong(f"{name} must name at least one path")
        return tuple(found)

    def methods(self) -> frozenset[str]:
        found = self.texts("methods")
        for method in found:
            if _METHOD.fullmatch(method) is None:
                raise self._wrong(f"methods: {method!r} must be a method in upper case")
        return frozenset(found)

    def sensitivity(self) -> Sensitivity:
        text = self.text("sensitivity") or Sensitivity.ORDINARY.value
        if text not in [each.value for each in Sensitivity]:
            raise self._wrong("sensitivity must be sensitive, ordinary or low")
        return Sensitivity(text)

    def needs(self) -> Needs:
        max_age_s = self._described.get("max_age_s")
        if max_age_s is not None and (type(max_age_s) is not int or max_age_s < 0):
            raise self._wrong("max_age_s must be a whole number of seconds, 0 or more")
        scopes = (self.text("scope") or "").split()
        if len(scopes) > 1:
            raise self._wrong("scope must be one scope; routes with the same prefix and other methods may have others")
        try:
            return parse_needs(scopes=scopes, acr=(self.text("acr") or "").split(), max_age_s=max_age_s)
        except ConfigurationError as error:
            raise self._wrong(str(error)) from error

    def origins(self, name: str, *, default: frozenset[str]) -> frozenset[str]:
        if name not in self._described:
            return default
        for text in self.texts(name):
            parts = urlsplit(text)
            if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}".lower() != text:
                raise self._wrong(f"{name}: {text!r} must be an origin in lower case such as https://app.example.com")
        return frozenset(self.texts(name))

    def _wrong(self, words: str) -> ConfigurationError:
        return ConfigurationError(f"{self.where}: {words}")
