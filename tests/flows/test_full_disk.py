"""The disk is full: what changes security is refused with 503, reads go on, and nothing is believed that was not kept.

The limit on the size of files stands for the full disk: it can be put on a running process, and taken away again.
"""

import base64
import json
import resource
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.server.process import environment, get, ports, run, serving

FULL, FREE = (4096, resource.RLIM_INFINITY), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def ask(url: str, credentials: str, body: str) -> tuple[int, str | None]:
    """The status of a protocol request, and its `Retry-After`."""
    asked = urllib.request.Request(url, body.encode())
    asked.add_header("authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(asked, timeout=30) as response:
            return response.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("retry-after")


def test_without_an_event_nothing_that_matters_happens(tmp_path: Path) -> None:
    """S44, F5, I3, I6"""
    environ = environment(tmp_path, **ports(), OSTIARY_LOG__ACCESS="false")
    with serving(environ) as (welcome, process):
        asked = ("--name", "x", "--grant", "client_credentials", "--scope", "a:b", "--json")
        client = json.loads(run(environ, "client", "create", *asked).stdout)
        credentials = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        token_url, issuer = welcome["issuer"] + "/oauth/token", welcome["issuer"]

        def token() -> tuple[int, str | None]:
            return ask(token_url, credentials, "grant_type=client_credentials")

        until = time.monotonic() + 10
        while token()[0] != 200 and time.monotonic() < until:
            time.sleep(0.1)
        given = 1
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FULL)
        answers = [token() for _ in range(5)]
        assert {status for status, _ in answers} == {503}
        assert all(retry for _, retry in answers), "it says when to come back"
        assert get(welcome["discovery"])[0] == 200, "what only reads goes on"
        assert get(issuer + "/.well-known/jwks.json")[0] == 200
        assert get(f"http://{environ['OSTIARY_OPS_LISTEN']}/health/live")[0] == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, FREE)
        until = time.monotonic() + 20
        while time.monotonic() < until and token()[0] != 200:
            time.sleep(0.2)
        given += 1
        assert token()[0] == 200, "it goes on by itself"
        given += 1
    exported = run(environ, "audit", "export").stdout.splitlines()
    issued = [line for line in exported if json.loads(line)["name"] == "token.issued"]
    assert len(issued) == given, "an event for each token, and none for a refused one"
    assert "Traceback" not in (tmp_path / "server.log").read_text()
