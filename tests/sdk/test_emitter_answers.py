"""The emitter and the server's answers: refusals, wishes to wait, answers that are lost or never end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from ostiary import AuditEmitter, EmitterLimits
from tests.sdk.intake_server import QUICK, TOKEN, Answer, Intake, MakeEmitter, until


def test_a_batch_keeps_its_key_over_attempts_and_another_has_another(open_emitter: MakeEmitter, intake: Intake) -> None:
    intake.script = [Answer(503), Answer(500), Answer(429, headers={"Retry-After": "0"})]
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: len(intake.stored) == 1)
    emitter.emit("order.placed")
    until(lambda: len(intake.stored) == 2)
    keys = [batch.key for batch in intake.batches]
    assert len(set(keys[:4])) == 1
    assert len(keys) == 5
    assert keys[4] != keys[0]
    assert {len(batch.body) for batch in intake.batches[:4]} == {len(intake.batches[0].body)}


def test_an_answer_that_was_lost_stores_nothing_twice(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The server stored the batch and died before it said so: the same key and the same bytes come again."""
    emitter = open_emitter(limits=EmitterLimits(delay_s=0, timeout_s=0.3))
    intake.delay_s = 0.6
    emitter.emit("order.placed")
    until(lambda: len(intake.batches) == 2)
    intake.delay_s = 0
    until(lambda: emitter.stats.sent == 1)
    assert len({(batch.key, batch.body) for batch in intake.batches}) == 1
    assert len(intake.stored) == 1


def test_retry_after_is_waited_for(open_emitter: MakeEmitter, intake: Intake) -> None:
    intake.script = [Answer(503, headers={"Retry-After": "2"})]
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: len(intake.batches) == 1)
    refused_at = time.monotonic()
    until(lambda: len(intake.stored) == 1)
    assert time.monotonic() - refused_at > 1.9
    assert intake.batches[0].key == intake.batches[1].key


def test_a_refused_token_is_asked_for_once_more(open_emitter: MakeEmitter, intake: Intake) -> None:
    """And not again and again: the third attempt waits."""
    tokens = iter(["old", TOKEN, "old", "older", "oldest"])
    emitter = open_emitter(token=lambda: next(tokens))
    emitter.emit("order.placed")
    until(lambda: len(intake.stored) == 1)
    assert [batch.token for batch in intake.batches] == ["old", TOKEN]
    emitter.emit("order.placed")
    until(lambda: "(401)" in emitter.stats.last_error)
    assert [batch.token for batch in intake.batches[2:]] == ["old", "older"]
    assert emitter.stats.spooled == 1


def test_an_async_token_function_is_awaited(intake: Intake, tmp_path: Path) -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        return TOKEN

    with AuditEmitter(intake.issuer, token, spool_dir=tmp_path, limits=QUICK) as emitter:
        emitter.emit("order.placed")
    assert len(intake.stored) == 1


def test_a_token_function_that_fails_costs_no_event_and_tells_no_secret(
    open_emitter: MakeEmitter, caplog: pytest.LogCaptureFixture
) -> None:
    def token() -> str:
        raise RuntimeError("client_secret=hunter2")

    emitter = open_emitter(token=token)
    emitter.emit("order.placed")
    until(lambda: emitter.stats.last_error)
    assert emitter.stats.last_error == "no token: the token function raised RuntimeError"
    assert emitter.stats.spooled == 1
    assert "hunter2" not in caplog.text


