"""What docs/sdk.md says of the emitter: its code runs, and its numbers are the code's."""

from __future__ import annotations

from ostiary import AuditEmitter, EmitterLimits
from ostiary.emitter_events import RESERVED_ACTORS, RESERVED_FAMILIES
from ostiary.emitter_pipeline import GATHER_S
from ostiary.emitter_refused import MAX_REFUSED_BYTES, REFUSED
from ostiary.emitter_rules import FIRST_PAUSE_S, LONGEST_PAUSE_S, MAX_BATCH_EVENTS, SLOW_PAUSE_S
from ostiary.emitter_sender import ASIDE_S, MAX_UNREAD
from tests.sdk.test_fake_issuer import DOCUMENT, run_block


def test_the_documents_service_passes_the_documents_test() -> None:
    """Users copy both."""
    service, test = run_block("refunds.py"), run_block("test_refund.py")
    assert isinstance(service["audit"], AuditEmitter)
    test_a_refund_is_told = test["test_a_refund_is_told"]
    assert callable(test_a_refund_is_told)
    test_a_refund_is_told(service["refund"])


def test_every_number_that_the_document_states_of_the_emitter_is_the_codes() -> None:
    """Docs that fail the build."""
    text, limits = DOCUMENT.read_text().partition("## Tell the audit log")[2].partition("\n## ")[0], EmitterLimits()
    assert (limits.spool_bytes, limits.buffer_bytes, limits.buffer_events) == (64 * 2**20, 8 * 2**20, 10_000)
    assert "64 MiB on disk for each process; 8 MiB and 10,000 events in memory" in text
    assert (FIRST_PAUSE_S, LONGEST_PAUSE_S, SLOW_PAUSE_S) == (0.5, 60, 30)
    assert "attempts after 0.5 s, twice as long each time, a minute at most" in text
    assert "every 30 s or more" in text
    assert f"tried again every {ASIDE_S:.0f} s" in text
    assert f"after {MAX_UNREAD} times every {ASIDE_S:.0f} s" in text
    assert all(f"`{each.rstrip('.')}`" in text for each in (*RESERVED_FAMILIES, *RESERVED_ACTORS))
    assert f"{MAX_BATCH_EVENTS:,} events at most in a request" in text
    assert f"`{REFUSED}` (at most {MAX_REFUSED_BYTES:,} bytes)" in text
    assert f"the last {GATHER_S * 1000:.0f} ms are lost" in text
