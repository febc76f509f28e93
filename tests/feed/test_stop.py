"""A process that is told to stop does so at once, whatever its followers do (F13)."""

import base64
import json
import signal
import socket
import sqlite3
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.server.process import environment, get, ports, run, serving

ENTRIES = 20_000


def token_for_the_feed(environ: dict[str, str], issuer: str) -> str:
    told = run(environ, *"client create --name f --grant client_credentials --scope feed:read --json".split())
    made = json.loads(told.stdout)
    basic = base64.b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()
    form = f"grant_type=client_credentials&resource={issuer}".encode()
    time.sleep(0.5)
    asked = urllib.request.Request(f"{issuer}/oauth/token", form, {"authorization": f"Basic {basic}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def fill(folder: Path) -> str:
    """A log of far more than a connection's buffers hold; returns its epoch."""
    now = int(time.time() * 1_000_000)
    row = "INSERT INTO feed (id, kind, subject, expires_at, created_at) VALUES (?, 'grant', ?, ?, ?)"
    with closing(sqlite3.connect(folder / "var" / "ostiary.db", timeout=10)) as db:
        many = [(n.to_bytes(16), f"grt_{n:0240}", now + 86_400_000_000, now) for n in range(ENTRIES)]
        db.executemany(row, many)
        db.commit()
        for _ in range(300):
            epoch, following = db.execute("SELECT epoch, next FROM sequences WHERE name = 'feed'").fetchone()
            if following > ENTRIES:
                return bytes(epoch).hex()
            time.sleep(0.1)
    raise AssertionError("the entries got no numbers")


def test_a_follower_that_reads_nothing_keeps_no_process_from_stopping(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports())
    with serving(environ) as (welcome, process):
        token = token_for_the_feed(environ, welcome["issuer"])
        epoch = fill(tmp_path)
        address, _, port = environ["OSTIARY_LISTEN"].rpartition(":")
        with closing(socket.socket()) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((address, int(port)))
            asked = f"GET /feed/v1/events?after={epoch}:0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}"
            deaf.sendall(asked.encode() + b"\r\n\r\n")
            time.sleep(1.5)
            assert get(welcome["discovery"])[0] == 200, "it holds up nobody else"
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
            assert time.monotonic() - began < 8