def test_events_that_the_server_refuses_are_taken_out_and_the_others_arrive(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Kept for whoever mends the program, counted, and logged once."""
    intake.go_away()
    intake.refused_names = {"login.failed"}
    emitter = open_emitter()
    for name in ("order.placed", "login.failed", "order.paid", "login.failed", "order.sent"):
        emitter.emit(name)
    until(lambda: emitter.stats.spooled == 5)
    intake.come_back()
    until(lambda: emitter.stats.sent == 3)
    assert intake.names() == ["order.placed", "order.paid", "order.sent"]
    assert emitter.stats.refused == 2
    kept = [msgspec.json.decode(line) for line in (tmp_path / "refused.ndjson").read_bytes().splitlines()]
    assert [(line["event"]["name"], line["why"]) for line in kept] == [
        ("login.failed", "name must be a name of your own")
    ] * 2
    assert (tmp_path / "refused.ndjson").stat().st_mode & 0o777 == 0o600
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in said] == [
        "the server refuses an audit event for good: name must be a name of your own"
    ]


def test_a_batch_that_is_too_large_is_halved_until_it_fits(open_emitter: MakeEmitter, intake: Intake) -> None:
    """One event that is too large by itself is refused for good; it must not stop the others."""
    intake.max_body_bytes = 1_500
    intake.go_away()
    emitter = open_emitter()
    for number in range(40):
        emitter.emit("order.placed", data={"number": number})
    emitter.emit("order.noted", data={f"text_{number}": "x" * 500 for number in range(5)})
    until(lambda: emitter.stats.spooled == 41)
    intake.come_back()
    until(lambda: emitter.stats.sent == 40)
    until(lambda: emitter.stats.spooled == 0)
    assert emitter.stats.refused == 1
    assert (len(intake.stored), intake.repeated) == (40, 0)


def test_another_refusal_is_logged_and_waited_out_slowly(
    open_emitter: MakeEmitter, intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    intake.script = [Answer(403, {"detail": "audit:write is missing"})] * 10
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: emitter.stats.last_error)
    assert emitter.stats.last_error == "the server answered 403: 'audit:write is missing'"
    assert "audit:write is missing" in caplog.text
    assert len(intake.batches) == 1
    emitter.close()
    assert len(intake.batches) == 2, "closing is one more attempt"
    assert emitter.stats.spooled == 1


def test_an_answer_without_end_is_no_answer(tmp_path: Path) -> None:
    """F8: a mebibyte of it is read, and the batch waits for a better one."""

    class Endless(httpx2.SyncByteStream):
        taken = 0

        def __iter__(self) -> Iterator[bytes]:
            while True:
                self.taken += 65_536
                yield bytes(65_536)

    streams = [Endless(), Endless()]
    answers = iter(
        [*(httpx2.Response(200, stream=each) for each in streams), httpx2.Response(200, json={"received": 1})]
    )
    transport = httpx2.MockTransport(lambda _: next(answers))
    with AuditEmitter(
        "https://id.example.com", lambda: TOKEN, spool_dir=tmp_path, limits=QUICK, transport=transport
    ) as emitter:
        emitter.emit("order.placed")
        until(lambda: emitter.stats.last_error)
        assert emitter.stats.last_error == "no answer: TimeoutError: the answer is larger or slower than it may be"
        until(lambda: emitter.stats.sent == 1)
    assert [each.taken for each in streams] == [17 * 65_536] * 2


def test_a_yes_of_somebody_else_is_no_receipt(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The sign-in page of a network, and a count that is not ours: the events wait and are sent again."""
    intake.script = [Answer(200, "<html>Please log in</html>"), Answer(200, {"received": 1}), Answer(204)]
    intake.go_away()
    emitter = open_emitter()
    for _ in range(10):
        emitter.emit("order.placed", severity="HIGH")
    until(lambda: emitter.stats.spooled == 10)
    intake.come_back()
    until(lambda: "but not that it has the batch" in emitter.stats.last_error)
    assert emitter.stats.sent == 0
    until(lambda: emitter.stats.sent == 10)
    assert len(intake.stored) == 10
    assert len({batch.key for batch in intake.batches}) == 1


def test_a_redirect_is_not_followed(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The token is for the issuer alone."""
    intake.script = [Answer(307, headers={"Location": f"{intake.issuer}/elsewhere"})]
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: emitter.stats.last_error == "the server answered 307")
    assert len(intake.batches) == 1


def test_a_transport_that_breaks_in_an_unknown_way_ends_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is logged, and tried again."""
    monkeypatch.setattr("ostiary.emitter_pipeline.UNEXPECTED_PAUSE_S", 0.01)
    calls = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        calls.append(1)
        if len(calls) == 1:
            raise LookupError("nobody foresaw this")
        return httpx2.Response(200, json={"received": 1})

    transport = httpx2.MockTransport(answer)
    with AuditEmitter("https://id.test", lambda: TOKEN, spool_dir=tmp_path, limits=QUICK, transport=transport) as made:
        made.emit("order.placed")
        until(lambda: made.stats.sent == 1)
    assert "an error that it did not expect" in caplog.text
