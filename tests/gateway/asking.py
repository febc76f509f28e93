"""Asks a gateway in this process what each kind of proxy would ask, byte for byte."""

from dataclasses import dataclass, field

import msgspec

from ostiary.asgi_types import Message, Scope
from ostiary.gateway.application import Gateway
from ostiary.gateway.identity_headers import EMITTED

ROUTES = """
origins = ["https://app.example.com"]

[[routes]]
name = "orders.read"
prefixes = ["/api/orders"]
methods = ["GET"]
service = "order-processing"
scope = "orders:read"
health = ["/api/orders/health"]

[[routes]]
name = "orders.write"
prefixes = ["/api/orders"]
methods = ["POST"]
service = "order-processing"
scope = "orders:write"

[[routes]]
name = "payments"
prefixes = ["/api/payments"]
scope = "payments:write"
sensitivity = "sensitive"
acr = "urn:ostiary:aal2"
max_age_s = 300

[[routes]]
name = "auth"
prefixes = ["/api/auth"]
public = ["/api/auth"]

[[routes]]
name = "open"
prefixes = ["/api/open"]
"""

ROUTES_WITH_AUDIENCE = ROUTES.replace(
    'scope = "orders:read"', 'scope = "orders:read"\naudience = "https://orders.example.com"'
)

DIALECTS = ("forward-auth", "auth-request", "ext-authz")


@dataclass(frozen=True, slots=True)
class Said:
    """A gateway's answer; `status` is the true one, `told` what nginx and the others see."""

    told: int
    headers: dict[str, str]
    body: dict[str, object]

    @property
    def status(self) -> int:
        return int(self.headers.get("x-ostiary-status", self.told))


@dataclass(frozen=True, slots=True)
class Asker:
    """One kind of proxy, in front of one gateway."""

    gateway: Gateway
    dialect: str = "forward-auth"
    peer: str | None = "127.0.0.1"
    always: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def ask(
        self, method: str, uri: str, *more: tuple[str, str], token: str | None = None, host: str = "api.example.com"
    ) -> Said:
        """What is said about a request; `more` are its other headers."""
        brought = [*more, *([("authorization", f"Bearer {token}")] if token is not None else [])]
        headers = [*self.always, *((name.encode(), value.encode("latin-1")) for name, value in brought)]
        own_method, path, query = "GET", f"/{self.dialect}", b""
        if self.dialect == "ext-authz":
            own_method, (path, _, asked) = method, (path + uri).partition("?")
            query = asked.encode("latin-1")
            headers.append((b"host", host.encode()))
        else:
            kind = "forwarded" if self.dialect == "forward-auth" else "original"
            told = {"method": method, "proto": "https", "host": host, "uri": uri}
            headers += [(f"x-{kind}-{name}".encode(), value.encode("latin-1")) for name, value in told.items()]
        return await self.send(own_method, path.encode("latin-1"), headers, query)

    async def send(self, method: str, path: bytes, headers: list[tuple[bytes, bytes]], query: bytes = b"") -> Said:
        """The answer to exactly this; every answer to a proxy has all identity headers, each once (S42)."""
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        async def nothing() -> Message:
            raise AssertionError("the gateway reads no body")

        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
            "client": None if self.peer is None else (self.peer, 50_000),
        }
        await self.gateway(scope, nothing, keep)
        start, body = sent
        pairs = start["headers"]
        assert isinstance(pairs, list)
        names = [name for name, _ in pairs]
        assert all(names.count(name) == 1 for name in EMITTED)
        assert len(set(names)) == len(names)
        content = body["body"]
        assert isinstance(content, bytes)
        assert isinstance(start["status"], int)
        document = msgspec.json.decode(content, type=dict[str, object]) if content else {}
        return Said(start["status"], {name.decode(): value.decode() for name, value in pairs}, document)
