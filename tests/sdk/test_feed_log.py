"""One follower's place in the log: what it takes, what it passes over, and when it asks for more."""

from dataclasses import replace

import pytest

from ostiary.feed_lines import FeedRefused
from ostiary.feed_log import FeedLog, Step
from tests.sdk.feed_model import BEGAN, ISSUER, ModelLog, entry_line, make_token, snapshot_head

DAY_S = 86_400


@pytest.fixture
def server() -> ModelLog:
    """A log with two revoked tokens."""
    log = ModelLog()
    log.append("token", "t1")
    log.append("token", "t2")
    return log


@pytest.fixture
def log(server: ModelLog) -> FeedLog:
    """A follower that knows all of it."""
    follower = FeedLog(ISSUER)
    snapshot = server.snapshot()
    assert follower.take_snapshot(snapshot.head, snapshot.lines) is Step.GOOD
    return follower


def refuses(log: FeedLog, jti: str) -> bool:
    return log.revocations.refusal(make_token(jti=jti), "k") is not None


def test_who_knows_nothing_asks_for_the_snapshot(server: ModelLog) -> None:
    log = FeedLog(ISSUER)
    assert log.take_entries(server.lines) is Step.SNAPSHOT
    assert log.take_head(server.head(), at=BEGAN) is Step.SNAPSHOT
    assert log.reason == "nothing was loaded yet"
    assert not refuses(log, "t1")


def test_the_next_entries_are_obeyed_at_once_and_vouched_for_by_the_head(server: ModelLog, log: FeedLog) -> None:
    """S18: the refusal does not wait for the head."""
    lines = [server.append("token", "t3"), server.append("policy", "rev_2")]
    assert log.take_entries(lines) is Step.GOOD
    assert refuses(log, "t3")
    assert not log.is_vouched
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert (log.is_vouched, log.seq, log.chain, log.reason) == (True, 4, server.chains[4], "")


def test_entries_that_are_known_are_passed_over(server: ModelLog, log: FeedLog) -> None:
    version = log.revocations.version
    assert log.take_entries([*server.lines, *server.lines]) is Step.GOOD
    assert (log.seq, len(log.revocations), log.revocations.version) == (2, 2, version)
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD


def test_a_gap_asks_for_the_delta_and_takes_nothing_from_behind_it(server: ModelLog, log: FeedLog) -> None:
    for name in ("t3", "t4", "t5"):
        server.append("token", name)
    assert log.take_entries([server.lines[2], server.lines[4]]) is Step.GAP
    assert log.reason == "entry 5 came after 3"
    assert (refuses(log, "t3"), refuses(log, "t5"), log.seq) == (True, False, 3)
    assert log.take_head(server.head(), at=BEGAN) is Step.GAP
    assert log.reason == "the log ends with 5, and 3 is known"
    assert log.take_entries(server.lines[3:]) is Step.GOOD
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD


def test_another_epoch_asks_for_the_snapshot_and_what_is_known_stays_until_then(server: ModelLog, log: FeedLog) -> None:
    server.begin_epoch([])
    server.append("token", "t9")
    assert log.take_head(server.head(), at=BEGAN) is Step.SNAPSHOT
    assert log.reason == "another epoch has begun"
    assert refuses(log, "t1")
    snapshot = server.snapshot()
    assert log.take_snapshot(snapshot.head, snapshot.lines) is Step.GOOD
    assert (log.epoch, log.seq, refuses(log, "t1"), refuses(log, "t9")) == (server.epoch, 1, False, True)


def test_a_log_that_was_set_back_asks_for_the_snapshot(server: ModelLog, log: FeedLog) -> None:
    server.roll_back(1)
    assert log.take_head(server.head(), at=BEGAN) is Step.SNAPSHOT
    assert log.reason == "the log was set back from 2 to 1"
    server.up_s += 1
    snapshot = server.snapshot()
    assert log.take_snapshot(snapshot.head, snapshot.lines) is Step.GOOD
    assert (log.seq, refuses(log, "t2")) == (1, False)


def test_the_same_number_with_another_chain_asks_for_the_snapshot(server: ModelLog, log: FeedLog) -> None:
    """An entry changed on its way, or a log that was set back and went on differently."""
    server.append("token", "t3")
    assert log.take_entries([entry_line(3, "token", "another")]) is Step.GOOD
    assert log.take_head(server.head(), at=BEGAN) is Step.SNAPSHOT
    assert log.reason == "the chain up to 3 is another"
    assert log.as_document() is None


def test_a_line_that_is_no_entry_asks_for_the_snapshot_and_those_before_it_count(log: FeedLog) -> None:
    assert log.take_entries([entry_line(3, "token", "t3"), b"{}", entry_line(4, "token", "t4")]) is Step.SNAPSHOT
    assert "must be the JSON object of docs/feed.md" in log.reason
    assert (refuses(log, "t3"), refuses(log, "t4")) == (True, False)


def test_a_relief_waits_for_the_head_and_a_refusal_does_not(server: ModelLog, log: FeedLog) -> None:
    """Nobody lifts a suspension, or lowers a risk, by a line that the log does not have."""
    token, facts = make_token(), {"suspended": True, "risk": 95}
    assert log.take_entries([server.append("facts", "u0", at_s=BEGAN + 5, facts=facts)]) is Step.GOOD
    assert log.revocations.refusal(token, "k") == "the account behind this token is suspended"
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert log.revocations.overlay(token).risk == 95
    relief = server.append("facts", "u0", at_s=BEGAN + 9, facts={"suspended": False, "risk": 5})
    version = log.revocations.version
    assert log.take_entries([relief]) is Step.GOOD
    assert log.revocations.refusal(token, "k")
    assert log.revocations.overlay(token).risk == 95
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert log.revocations.refusal(token, "k") is None
    assert log.revocations.overlay(token).risk == 5
    assert log.revocations.version > version + 1


