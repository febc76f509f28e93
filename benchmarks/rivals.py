"""What our server is compared with: the certified peer, and the floor."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.deployment import Credentials
from benchmarks.floor import CLIENT_ID, CLIENT_SECRET
from benchmarks.processes import BenchmarkFailed, Program, free_port, start, wait_for

PEER_FOLDER = Path(__file__).resolve().parent / "peer"
PEER_SECRET = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"


@dataclass(frozen=True, slots=True)
class Rival:
    """A running program with its two applications, as a deployment of ours has them."""

    program: Program
    url: str
    service: Credentials
    web: Credentials

    def seed(self, number: int) -> list[str]:
        """Fresh refresh tokens of the peer."""
        with urlopen(f"{self.url}/__seed?n={number}", timeout=20) as answer:  # noqa: S310 - an address that we made
            tokens: list[str] = json.load(answer)
        return tokens


def start_peer(folder: Path) -> Rival:
    """node-oidc-provider, in memory."""
    node = PEER_FOLDER / "node_modules" / ".bin" / "node"
    if not node.exists():
        raise BenchmarkFailed("the peer is not installed: start by scripts/bench")
    port = free_port()
    command: list[str | Path] = [node, PEER_FOLDER / "server.mjs", str(port), "ES256"]
    program = start("the peer", command, log=folder / "peer.log")
    url = f"http://127.0.0.1:{port}"
    _wait(program, f"{url}/.well-known/openid-configuration")
    return Rival(program, url, Credentials("svc-basic", PEER_SECRET), Credentials("web", PEER_SECRET))


def start_floor(folder: Path) -> Rival:
    """The bare program of `floor.py`."""
    port = free_port()
    program = start("the floor", [sys.executable, "-m", "benchmarks.floor", str(port)], log=folder / "floor.log")
    url = f"http://127.0.0.1:{port}"
    _wait(program, f"{url}/document")
    client = Credentials(CLIENT_ID, CLIENT_SECRET)
    return Rival(program, url, client, client)


def _wait(program: Program, url: str) -> None:
    try:
        wait_for(program, url)
    except BaseException:
        program.stop()
        raise
