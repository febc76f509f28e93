"""The examples of docs/integrate.md, taken from the document and run: two web applications, an API, a service."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
import trustme

from tests.docs.examples import commands, write_files
from tests.identity.forms import hidden_fields
from tests.server.process import ROOT, environment, ports, run, serving
from tests.services import free_port
from tests.world import PASSWORD

DOCUMENT = ROOT / "docs" / "integrate.md"
API = "https://orders.example.com"


@dataclass(frozen=True)
class Deployment:
    """A server over https with Ada in it, the document's clients, the files of its examples, and its orders API."""

    issuer: str
    folder: Path
    clients: Mapping[str, Mapping[str, str]]
    environ: Mapping[str, str]
    tls: ssl.SSLContext


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Set up by the document's own commands."""
    folder = tmp_path_factory.mktemp("integrate")
    write_files(DOCUMENT, folder)
    (folder / "node_modules").symlink_to(ROOT / "tests" / "node" / "node_modules")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    pair = authority.issue_cert("localhost")
    pair.private_key_pem.write_to_path(folder / "key.pem")
    for part in pair.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    pair_settings = {"OSTIARY_TLS_CERT": str(folder / "cert.pem"), "OSTIARY_TLS_KEY": str(folder / "key.pem")}
    environ = environment(folder, **ports(**pair_settings))
    clients = register(environ)
    with serving(environ) as (welcome, _):
        issuer, orders_port = welcome["issuer"], free_port()
        told = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")},
            "ISSUER": issuer,
            "ORDERS_URL": f"http://localhost:{orders_port}/orders",
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "NODE_EXTRA_CA_CERTS": str(folder / "ca.pem"),
            "PYTHONPATH": str(ROOT / "sdk"),
        }
        tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        with running(uvicorn("orders:app", orders_port), folder, told, orders_port):
            yield Deployment(issuer, folder, clients, told, tls)


