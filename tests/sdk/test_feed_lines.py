"""The feed's lines and heads as the server writes them, and everything else refused with words."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed import wire
from ostiary.feed_lines import (
    MAX_LINE,
    FeedRefused,
    first_chain,
    next_chain,
    parse_entry,
    parse_head,
)
from tests.sdk.feed_model import BEGAN, ISSUER, ModelLog, entry_line, snapshot_head

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
MOMENTS = st.integers(0, 7 * 10**15).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
FACTS = st.fixed_dictionaries(
    {}, optional={"suspended": st.booleans(), "risk": st.integers(0, 100), "acr": NAMES, "of the future": NAMES}
)
GOOD = {"seq": 7, "kind": "token", "subject": "jti", "at": 1, "expires": 2}


def encoded(**members: object) -> bytes:
    return msgspec.json.encode({name: value for name, value in {**GOOD, **members}.items() if value != "-"})


@given(seq=st.integers(1, 2**53), kind=NAMES, subject=NAMES, at=MOMENTS, facts=FACTS, life_s=st.integers(0, 10**8))
def test_what_the_server_writes_is_what_the_follower_reads(
    seq: int, kind: str, subject: str, at: datetime, facts: dict[str, object], life_s: int
) -> None:
    """The server's own writer makes the line; every member arrives, in the units of docs/feed.md."""
    ends = at + timedelta(seconds=life_s)
    line = wire.make_line(seq, kind=kind, subject=subject, at=at, expires_at=ends, not_before=at, facts=facts)
    entry = parse_entry(line)
    assert (entry.seq, entry.kind, entry.subject, entry.facts) == (seq, kind, subject, facts)
    assert entry.at_ms == int(at.timestamp()) * 1000 + at.microsecond // 1000
    assert 0 <= entry.expires_s - ends.replace(microsecond=0).timestamp() <= 1
    assert entry.not_before_s == at.replace(microsecond=0).timestamp()
    assert entry.line == line


def test_both_sides_chain_alike() -> None:
    server = ours = first_chain(ISSUER, "ab" * 16)
    assert server == wire.first_chain(ISSUER, "ab" * 16)
    for seq in range(1, 5):
        line = entry_line(seq, "token", f"t{seq}")
        server, ours = wire.next_chain(server, line), next_chain(ours, line)
        assert server == ours


def test_the_chain_begins_as_the_protocol_says() -> None:
    """Pinned, because followers in other languages rely on it: SHA-256 of "ostiary-feed-v1", issuer and epoch."""
    expected = "0499f31ed486a0b2bdaa53b31189d09c"
    assert first_chain("https://id.example.com", "0" * 32).hex()[:32] == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "must be the JSON object"),
        (b"[]", "must be the JSON object"),
        (b"\xff\xfe", "must be the JSON object"),
        (b'{"a":' * 3000, "must be the JSON object"),
        (encoded(seq=0), r"\$\.seq"),
        (encoded(seq=True), r"\$\.seq"),
        (encoded(seq="7"), r"\$\.seq"),
        (encoded(subject=""), r"\$\.subject"),
        (encoded(subject=None), r"\$\.subject"),
        (encoded(kind="-"), "kind"),
        (encoded(expires="-"), "expires"),
        (encoded(at=-1), r"\$\.at"),
        (encoded(expires=2.5), r"\$\.expires"),
        (encoded(kind="person"), "kind person must have not_before"),
        (encoded(kind="client"), "kind client must have not_before"),
        (encoded(kind="everyone", subject="*"), "kind everyone must have not_before"),
        (encoded(kind="person", not_before="1"), r"\$\.not_before"),
        (encoded(kind="facts"), "must have facts"),
        (encoded(kind="facts", facts=[]), r"\$\.facts"),
        (encoded(kind="facts", facts={"suspended": 1}), r"facts\.suspended must be true or false"),
        (encoded(kind="facts", facts={"risk": True}), r"facts\.risk must be a whole number from 0 to 100"),
        (encoded(kind="facts", facts={"risk": 101}), r"facts\.risk must be"),
        (encoded(kind="facts", facts={"acr": None}), r"facts\.acr must be a string"),
        (encoded() + b"\n", "must be one line"),
        (encoded(more="x" * MAX_LINE), f"at most {MAX_LINE} bytes"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_with_words(line: bytes, words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        parse_entry(line)


def test_kinds_and_members_of_the_future_are_passed_over() -> None:
    entry = parse_entry(encoded(kind="of the future", facts={"risk": "high"}, more=[1]))
    assert (entry.seq, entry.kind) == (7, "of the future")


@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_an_entry_or_refused(line: bytes) -> None:
    with suppress(FeedRefused):
        assert parse_entry(line).seq > 0


def test_a_head_of_the_server_is_read() -> None:
    log = ModelLog()
    log.append("token", "t0")
    head = parse_head(log.claims(), issuer=ISSUER)
    assert (head.epoch, head.seq, head.chain) == (log.epoch, 1, log.chains[1])
    assert (head.at_ms, head.up_ms, head.boot) == (BEGAN * 1000, 1_000_000, "boot-0")
    assert (head.count, head.digest) == (None, None)
    snapshot = snapshot_head(log.claims(), log.lines)
    assert snapshot.count == 1
    assert snapshot.digest
    assert len(snapshot.digest) == 32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"iss": "https://other.example"}, "iss must be the issuer"),
        ({"iss": None}, r"\$\.iss"),
        ({"epoch": "AB" * 16}, "epoch must be 32 hexadecimal digits"),
        ({"epoch": "ab" * 16 + "\n"}, "epoch must be 32 hexadecimal digits"),
        ({"seq": -1}, r"\$\.seq"),
        ({"seq": 1.5}, r"\$\.seq"),
        ({"chain": "AAAA"}, "chain must be a SHA-256 in base64url"),
        ({"chain": "é"}, "chain must be a SHA-256 in base64url"),
        ({"chain": "A" * 42 + "B"}, "chain must be a SHA-256 in base64url"),
        ({"up": "1"}, r"\$\.up"),
        ({"boot": ""}, r"\$\.boot"),
        ({"count": 1}, "count and digest come together"),
        ({"digest": "A" * 43}, "count and digest come together"),
        ({"count": 1, "digest": "A"}, "digest must be a SHA-256 in base64url"),
    ],
)
def test_a_head_that_is_none_is_refused_with_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        parse_head({**ModelLog().claims(), **change}, issuer=ISSUER)


@pytest.mark.parametrize("name", sorted(ModelLog().claims()))
def test_a_head_lacks_no_member(name: str) -> None:
    claims = ModelLog().claims()
    del claims[name]
    with pytest.raises(FeedRefused, match=name):
        parse_head(claims, issuer=ISSUER)