@pytest.mark.parametrize("fault", ["a line less", "a line changed", "no digest", "out of order", "beyond", "no entry"])
def test_a_snapshot_that_is_not_what_its_head_says_changes_nothing(server: ModelLog, log: FeedLog, fault: str) -> None:
    server.append("token", "t3")
    claims, lines, words = server.claims(), list(server.lines), "the snapshot is not what its head says"
    head = snapshot_head(claims, lines)
    match fault:
        case "a line less":
            lines, words = lines[:-1], "the snapshot must have 3 lines"
        case "a line changed":
            lines[0] = entry_line(1, "policy", "t1")
        case "no digest":
            head, words = replace(head, count=None, digest=None), "a snapshot's head must have count and digest"
        case "out of order":
            lines = [lines[1], lines[0]]
            head, words = snapshot_head(claims, lines), "a snapshot's numbers must ascend and end with its head's"
        case "beyond":
            lines.append(entry_line(4, "token", "t4"))
            head, words = snapshot_head(claims, lines), "a snapshot's numbers must ascend and end with its head's"
        case _:
            lines.append(b"{}")
            head, words = snapshot_head(claims, lines), "an entry must be the JSON object of docs/feed.md"
    version = log.revocations.version
    assert log.take_snapshot(head, lines) is Step.SNAPSHOT
    assert log.reason.startswith(words)
    assert (log.seq, log.revocations.version, refuses(log, "t3")) == (2, version, False)


def test_a_snapshot_older_than_what_the_same_process_said_is_passed_over(server: ModelLog, log: FeedLog) -> None:
    """A download that took long must not undo what the stream has told meanwhile."""
    old = server.snapshot()
    server.up_s += 1
    assert log.take_entries([server.append("token", "t3")]) is Step.GOOD
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert log.take_snapshot(old.head, old.lines) is Step.GOOD
    assert (log.seq, refuses(log, "t3")) == (3, True)


def test_who_needs_a_snapshot_takes_the_one_that_comes(server: ModelLog, log: FeedLog) -> None:
    """Once a head has disagreed, what was known is no measure for a snapshot's age."""
    old = server.snapshot()
    server.up_s += 1
    assert log.take_entries([server.append("token", "t3")]) is Step.GOOD
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert log.take_head(old.head, at=BEGAN) is Step.SNAPSHOT
    assert log.take_snapshot(old.head, old.lines) is Step.GOOD
    assert (log.seq, refuses(log, "t3")) == (2, False)


def test_a_snapshot_has_holes_where_entries_ended(server: ModelLog) -> None:
    server.append("token", "t3", for_s=5000)
    server.wall_s += 1000
    snapshot, log = server.snapshot(), FeedLog(ISSUER)
    assert len(snapshot.lines) == 1
    assert log.take_snapshot(snapshot.head, snapshot.lines) is Step.GOOD
    assert (log.seq, refuses(log, "t3"), refuses(log, "t1")) == (3, True, False)
    assert log.take_entries([server.append("token", "t4")]) is Step.GOOD
    assert log.take_head(server.head(), at=server.wall_s) is Step.GOOD


def test_entries_are_forgotten_only_when_both_clocks_say_that_they_ended(server: ModelLog, log: FeedLog) -> None:
    """F6: a clock set forward by a day, ours or the server's, and back again must not undo a revocation."""
    assert log.take_head(server.head(), at=BEGAN + DAY_S) is Step.GOOD
    assert refuses(log, "t1")
    server.wall_s += DAY_S
    assert log.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert refuses(log, "t1")
    assert log.take_head(server.head(), at=BEGAN + DAY_S) is Step.GOOD
    assert not refuses(log, "t1")
    assert len(log.revocations) == 0


def test_what_was_saved_is_known_after_a_restart_and_goes_on(server: ModelLog, log: FeedLog) -> None:
    document = log.as_document()
    assert document is not None
    again = FeedLog(ISSUER)
    again.restore(document)
    assert (again.epoch, again.seq, again.chain, again.is_vouched) == (log.epoch, 2, log.chain, False)
    assert (refuses(again, "t1"), refuses(again, "t2")) == (True, True)
    assert again.take_entries([server.append("token", "t3")]) is Step.GOOD
    assert again.take_head(server.head(), at=BEGAN) is Step.GOOD
    assert again.as_document() not in (None, document)


@pytest.mark.parametrize("fault", ["torn", "changed", "another issuer", "empty", "not JSON", "no chain"])
def test_a_saved_feed_that_is_damaged_is_refused_and_nothing_changes(log: FeedLog, fault: str) -> None:
    document = log.as_document()
    assert document is not None
    again = FeedLog("https://other.example" if fault == "another issuer" else ISSUER)
    damaged = {
        "torn": document[:-20],
        "changed": document.replace(b'"t1"', b'"t9"'),
        "empty": b"",
        "not JSON": b"\xff" + document,
        "no chain": document.replace(log.chain.hex().encode(), b"zz"),
    }.get(fault, document)
    with pytest.raises(FeedRefused, match="the saved feed"):
        again.restore(damaged)
    assert (again.epoch, len(again.revocations)) == (None, 0)