def register(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Runs the document's commands; the answers to `client create`, by the client's name."""
    person = ["user", "create", "--username", "ada", "--name", "Ada Byron", "--password-stdin"]
    assert run(environ, *person, stdin=PASSWORD + "\n").returncode == 0
    made = {}
    for command in commands(DOCUMENT, "ostiary"):
        if command[:2] == ["audit", "export"]:
            continue
        # So short that Authlib, which looks a minute ahead, refreshes before each use.
        short = ["--access-token-ttl-s", "30"] if "Order desk" in command else []
        ended = run(environ, *command, *short, "--json")
        assert ended.returncode == 0, ended.stderr
        if command[0] == "client":
            name = command[command.index("--name") + 1]
            made[name] = msgspec.json.decode(ended.stdout, type=dict[str, str])
    return made


def uvicorn(app: str, port: int) -> list[str]:
    """The command that serves one of the document's applications."""
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--host", "localhost", "--log-level", "warning"]


@contextmanager
def running(command: list[str], folder: Path, environ: Mapping[str, str], port: int) -> Iterator[None]:
    """A program in the folder, from its first answer on; it is ended afterwards."""
    log = folder / f"{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=dict(environ), stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for_answer(process, port, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the program answers; fails with its own words where it ends before."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        assert process.poll() is None, log.read_text()
        try:
            httpx2.get(f"http://localhost:{port}/", trust_env=False)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no answer within 20 s: {log.read_text()}")


@pytest.fixture(params=["app.py", "app.mjs"])
def application(request: pytest.FixtureRequest, deployment: Deployment, node: str) -> Iterator[str]:
    """The address of the document's web application, in Python and in Node."""
    port = free_port()
    client = deployment.clients["Order desk"]
    address = f"http://localhost:{port}"
    environ = {
        **deployment.environ,
        "APP": address,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
    }
    command = uvicorn("app:app", port) if request.param == "app.py" else [node, "app.mjs"]
    with running(command, deployment.folder, environ, port):
        yield address


def follow(browser: httpx2.Client, response: httpx2.Response) -> httpx2.Response:
    """Follows redirects to whoever they lead to; a browser, unlike a program, may cross from https to http."""
    for _ in range(10):
        if not response.has_redirect_location:
            return response
        response = browser.get(response.url.join(response.headers["location"]))
    raise AssertionError("redirects without end")


def answer_signin(browser: httpx2.Client, page: httpx2.Response, issuer: str) -> httpx2.Response:
    """Fills in the sign-in form."""
    form = {**hidden_fields(page), "username": "ada", "password": PASSWORD}
    return follow(browser, browser.post(f"{issuer}/signin", data=form, headers={"origin": issuer}))


def answer_consent(browser: httpx2.Client, page: httpx2.Response, issuer: str, decision: str) -> httpx2.Response:
    """Answers the consent page."""
    form = {**hidden_fields(page), "decision": decision}
    return follow(browser, browser.post(f"{issuer}/consent", data=form, headers={"origin": issuer}))


def test_the_web_applications_sign_in_call_the_api_refresh_and_sign_out(
    deployment: Deployment, application: str
) -> None:
    issuer = deployment.issuer
    with httpx2.Client(verify=deployment.tls, trust_env=False) as browser:
        assert "Sign in" in browser.get(application + "/").text
        page = answer_signin(browser, follow(browser, browser.get(application + "/sign-in")), issuer)
        if page.url.path == "/consent":
            page = answer_consent(browser, page, issuer, "allow")
        assert page.text == "Hello Ada Byron"
        for _ in range(3):
            orders = browser.get(application + "/orders")
            assert orders.status_code == 200, orders.text
            assert orders.json()["orders"] == ["A-1"]
        left = follow(browser, browser.post(application + "/sign-out"))
        assert str(left.url).startswith(application + "/")
        assert left.url.path == "/"
        assert "Sign in" in left.text
        again = follow(browser, browser.get(application + "/sign-in"))
        assert again.url.path == "/signin", "signing out of the application left the session at the server"


def test_the_web_applications_say_so_when_the_person_says_no(deployment: Deployment, application: str) -> None:
    issuer = deployment.issuer
    with httpx2.Client(verify=deployment.tls, trust_env=False) as browser:
        begun = browser.get(application + "/sign-in")
        asking = browser.get(begun.url.join(begun.headers["location"]).copy_merge_params({"prompt": "consent"}))
        page = answer_signin(browser, follow(browser, asking), issuer)
        assert page.url.path == "/consent"
        denied = answer_consent(browser, page, issuer, "deny")
        assert (denied.url.path, denied.text) == ("/callback", "Not signed in: access_denied")
        assert denied.is_client_error


def test_a_service_gets_a_token_for_itself_and_calls_the_api(deployment: Deployment) -> None:
    client = deployment.clients["Nightly export"]
    environ = {
        **deployment.environ,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
    }
    ended = subprocess.run(
        [sys.executable, "export.py"],
        cwd=deployment.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("['A-1']\n", 0), ended.stderr


def test_a_service_calls_on_in_the_name_of_another(deployment: Deployment) -> None:
    """The token that the order service was called with, and what it asks for in its place."""
    caller, orders = deployment.clients["Nightly export"], deployment.clients["Order service"]
    answered = httpx2.post(
        f"{deployment.issuer}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(caller["client_id"], caller["client_secret"]),
        verify=deployment.tls,
        trust_env=False,
    )
    own = {"CLIENT_ID": orders["client_id"], "CLIENT_SECRET": orders["client_secret"]}
    ended = subprocess.run(
        [sys.executable, "call_on.py"],
        cwd=deployment.folder,
        env={**deployment.environ, **own},
        input=answered.json()["access_token"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == (
        f"{caller['client_id']} through {orders['client_id']}\n", 0,
    ), ended.stderr  # fmt: skip


def test_the_orders_api_lets_nobody_in_without_a_token(deployment: Deployment) -> None:
    refused = httpx2.get(deployment.environ["ORDERS_URL"], trust_env=False)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="api"'
