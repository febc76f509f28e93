"""The operations address: liveness, readiness, start-up, metrics. Bound to loopback unless set otherwise."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

from base.errors import StorageUnavailable
from identity.services import Services
from migrations.run import HEAD
from server.metrics import CONTENT_TYPE, Metrics

READY_WITHIN_S = 1.0


class Operations:
    """The ASGI application. `stopping` makes readiness fail while requests under way are finished."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self._services = services
        self._metrics = metrics
        self.started = False
        self.stopping = False
        began_at = time.time()
        metrics.gauge("ostiary_start_time_seconds", lambda: began_at)
        metrics.gauge("ostiary_resident_bytes", resident_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one of the four addresses."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/metrics":
            await _answer(send, 200, self._metrics.text(), CONTENT_TYPE)
        elif path == "/health/live":
            await _answer_json(send, 200, {"status": "ok"})
        elif path == "/health/startup":
            await _answer_json(send, 200 if self.started else 503, {"status": "ok" if self.started else "starting"})
        elif path == "/health/ready":
            faults = await self.find_faults()
            status = 503 if faults else 200
            await _answer_json(send, status, {"status": "not ready" if faults else "ok", "faults": faults})
        else:
            addresses = ["/health/live", "/health/ready", "/health/startup", "/metrics"]
            await _answer_json(send, 404, {"status": "not found", "addresses": addresses})

    async def find_faults(self) -> Mapping[str, str]:
        """What keeps this process from serving, by part; empty when it is ready."""
        faults: dict[str, str] = {}
        if not self.started:
            faults["process"] = "still starting"
        if self.stopping:
            faults["process"] = "shutting down"
        database = await self._database_fault()
        if database:
            faults["database"] = database
        for alg in ("ES256", "RS256"):
            try:
                self._services.keys.signer(alg)
            except LookupError:
                faults["keys"] = f"no {alg} key signs"
        return faults

    async def _database_fault(self) -> str | None:
        try:
            async with asyncio.timeout(READY_WITHIN_S), self._services.database.reading() as db:
                revision = (await db.execute(text("SELECT version_num FROM alembic_version"))).scalar()
        except (StorageUnavailable, TimeoutError):
            return f"did not answer within {READY_WITHIN_S:g} s"
        return None if revision == HEAD else f"is at revision {revision}, expected {HEAD}: run `ostiary migrate`"


def resident_bytes() -> float:
    """The memory of this process that is in RAM; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return float(pages * 4096)


async def _answer_json(send: Send, status: int, body: object) -> None:
    await _answer(send, status, msgspec.json.encode(body), "application/json")


async def _answer(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
