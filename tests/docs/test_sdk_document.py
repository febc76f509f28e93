"""The programs of docs/sdk.md, taken from the document and run as it says, against the test kit's issuer and feed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from ostiary.testing import FakeFeed, FakeIssuer
from tests.docs.examples import blocks, commands, write_files
from tests.docs.sdk_tables import PUBLIC_MODULES, names_of
from tests.docs.tables import DOCS
from tests.docs.test_integrate import running, uvicorn
from tests.sdk.test_fetching import listener, port_of, served
from tests.server.process import ROOT, environment, ports, run, serving
from tests.services import free_port

__all__ = ["listener"]

DOCUMENT = DOCS / "sdk.md"
API = "https://orders.example.com"
PATIENCE_S = 5.0

Command = Callable[[int], list[str]]


@dataclass(frozen=True)
class Setting:
    """The folder with the document's programs, the issuer and feed that they use, and their environment."""

    folder: Path
    feed: FakeFeed
    environ: dict[str, str]

    @property
    def fake(self) -> FakeIssuer:
        return self.feed.fake_issuer

    @contextmanager
    def program(self, command: list[str], port: int) -> Iterator[httpx2.Client]:
        """A client of one of the document's programs."""
        with (
            running(command, self.folder, self.environ, port),
            httpx2.Client(base_url=f"http://localhost:{port}", trust_env=False) as client,
        ):
            yield client

    def python(self, *arguments: str, **environ: str) -> str:
        """What a program prints that runs to its end."""
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture
def setting(tmp_path: Path, listener: socket.socket) -> Iterator[Setting]:
    fake = FakeIssuer(f"http://localhost:{port_of(listener)}", audience=API)
    fake.clients["cli_orders"] = "secret"
    feed = FakeFeed(fake)
    write_files(DOCUMENT, tmp_path)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")},
        "ISSUER": fake.issuer,
        "CLIENT_ID": "cli_orders",
        "CLIENT_SECRET": "secret",
        "FEED_FOLDER": str(tmp_path / "feed"),
        "PYTHONPATH": str(ROOT / "sdk"),
    }
    with served(feed, listener):
        yield Setting(tmp_path, feed, environ)
        feed.go_down()


def flask(port: int) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "flask_orders", "run", "--port", str(port), "--host", "localhost"]


def django(port: int) -> list[str]:
    return [sys.executable, "django_orders.py", "runserver", "--noreload", f"localhost:{port}"]


def wsgi(port: int) -> list[str]:
    return [sys.executable, "wsgi_orders.py", str(port)]


def asgi(module: str) -> Command:
    return lambda port: uvicorn(f"{module}:app", port)


PROGRAMS = [asgi("orders"), asgi("payments"), asgi("fastapi_orders"), flask, django, wsgi]
NAMES = ["orders", "payments", "fastapi", "flask", "django", "wsgi"]


