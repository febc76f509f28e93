"""The vectors of docs/feed-vectors.json, read by a follower that was written from docs/feed.md alone."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import jwt
import pytest

from feed.entries import Kind
from feed.vectors.__main__ import PLACE
from feed.vectors.document import make
from feed.wire import HEAD_TYPE

Document = Mapping[str, object]
VECTORS: Document = json.loads(PLACE.read_bytes())
ISSUER = cast(str, VECTORS["issuer"])
PUBLISHED = cast(dict[str, dict[str, list[dict[str, str]]]], VECTORS)["jwks"]["keys"]
KEYS = {each["kid"]: jwt.PyJWK(each) for each in PUBLISHED}
# A member that every entry has, and the ones that a kind needs beside.
COMMON = {"seq": int, "kind": str, "subject": str, "at": int, "expires": int}


def part(name: str) -> list[dict[str, object]]:
    """A list of the document."""
    return cast(list[dict[str, object]], VECTORS[name])


def test_the_document_is_what_the_code_writes() -> None:
    assert PLACE.read_bytes() == make(), "run python -m feed.vectors"


def test_every_kind_of_entry_is_in_it() -> None:
    kinds = {cast(dict[str, str], each["says"])["kind"] for each in part("entries")}
    assert {kind.value for kind in Kind} < kinds


def b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def first_chain(epoch: str) -> bytes:
    return hashlib.sha256(f"ostiary-feed-v1\n{ISSUER}\n{epoch}".encode()).digest()


class Wrong(Exception):
    """What came is not the feed."""


def read_line(line: str) -> dict[str, object]:
    """An entry, by the table of docs/feed.md."""
    try:
        says = json.loads(line)
    except ValueError:
        raise Wrong(line) from None
    if not isinstance(says, dict) or any(type(says.get(name)) is not kind for name, kind in COMMON.items()):
        raise Wrong(line)
    is_dated = says["kind"] in ("person", "client", "everyone")
    facts = says.get("facts", {} if says["kind"] != "facts" else None)
    if says["seq"] < 1 or (is_dated and type(says.get("not_before")) is not int) or not isinstance(facts, dict):
        raise Wrong(line)
    if type(facts.get("suspended", True)) is not bool or not 0 <= facts.get("risk", 0) <= 100:
        raise Wrong(line)
    return cast(dict[str, object], says)


def read_head(jws: str) -> dict[str, object]:
    """A head's payload, once it is proven."""
    signature = jws.split(".")[2]
    header = jwt.get_unverified_header(jws)
    key = KEYS.get(header.get("kid", ""))
    if key is None or header != {"alg": "ES256", "typ": HEAD_TYPE, "kid": key.key_id}:
        raise Wrong("header")
    if len(signature) != 86 or signature.strip() != signature:
        raise Wrong("signature")
    says: dict[str, object] = jwt.decode(jws, key, ["ES256"], issuer=ISSUER, options={"verify_aud": False})
    is_number = all(type(says.get(name)) is int and cast(int, says[name]) >= 0 for name in ("seq", "at", "up"))
    epoch = str(says.get("epoch"))
    if not is_number or len(epoch) != 32 or epoch.lower() != epoch or len(b64url(str(says["chain"]))) != 32:
        raise Wrong("members")
    return says


def text(line: str, name: str) -> str:
    """A member of an entry."""
    return cast(str, read_line(line)[name])


