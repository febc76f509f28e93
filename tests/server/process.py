"""Runs the `ostiary` command as a user does: as a program of its own, with an environment of its own."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from tests.services import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


class Welcome(TypedDict, total=False):
    """What `ostiary serve --json` prints when it answers."""

    issuer: str
    discovery: str
    admin_link: str


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """A clean environment: nothing of the caller's settings, data in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    return {**kept, "PYTHONPATH": str(ROOT), "OSTIARY_DATA_DIR": str(folder / "var"), **settings}


def ports(**settings: str) -> dict[str, str]:
    """Settings for free ports."""
    return {
        "OSTIARY_LISTEN": f"127.0.0.1:{free_port()}",
        "OSTIARY_OPS_LISTEN": f"127.0.0.1:{free_port()}",
        **settings,
    }


def run(environ: Mapping[str, str], *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    command = [sys.executable, "-m", "server.cli", *args]
    return subprocess.run(
        command, env=dict(environ), cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[tuple[Welcome, "subprocess.Popen[str]"]]:
    """A running server: what it printed, and its process. It is told to stop at the end, and must do so cleanly."""
    log = Path(environ["OSTIARY_DATA_DIR"]).parent / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--json"],
            env=dict(environ), cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the server did not start: {log.read_text()}"
        welcome: Welcome = json.loads(line)
        yield welcome, process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            process.stdout.close()


def get(url: str, context: ssl.SSLContext | None = None) -> tuple[int, dict[str, object]]:
    """A status and a JSON document."""
    try:
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def begin_request(environ: Mapping[str, str]) -> http.client.HTTPConnection:
    """A request whose body lacks its end, `client_credentials`."""
    connection = http.client.HTTPConnection(environ["OSTIARY_LISTEN"], timeout=20)
    connection.putrequest("POST", "/oauth/token")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", "29")
    connection.endheaders(b"grant_type=")
    time.sleep(0.3)
    return connection