@pytest.mark.parametrize("command", PROGRAMS, ids=NAMES)
def test_each_guard_lets_in_whom_it_should_and_obeys_within_a_second(command: Command, setting: Setting) -> None:
    """S18, S39: no token, a scope too few, a good one, and the same one revoked."""
    port = free_port()
    good, poor = setting.fake.mint({"scope": "orders:read", "jti": "jti-1"}), setting.fake.mint()
    with setting.program(command(port), port) as client:
        bare = client.get("/orders")
        assert (bare.status_code, bare.headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer")
        assert "error=" not in bare.headers["www-authenticate"]
        lacking = client.get("/orders", headers=bearer(poor))
        assert (lacking.status_code, 'scope="orders:read"' in lacking.headers["www-authenticate"]) == (403, True)
        served_well = client.get("/orders", headers=bearer(good))
        assert (served_well.status_code, served_well.json()) == (200, {"caller": "usr_test"}), served_well.text
        setting.feed.revoke_token("jti-1")
        began = time.monotonic()
        while (answer := client.get("/orders", headers=bearer(good))).status_code == 200:
            assert time.monotonic() < began + PATIENCE_S
        assert answer.status_code == 401
        assert "the token was revoked" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("command", [asgi("payments"), asgi("fastapi_orders"), flask, django])
def test_a_sensitive_route_asks_the_issuer_when_the_feed_is_cut_off(command: Command, setting: Setting) -> None:
    """I6: the feed never came; introspection answers, and says no to what is revoked."""
    setting.feed.go_down()
    port = free_port()
    good, gone = setting.fake.mint({"scope": "orders:read"}), setting.fake.mint({"scope": "orders:read", "jti": "gone"})
    setting.feed.revoke_token("gone")
    with setting.program(command(port), port) as client:
        paid = client.post("/pay", headers=bearer(good))
        assert (paid.status_code, paid.json()) == (200, {"paid_by": "usr_test"}), paid.text
        refused = client.post("/pay", headers=bearer(gone))
        assert (refused.status_code, "no longer active" in refused.headers["www-authenticate"]) == (401, True)
        setting.fake.go_down()
        trouble = client.post("/pay", headers=bearer(setting.fake.mint({"scope": "orders:read"})))
        assert (trouble.status_code, int(trouble.headers["retry-after"]) > 0) == (503, True)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_health_and_metadata_need_no_token(setting: Setting) -> None:
    """RFC 9728, at the address that the challenge names."""
    port = free_port()
    with setting.program(uvicorn("payments:app", port), port) as client:
        assert client.get("/health").json() == {"is": "well"}
        assert "resource_metadata=" in client.get("/orders").headers["www-authenticate"]
        said = client.get("/.well-known/oauth-protected-resource").json()
        assert (said["resource"], said["authorization_servers"]) == (API, [setting.fake.issuer])


def test_rates_are_limited_a_person(setting: Setting) -> None:
    """Three in this program, and the neighbour is not touched."""
    port = free_port()
    with setting.program(uvicorn("limited_orders:app", port), port) as client:
        busy = bearer(setting.fake.mint({"sub": "usr_1"}))
        answers = [client.get("/orders", headers=busy) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert '"person";r=2;' in answers[0].headers["ratelimit"]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert client.get("/orders", headers=bearer(setting.fake.mint({"sub": "usr_2"}))).status_code == 200


def test_verifying_by_hand_says_whose_fault_it_is(setting: Setting) -> None:
    """Junk is the caller's, told in words."""
    program = "import sys; from by_hand import who_is; print(who_is(sys.argv[1]))"
    said = setting.python("-c", program, "junk")
    assert said == "refused: malformed (the token must be three base64url parts joined by dots)\n"
    setting.feed.revoke_person("usr_8")
    waiting = "import access; assert access.feed.wait_ready(); " + program
    assert setting.python("-c", waiting, setting.fake.mint({"sub": "usr_9"})) == "usr_9\n"
    assert list((setting.folder / "feed").iterdir()), "what is known was not kept for the next start"


def test_calling_others_takes_the_own_token_along_both_ways(setting: Setting) -> None:
    """To a guarded API, whose name the token bears."""
    port = free_port()
    program = "import asyncio, calling; print(asyncio.run(calling.with_httpx2()), calling.with_requests())"
    with setting.program(uvicorn("orders:app", port), port):
        said = setting.python("-c", program, ORDERS_URL=f"http://localhost:{port}/orders")
    assert said == "{'caller': 'cli_orders'} {'caller': 'cli_orders'}\n"


def test_the_documents_own_tests_pass(setting: Setting) -> None:
    """Users copy them."""
    told = setting.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_service.py")
    assert "7 passed" in told


def test_every_public_name_stands_in_the_document() -> None:
    """The table is compared with the code elsewhere; this counts that nothing public was forgotten."""
    text = DOCUMENT.read_text()
    for module in ("ostiary", *PUBLIC_MODULES):
        for name, _ in names_of(module):
            assert f"| `{module}` | `{name}` |" in text
    imported = {
        line.split()[1]
        for block in blocks(DOCUMENT)
        if block.language == "python"
        for line in block.text.splitlines()
        if line.startswith("from ostiary")
    }
    assert imported <= {"ostiary", *PUBLIC_MODULES}


def test_the_start_works_against_the_server_itself(tmp_path: Path) -> None:
    """S18, I2: registered by the document's command; refused a second after the revocation was acknowledged."""
    write_files(DOCUMENT, tmp_path)
    environ = environment(tmp_path, **ports())
    [command] = commands(DOCUMENT, "ostiary")
    made = json.loads(run(environ, *command, "--json").stdout)
    with serving(environ) as (welcome, _):
        issuer, port = welcome["issuer"], free_port()
        own = {"ISSUER": issuer, "CLIENT_ID": made["client_id"], "CLIENT_SECRET": made["client_secret"]}
        told = {**os.environ, **own, "PYTHONPATH": str(ROOT / "sdk")}
        with running(uvicorn("orders:app", port), tmp_path, told, port), httpx2.Client(trust_env=False) as client:
            auth = (made["client_id"], made["client_secret"])
            form = {"grant_type": "client_credentials", "scope": "orders:read", "resource": API}
            token = client.post(f"{issuer}/oauth/token", data=form, auth=auth).json()["access_token"]

            def status() -> int:
                return client.get(f"http://localhost:{port}/orders", headers=bearer(token)).status_code

            assert status() == 200
            assert client.post(f"{issuer}/oauth/revoke", data={"token": token}, auth=auth).status_code == 200
            acknowledged_at = time.monotonic()
            while status() == 200:
                assert time.monotonic() < acknowledged_at + PATIENCE_S
            assert status() == 401