@dataclass
class Naive:
    """A follower, as slow and as plain as can be."""

    epoch: str | None = None
    seq: int = 0
    chain: bytes = b""
    lines: dict[int, str] = field(default_factory=dict)
    vouched: int = 0

    def withdrawn(self, *, up_to: int) -> set[str]:
        """The keys that the entries up to a number have withdrawn."""
        return {
            text(line, "subject") for seq, line in self.lines.items() if seq <= up_to and text(line, "kind") == "key"
        }

    def entries(self, lines: Sequence[str]) -> str:
        for line in lines:
            try:
                number = cast(int, read_line(line)["seq"])
            except Wrong:
                return "snapshot"
            if self.epoch is None:
                return "snapshot"
            if number > self.seq + 1:
                return "gap"
            if number == self.seq + 1:
                self.seq, self.chain = number, hashlib.sha256(self.chain + line.encode()).digest()
                self.lines[number] = line
        return "good"

    def head(self, jws: str) -> str:
        says = read_head(jws)
        number = cast(int, says["seq"])
        if jwt.get_unverified_header(jws)["kid"] in self.withdrawn(up_to=self.seq):
            return "snapshot"
        if says["epoch"] != self.epoch or number < self.seq:
            return "snapshot"
        if number > self.seq:
            return "gap"
        if b64url(cast(str, says["chain"])) != self.chain:
            return "snapshot"
        self.vouched = self.seq
        return "good"

    def snapshot(self, jws: str, lines: Sequence[str]) -> str:
        says, body = read_head(jws), "".join(f"{line}\n" for line in lines)
        fits = says["count"] == len(lines) and b64url(str(says["digest"])) == hashlib.sha256(body.encode()).digest()
        try:
            numbers = [cast(int, read_line(line)["seq"]) for line in lines]
        except Wrong:
            return "snapshot"
        end = cast(int, says["seq"])
        kid = jwt.get_unverified_header(jws)["kid"]
        by_itself = any((text(line, "kind"), text(line, "subject")) == ("key", kid) for line in lines)
        if by_itself or kid in self.withdrawn(up_to=self.vouched):
            return "snapshot"
        if not fits or numbers != sorted(set(numbers)) or max([0, *numbers]) > end:
            return "snapshot"
        self.epoch, self.seq, self.chain = cast(str, says["epoch"]), end, b64url(cast(str, says["chain"]))
        self.lines, self.vouched = dict(zip(numbers, lines, strict=True)), self.seq
        return "good"


def test_the_chain_covers_the_bytes_of_the_lines() -> None:
    chain = first_chain(cast(str, VECTORS["epoch"]))
    assert b64url(cast(str, VECTORS["first_chain"])) == chain
    for each in part("entries"):
        line = cast(str, each["line"])
        chain = hashlib.sha256(chain + line.encode()).digest()
        assert (b64url(cast(str, each["chain"])), each["says"]) == (chain, read_line(line))


@pytest.mark.parametrize("each", part("bad_lines"), ids=lambda each: each["why"])
def test_a_line_that_is_no_entry_is_refused(each: Document) -> None:
    with pytest.raises(Wrong):
        read_line(cast(str, each["line"]))


@pytest.mark.parametrize("each", part("heads"), ids=lambda each: str(each["seq"]))
def test_a_head_is_proven_by_the_issuers_key(each: Document) -> None:
    assert read_head(cast(str, each["jws"])) == each["payload"]


@pytest.mark.parametrize("each", part("bad_heads"), ids=lambda each: each["why"])
def test_a_head_that_is_none_is_refused(each: Document) -> None:
    """S36, S37"""
    with pytest.raises((Wrong, jwt.PyJWTError)):
        read_head(cast(str, each["jws"]))


@pytest.mark.parametrize("each", part("followers"), ids=lambda each: each["name"])
def test_a_follower_comes_to_what_is_written(each: Document) -> None:
    follower = Naive()
    for number, step in enumerate(cast(list[dict[str, object]], each["steps"])):
        given = [step[name] for name in ("head", "lines") if name in step]
        outcome = getattr(follower, cast(str, step["do"]))(*given)
        found = {"step": outcome, "epoch": follower.epoch, "seq": follower.seq, "obeyed": sorted(follower.lines)}
        assert found == step["expect"], f"step {number}"


