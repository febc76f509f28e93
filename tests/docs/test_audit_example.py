"""The document's service that tells the audit log what happened: seen in the server's own log."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.docs.test_integrate import Deployment, deployment, uvicorn, wait_for_answer
from tests.server.process import environment, run
from tests.services import free_port

__all__ = ["deployment"]


@pytest.fixture
def service(deployment: Deployment) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The document's service: its address, and its process."""
    port = free_port()
    client = deployment.clients["Order audit"]
    own = {"CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"]}
    log = deployment.folder / "audited.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            uvicorn("audited_orders:app", port),
            cwd=deployment.folder,
            env={**deployment.environ, **own},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_answer(process, port, log)
            yield f"http://localhost:{port}", process
        finally:
            process.kill()
            process.wait(timeout=10)


def token_for_the_api(deployment: Deployment) -> str:
    """A token of the document's other service, for the orders API."""
    client = deployment.clients["Nightly export"]
    answer = httpx2.post(
        f"{deployment.issuer}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
        verify=deployment.tls,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def told_in(folder: Path, name: str) -> list[dict[str, object]]:
    """The events of one name in the server's log."""
    ended = run(environment(folder), "audit", "export")
    assert ended.returncode == 0, ended.stderr
    events = [msgspec.json.decode(line, type=dict[str, object]) for line in ended.stdout.splitlines()]
    return [event for event in events if event["name"] == name]


def test_what_the_service_did_stands_in_the_servers_log(
    deployment: Deployment, service: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """The last event too: the service is told to end at once, as a deployment would."""
    address, process = service
    headers = {"Authorization": f"Bearer {token_for_the_api(deployment)}"}
    for order in ("A-1", "A-2"):
        answer = httpx2.post(f"{address}/orders/{order}/cancel", headers=headers, trust_env=False)
        assert answer.json() == {"cancelled": order}, answer.text
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)
    told = told_in(deployment.folder, "order.cancelled")
    orders = [msgspec.convert(event["data"], dict[str, str])["order"] for event in told]
    assert sorted(orders) == ["A-1", "A-2"]
    caller, teller = deployment.clients["Nightly export"]["client_id"], deployment.clients["Order audit"]["client_id"]
    assert [(event["severity"], event["client_id"], event["actor"], event["source"]) for event in told] == [
        ("MEDIUM", caller, teller, f"{teller} Order audit")
    ] * 2
    assert list((deployment.folder / "spool").iterdir()) == []
