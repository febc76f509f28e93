"""The protocol's own examples, docs/feed-vectors.json, which every implementation reads the same way."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from ostiary.claims import parse_access_token
from ostiary.compact import parse_shape, parse_unproven
from ostiary.core import verify_statement
from ostiary.errors import TokenError
from ostiary.failure_policy import FailurePolicy, Sensitivity
from ostiary.feed_lease import Lease, LeaseState
from ostiary.feed_lines import HEAD_TYPE, FeedHead, FeedRefused, first_chain, next_chain, parse_entry, parse_head
from ostiary.feed_log import FeedLog, Step
from ostiary.feed_sse import EventReader
from ostiary.jwk import parse_key_set
from ostiary.values import Expectations

Row = dict[str, object]
VECTORS: Row = json.loads((Path(__file__).parents[2] / "docs" / "feed-vectors.json").read_bytes())
ISSUER, EPOCH = cast(str, VECTORS["issuer"]), cast(str, VECTORS["epoch"])
KEYS = parse_key_set(json.dumps(VECTORS["jwks"]).encode()).usable
# When the heads were signed: what was in force then is in force in these tests.
AT = cast(int, cast(dict[str, object], cast(list[Row], VECTORS["heads"])[0]["payload"])["at"]) / 1000


def part(name: str) -> list[Row]:
    """A list of the document."""
    return cast(list[Row], VECTORS[name])


def named(name: str, key: str) -> list[object]:
    """The rows of a list as parameters of a test, each with its words."""
    return [pytest.param(row, id=str(row[key])) for row in part(name)]


def prove(jws: object) -> FeedHead:
    """A head that the issuer signed; TokenError or FeedRefused otherwise."""
    said = verify_statement(str(jws), typ=HEAD_TYPE, find_key=KEYS.get)
    return parse_head(
        said, issuer=ISSUER, kid=parse_unproven(parse_shape(str(jws)), algorithms={"ES256"}, types={HEAD_TYPE}).kid
    )


def encoded(lines: object) -> list[bytes]:
    """Lines as they travel."""
    return [line.encode() for line in cast(list[str], lines)]


def take(log: FeedLog, step: Row) -> Step:
    """What one arrival means for a follower."""
    if step["do"] == "entries":
        return log.take_entries(encoded(step["lines"]))
    head = prove(step["head"])
    if step["do"] == "head":
        return log.take_head(head, at=AT)
    return log.take_snapshot(head, encoded(step["lines"]), at=AT)


def test_every_line_says_what_it_says_and_the_chain_covers_its_bytes() -> None:
    chain = first_chain(ISSUER, EPOCH)
    assert urlsafe_b64encode(chain).rstrip(b"=").decode() == VECTORS["first_chain"]
    for row in part("entries"):
        line, says = str(row["line"]).encode(), cast(dict[str, object], row["says"])
        entry = parse_entry(line)
        told = [entry.seq, entry.kind, entry.subject, entry.at_ms, entry.expires_s, entry.not_before_s]
        assert told == [says.get(name) for name in ("seq", "kind", "subject", "at", "expires", "not_before")]
        assert (entry.facts and dict(entry.facts)) == says.get("facts")
        chain = next_chain(chain, line)
        assert chain == urlsafe_b64decode(str(row["chain"]) + "=")


@pytest.mark.parametrize("row", named("bad_lines", "why"))
def test_a_line_that_is_none_is_refused(row: Row) -> None:
    with pytest.raises(FeedRefused):
        parse_entry(str(row["line"]).encode())


@pytest.mark.parametrize("row", part("heads"))
def test_a_head_is_proven_and_says_what_its_payload_says(row: Row) -> None:
    head, says = prove(row["jws"]), cast(Mapping[str, object], row["payload"])
    told = [head.epoch, head.seq, head.at_ms, head.up_ms, head.boot]
    assert told == [says[name] for name in ("epoch", "seq", "at", "up", "boot")]
    assert head.chain == urlsafe_b64decode(str(says["chain"]) + "=")


@pytest.mark.parametrize("row", named("bad_heads", "why"))
def test_a_head_that_is_none_is_refused(row: Row) -> None:
    """S36, S37"""
    with pytest.raises((TokenError, FeedRefused)):
        prove(row["jws"])


def test_the_snapshot_is_taken_whole() -> None:
    told = cast(Row, VECTORS["snapshot"])
    first, *lines = str(told["body"]).encode().split(b"\n")[:-1]
    log = FeedLog(ISSUER)
    assert log.take_snapshot(prove(json.loads(first)["head"]), lines, at=AT) is Step.GOOD
    assert len(log.revocations) == told["count"]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_the_stream_gives_the_same_events_however_it_is_cut(size: int) -> None:
    told = cast(Row, VECTORS["events"])
    body, reader, heard = str(told["body"]).encode(), EventReader(), []
    for begin in range(0, len(body), size):
        heard += [(event.name, list(event.data)) for event in reader.read(body[begin : begin + size])]
    rows = cast(list[Row], told["events"])
    assert [name for name, _ in heard] == [row["event"] for row in rows]
    for row, (_, data) in zip(rows, heard, strict=True):
        if row["event"] != "reset":
            assert [line.decode() for line in data] == (row.get("lines") or [row["head"]])


@pytest.mark.parametrize("row", named("followers", "name"))
def test_a_follower_goes_the_way_that_the_document_tells(row: Row) -> None:
    log = FeedLog(ISSUER)
    for step in cast(list[Row], row["steps"]):
        outcome = take(log, step)
        obeyed = [parse_entry(line).seq for line in log.revocations.as_lines()]
        assert {"step": outcome.value, "epoch": log.epoch, "seq": log.seq, "obeyed": obeyed} == step["expect"]


@pytest.mark.parametrize("row", named("tokens", "name"))
def test_a_token_is_refused_by_what_was_revoked_and_by_nothing_else(row: Row) -> None:
    """I2"""
    log = FeedLog(ISSUER)
    steps = [step for each in part("followers") for step in cast(list[Row], each["steps"])]
    take(log, next(step for step in steps if step["do"] == "snapshot" and not step["lines"]))
    lines = [str(each["line"]).encode() for each in part("entries")[: cast(int, row["after"])]]
    assert log.take_entries(lines) is Step.GOOD
    assert log.epoch is not None
    head = FeedHead(log.epoch, log.seq, log.chain, 0, 2**40, "other", None, None)
    assert log.take_head(head, at=0) is Step.GOOD
    claims = cast(dict[str, object], row["claims"])
    expected = Expectations(ISSUER, str(claims["aud"]), frozenset({"ES256"}), 0, accepts_bound=False)
    signed = parse_access_token(claims, expected=expected, now=cast(int, claims["iat"]))
    token, expect = log.revocations.overlay(signed), cast(Row, row["expect"])
    words = log.revocations.refusal(signed, str(row["kid"]))
    assert (words is not None, token.risk, token.acr) == (
        expect["refused_by"] is not None,
        expect["risk"],
        expect["acr"],
    )


@pytest.mark.parametrize("row", named("leases", "name"))
def test_the_lease_is_what_the_document_tells(row: Row) -> None:
    lease = Lease()
    connection = lease.connection(-1e9)
    for step in cast(list[dict[str, float]], row["steps"]):
        match cast(dict[str, object], step)["do"]:
            case "ask":
                connection = lease.connection(step["now"])
            case "look":
                assert lease.state(step["now"]) is LeaseState(str(step["expect"])), step["now"]
            case _:
                head = FeedHead(EPOCH, 0, b"", 0, int(step["up"]), str(step["boot"]), None, None)
                connection.heard(head, step["now"], agrees=True)


@pytest.mark.parametrize("row", part("decisions"))
def test_the_failure_policy_decides_as_the_table_says(row: Row) -> None:
    """I6"""
    policy = FailurePolicy(low_runs_to_exp=bool(row["low_runs_to_exp"]))
    sensitivity, state = Sensitivity(str(row["sensitivity"])), LeaseState(str(row["state"]))
    action = policy.decide(sensitivity, state, can_introspect=bool(row["can_introspect"]))
    assert action.value == row["action"]