def clients_of(claims: Mapping[str, object]) -> tuple[object, ...]:
    """Who holds a token, whose it was, and who acts, however deep."""
    act = claims.get("act")
    acting = clients_of({**act, "client_id": act["sub"]}) if isinstance(act, dict) else ()
    return (claims["client_id"], claims.get("azp"), *acting)


@pytest.mark.parametrize("each", part("tokens"), ids=lambda each: each["name"])
def test_a_token_is_refused_by_the_kind_that_is_written(each: Document) -> None:
    claims, kid = cast(dict[str, object], each["claims"]), each["kid"]
    entries = [read_line(cast(str, one["line"])) for one in part("entries")[: cast(int, each["after"])]]
    told = {"refused_by": None, "risk": claims["risk"], "acr": claims["acr"]}
    suspended = False
    for entry in entries:
        about, issued = entry["subject"], cast(int, claims["iat"])
        facts = cast(dict[str, object], entry.get("facts", {}))
        named = {"token": "jti", "grant": "grant", "session": "sid", "person": "sub"}
        own: dict[str, tuple[object, ...]] = {kind: (claims[claim],) for kind, claim in named.items()}
        own |= {"key": (kid,), "everyone": ("*",), "client": clients_of(claims)}
        if about in own.get(cast(str, entry["kind"]), ()) and issued <= cast(int, entry.get("not_before", issued)):
            told["refused_by"] = entry["kind"]
        if entry["kind"] == "facts" and about == claims["sub"]:
            suspended = cast(bool, facts.get("suspended", suspended))
        if about in (claims["sub"], claims["sid"]) and cast(int, entry["at"]) // 1000 > issued:
            told |= {name: facts[name] for name in ("risk", "acr") if name in facts}
    if suspended:
        told["refused_by"] = "facts"
    assert told == each["expect"]


@pytest.mark.parametrize("each", part("leases"), ids=lambda each: each["name"])
def test_age_is_measured_as_it_is_written(each: Document) -> None:
    """I6"""
    asked, first, vouched, heard = 0.0, None, float("-inf"), ("", -1)
    for step in cast(list[dict[str, object]], each["steps"]):
        now = cast(float, step["now"])
        if step["do"] == "ask":
            asked, first = now, None
        elif step["do"] == "head":
            boot, up = cast(str, step["boot"]), cast(int, step["up"])
            if heard[0] == boot and up <= heard[1]:
                continue
            first = first or (boot, up)
            if first[0] != boot:
                continue
            heard = (boot, up)
            vouched = max(vouched, min(now, asked + (up - first[1]) / 1000))
        else:
            age = now - vouched
            assert ("fresh" if age < 5 else "stale" if age < 60 else "lost") == step["expect"], step


def test_the_answers_are_made_of_the_same_lines_and_heads() -> None:
    snapshot, delta, events = (cast(dict[str, object], VECTORS[name]) for name in ("snapshot", "delta", "events"))
    first, *lines = cast(str, snapshot["body"]).splitlines()
    follower = Naive()
    assert follower.snapshot(json.loads(first)["head"], lines) == "good"
    assert f'"{follower.epoch}:{follower.seq}"' == snapshot["etag"]
    *lines, last = cast(str, delta["body"]).splitlines()
    assert [read_line(line)["seq"] for line in lines] == [5, 6]
    assert read_head(json.loads(last)["head"])["seq"] == 6
    assert read_stream(cast(str, events["body"])) == events["events"]


def read_stream(body: str) -> list[dict[str, object]]:
    """Server-sent events, as far as the feed uses them."""
    found: list[dict[str, object]] = []
    for block in body.removesuffix("\n\n").split("\n\n"):
        fields = [line.partition(": ")[::2] for line in block.split("\n")]
        event: dict[str, object] = {name: value for name, value in fields if name != "data"}
        data = [value for name, value in fields if name == "data"]
        if event["event"] == "entries":
            event["lines"] = data
        elif event["event"] == "head":
            event["head"] = data[0]
        found.append(event)
    return found
