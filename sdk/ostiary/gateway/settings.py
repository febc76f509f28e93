"""The settings of `ostiary-gateway`: the command line before the environment, every fault told at once. No serving."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ostiary.discovery import parse_issuer
from ostiary.errors import ConfigurationError
from ostiary.gateway.proxies import LOOPBACK, TrustedProxies
from ostiary.rate_limits import PERSON_RATE
from ostiary.rates import Rate

PREFIX = "OSTIARY_GATEWAY_"

# Name, default (None: it must be given), and what it is.
SETTINGS: tuple[tuple[str, str | None, str], ...] = (
    ("ISSUER", None, "the address of the Ostiary server, such as https://id.example.com"),
    ("AUDIENCE", None, "the identifier of the API that tokens must be made for"),
    ("ROUTES", None, "the file of routes (TOML, or JSON by its name)"),
    ("LISTEN", "127.0.0.1:3290", "where proxies ask: address and port, or unix:/path/to/socket"),
    ("TRUSTED_PROXIES", ",".join(LOOPBACK), "networks that questions may come from, with commas between them"),
    ("CLIENT_ID", "", "the gateway's own client at the server, with the scope feed:read"),
    ("CLIENT_SECRET", "", "that client's secret; better OSTIARY_GATEWAY_CLIENT_SECRET_FILE"),
    ("WITHOUT_FEED", "off", "on: go without the feed; a revoked token then passes until it expires"),
    ("STATE_DIR", "", "a folder that keeps the feed's state, so that a cold start refuses what was revoked at once"),
    ("CA_FILE", "", "a private certificate authority of the server, in PEM"),
    ("REDIS_URL", "", "where gateways count rates together (extra ostiary[redis])"),
    ("RATE_PER_PERSON", f"{PERSON_RATE.limit}/{PERSON_RATE.window_s}", "requests/seconds of one person, or off"),
    ("RATE_GLOBAL", "off", "requests/seconds of all together, or off"),
    ("REALM", "gateway", "the name of this API in challenges"),
)

_RATE = re.compile(r"([0-9]{1,9})/([0-9]{1,7})")
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: a socket file, or address and port."""

    host: str
    port: int
    socket_file: str | None = None


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Checked settings. `client` may be None where no feed is followed; rates are None where there is no limit."""

    issuer: str
    audience: str
    routes: Path
    listen: Listen
    trusted_proxies: TrustedProxies
    client: tuple[str, str] | None
    follows_feed: bool
    state_dir: Path | None
    ca_file: Path | None
    redis_url: str | None
    rate_per_person: Rate | None
    rate_global: Rate | None
    realm: str


class _Reader:
    """Reads each setting, and keeps what was wrong with it."""

    def __init__(self, options: Mapping[str, str | None], environment: Mapping[str, str]) -> None:
        self._options, self._environment = options, environment
        self.faults: list[str] = []
        known = {PREFIX + name for name, _, _ in SETTINGS} | {f"{PREFIX}CLIENT_SECRET_FILE"}
        for name in sorted(set(environment) - known):
            if name.startswith(PREFIX):
                self.faults.append(f"{name} is no setting; see ostiary-gateway --help")

    def text(self, name: str) -> str:
        """The value that was given, or the default; a fault where neither is there."""
        [(default, words)] = [(default, words) for known, default, words in SETTINGS if known == name]
        value = self._options.get(name)
        if value is None:
            value = self._environment.get(PREFIX + name, default)
        if not value and default is None:
            self.faults.append(f"{PREFIX}{name} is missing (or {_option(name)}): {words}")
        return value or ""

    def secret(self) -> str:
        """The client's secret, from the environment or a file; never from the command line."""
        file = self._environment.get(f"{PREFIX}CLIENT_SECRET_FILE")
        if not file:
            return self.text("CLIENT_SECRET")
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{PREFIX}CLIENT_SECRET_FILE cannot be read: {error}")
            return ""

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in ("on", "off"):
            self.faults.append(f"{PREFIX}{name} must be on or off")
        return value == "on"

    def rate(self, name: str) -> Rate | None:
        value = self.text(name)
        if value == "off":
            return None
        found = _RATE.fullmatch(value)
        if found is None or not int(found[1]) or not int(found[2]):
            self.faults.append(f"{PREFIX}{name} must be requests/seconds such as 1000/900, or off")
            return None
        return Rate(int(found[1]), int(found[2]))

    def listen(self) -> Listen:
        value = self.text("LISTEN")
        if value.startswith("unix:/"):
            return Listen("", 0, value.removeprefix("unix:"))
        found = _LISTEN.fullmatch(value)
        if found is None or int(found[3]) > 65_535:
            self.faults.append(f"{PREFIX}LISTEN must be an address and a port such as 127.0.0.1:3290, or unix:/path")
            return Listen("", 0)
        return Listen(found[1] or found[2], int(found[3]))

    def proxies(self) -> TrustedProxies:
        try:
            return TrustedProxies([each for each in self.text("TRUSTED_PROXIES").split(",") if each.strip()])
        except ConfigurationError as error:
            self.faults.append(f"{PREFIX}TRUSTED_PROXIES: {error}")
            return TrustedProxies()

    def client(self) -> tuple[str, str] | None:
        client_id, secret = self.text("CLIENT_ID"), self.secret()
        if client_id and secret:
            return client_id, secret
        if not self.flag("WITHOUT_FEED"):
            self.faults.append(
                f"{PREFIX}CLIENT_ID and {PREFIX}CLIENT_SECRET_FILE are missing: make a client by 'ostiary client "
                f"create --name Gateway --grant client_credentials --scope feed:read'. {PREFIX}WITHOUT_FEED=on goes "
                "without; a revoked token then passes until it expires"
            )
        return None

    def file(self, name: str) -> Path | None:
        value = self.text(name)
        return Path(value) if value else None


def parse_settings(options: Mapping[str, str | None], environment: Mapping[str, str]) -> GatewaySettings:
    """The settings of a command line (values by name, None where not given) and an environment.

    ConfigurationError with a line for each fault.
    """
    reader = _Reader(options, environment)
    settings = GatewaySettings(
        issuer=reader.text("ISSUER"),
        audience=reader.text("AUDIENCE"),
        routes=Path(reader.text("ROUTES")),
        listen=reader.listen(),
        trusted_proxies=reader.proxies(),
        client=reader.client(),
        follows_feed=not reader.flag("WITHOUT_FEED"),
        state_dir=reader.file("STATE_DIR"),
        ca_file=reader.file("CA_FILE"),
        redis_url=reader.text("REDIS_URL") or None,
        rate_per_person=reader.rate("RATE_PER_PERSON"),
        rate_global=reader.rate("RATE_GLOBAL"),
        realm=reader.text("REALM"),
    )
    if settings.issuer:
        try:
            parse_issuer(settings.issuer)
        except ConfigurationError as error:
            reader.faults.append(f"{PREFIX}ISSUER: {error}")
    if reader.faults:
        raise ConfigurationError("\n".join(reader.faults))
    return settings


def _option(name: str) -> str:
    return "--" + name.lower().replace("_", "-")
