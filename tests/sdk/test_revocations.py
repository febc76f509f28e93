"""What is refused, asked by many threads while one changes it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

import ostiary
from ostiary.feed_lines import FeedEntry, FeedRefused, parse_entry
from ostiary.revocations import FORGOTTEN_AT_ONCE, Revocations
from tests.sdk.feed_model import BEGAN, entry_line, make_token


def entry(seq: int, kind: str, subject: str, **more: object) -> FeedEntry:
    return parse_entry(entry_line(seq, kind, subject, **more))


def knowing(*entries: FeedEntry) -> Revocations:
    made = Revocations()
    made.take(entries)
    made.believe(entries)
    return made


@pytest.mark.parametrize(
    ("kind", "subject", "words"),
    [
        ("token", "t0", "the token was revoked"),
        ("grant", "g0", "the grant behind this token has ended"),
        ("session", "s0", "the session behind this token has ended"),
        ("key", "k0", "the key that signed this token was withdrawn"),
        ("person", "u0", "the person's earlier tokens were revoked"),
        ("client", "c0", "the client's earlier tokens were revoked"),
        ("everyone", "*", "all earlier tokens were revoked"),
    ],
)
def test_each_kind_refuses_its_own_tokens_with_words_and_no_others(kind: str, subject: str, words: str) -> None:
    """S18, S39: by jti, grant, session, person, client, key, and everyone."""
    known = knowing(entry(1, kind, subject, not_before_s=BEGAN))
    assert known.refusal(make_token(), "k0") == words
    other = make_token(jti="t1", grant="g1", sid="s1", sub="u1", client_id="c1", iat=BEGAN + 1)
    assert known.refusal(other, "k1") is None
    assert (
        known.refusal(make_token(jti="t1", grant=None, sid=None, sub="u1", client_id="c1", iat=BEGAN + 1), "") is None
    )
    assert known.is_key_withdrawn("k0") is (kind == "key")


@pytest.mark.parametrize("kind", ["token", "grant", "session", "key", "person", "client", "of the future", "policy"])
def test_a_name_of_one_kind_is_none_of_another(kind: str) -> None:
    known = knowing(entry(1, kind, "x", not_before_s=BEGAN))
    fields = {"token": "jti", "grant": "grant", "session": "sid", "person": "sub", "client": "client_id"}
    for its_kind, field in fields.items():
        assert (known.refusal(make_token(**{field: "x"}), "k") is not None) is (kind == its_kind)


@pytest.mark.parametrize(("kind", "subject"), [("person", "u0"), ("client", "c0"), ("everyone", "*")])
def test_not_before_is_exact_to_the_second(kind: str, subject: str) -> None:
    """Refused at iat ≤ not_before; new tokens are minted one second later. An older not-before lowers nothing."""
    known = knowing(entry(1, kind, subject, not_before_s=BEGAN + 10), entry(2, kind, subject, not_before_s=BEGAN + 4))
    assert known.refusal(make_token(iat=BEGAN + 10), "k") is not None
    assert known.refusal(make_token(iat=BEGAN + 11), "k") is None


def test_the_suspended_are_refused_until_a_newer_fact_lets_them_in() -> None:
    suspended = entry(1, "facts", "u0", facts={"suspended": True})
    risky = entry(2, "facts", "u0", facts={"risk": 90})
    known = knowing(suspended, risky)
    assert known.refusal(make_token(iat=BEGAN + 60), "k") == "the account behind this token is suspended"
    assert known.refusal(make_token(sub="u1"), "k") is None
    known.believe([entry(3, "facts", "u0", facts={"suspended": False})])
    assert known.refusal(make_token(), "k") is None


def test_newer_facts_replace_those_of_the_token_and_leave_the_rest() -> None:
    """`at` in whole seconds must be after `iat`; of person and session the fact told last counts."""
    known = knowing(
        entry(1, "facts", "u0", at_s=BEGAN + 10.9, facts={"risk": 80, "acr": "mfa"}),
        entry(2, "facts", "s0", at_s=BEGAN + 20, facts={"risk": 30}),
    )
    token = make_token(iat=BEGAN + 9)
    seen = known.overlay(token)
    assert (seen.risk, seen.acr) == (30, "mfa")
    assert (token.risk, token.acr, seen.claims, seen.jti) == (10, "pwd", token.claims, token.jti)
    assert known.overlay(make_token(iat=BEGAN + 9, sid=None)).risk == 80
    between = known.overlay(make_token(iat=BEGAN + 10))
    assert (between.risk, between.acr) == (30, "pwd")
    late, stranger = make_token(iat=BEGAN + 20), make_token(sub="u1", sid="s1")
    assert known.overlay(late) is late
    assert known.overlay(stranger) is stranger
    assert Revocations().overlay(token) is token


def test_the_version_grows_after_every_change_and_rests_otherwise() -> None:
    known = Revocations()
    seen = [known.version]
    known.take([entry(1, "token", "t0")])
    seen.append(known.version)
    known.believe([entry(2, "facts", "u0", facts={"risk": 1})])
    seen.append(known.version)
    known.swap([])
    seen.append(known.version)
    assert seen == sorted(set(seen))
    known.refusal(make_token(), "k")
    known.forget_expired(BEGAN * 2)
    assert known.version == seen[-1]


def test_an_answer_kept_under_its_version_is_never_older_than_the_version_says() -> None:
    """What a cache of verified tokens relies on: version read before, answer after, both kept."""
    known, stop, faults = Revocations(), Event(), []
    tokens = [make_token(jti=f"t{n}") for n in range(2000)]

    def read() -> None:
        while not stop.is_set():
            version = known.version
            # After the n-th change the first n tokens are refused.
            if version and known.refusal(tokens[version - 1], "k") is None:
                faults.append(version)

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seq in range(1, 2001):
        known.take([entry(seq, "token", f"t{seq - 1}")])
    stop.set()
    for reader in readers:
        reader.join(10)
    assert (faults, known.version) == ([], 2000)


@pytest.mark.parametrize("change", ["take", "believe", "swap"])
def test_the_version_grows_only_when_a_change_is_done(change: str) -> None:
    """Were it raised before, an answer from before the change would be kept under the version after it."""
    known, seen = knowing(), []
    before = known.version

    def entries() -> Iterator[FeedEntry]:
        for seq in (1, 2):
            seen.append(known.version)
            yield entry(seq, "facts", "u0", facts={"suspended": True})
        seen.append(known.version)

    getattr(known, change)(entries())
    assert seen == [before] * 3
    assert known.version == before + 1


def test_readers_see_the_old_whole_or_the_new_whole() -> None:
    """While snapshots are swapped, what both refuse is refused at every moment."""
    known, stop, faults = knowing(entry(1, "token", "t0")), Event(), []
    entries = [entry(1, "token", "t0"), *(entry(n, "grant", f"x{n}") for n in range(2, 500))]

    def read() -> None:
        token = make_token()
        while not stop.is_set():
            if known.refusal(token, "k") is None:
                faults.append(1)

    reader = Thread(target=read)
    reader.start()
    for _ in range(100):
        known.swap(reversed(entries))
    stop.set()
    reader.join(10)
    assert not faults


def test_entries_are_forgotten_by_the_minute_never_early_and_a_few_thousand_at_once() -> None:
    known = knowing(*(entry(n, "token", f"t{n}", for_s=61 + n % 2) for n in range(1, FORGOTTEN_AT_ONCE + 101)))
    assert known.forget_expired(BEGAN + 61) == 0
    assert known.forget_expired(BEGAN + 62 + 59) == FORGOTTEN_AT_ONCE
    assert known.forget_expired(BEGAN + 62 + 59) == 100
    assert known.forget_expired(BEGAN * 2) == 0
    assert (len(known), known.as_lines(), known.refusal(make_token(jti="t1"), "k")) == (0, [], None)


@pytest.mark.parametrize(("kind", "subject"), [("token", "t0"), ("person", "u0"), ("everyone", "*")])
def test_a_subject_named_twice_is_refused_until_the_last_of_its_entries_ends(kind: str, subject: str) -> None:
    known = knowing(
        *(entry(n, kind, subject, for_s=for_s, not_before_s=BEGAN) for n, for_s in enumerate((500, 3000, 100), 1))
    )
    for now_s, is_refused in [(200, True), (700, True), (2900, True), (3100, False)]:
        known.forget_expired(BEGAN + now_s)
        assert (known.refusal(make_token(), "k") is not None) is is_refused


def test_facts_end_with_the_entry_that_told_them_last() -> None:
    first = entry(1, "facts", "u0", at_s=BEGAN + 1, facts={"suspended": True, "risk": 50, "acr": "mfa"}, for_s=100)
    known = knowing(first, entry(2, "facts", "u0", at_s=BEGAN + 2, facts={"risk": 60}, for_s=3000))
    known.forget_expired(BEGAN + 300)
    seen = known.overlay(make_token())
    assert (known.refusal(make_token(), "k"), seen.risk, seen.acr) == (None, 60, "pwd")
    known.forget_expired(BEGAN + 4000)
    assert known.overlay(make_token()).risk == 10


def test_the_lines_come_back_as_they_were_by_their_numbers() -> None:
    entries = [
        entry(3, "token", "t0", for_s=100), entry(5, "person", "u0", not_before_s=BEGAN),
        entry(9, "facts", "s0", at_s=BEGAN + 1, facts={"risk": 77}, for_s=50), entry(11, "of the future", "x"),
    ]  # fmt: skip
    lines = knowing(*entries).as_lines()
    assert lines == [each.line for each in entries]
    again = Revocations.from_lines(lines)
    assert again.as_lines() == lines
    assert again.refusal(make_token(), "k") == "the token was revoked"
    assert again.overlay(make_token()).risk == 77
    with pytest.raises(FeedRefused):
        Revocations.from_lines([b"{}"])


MEASURE = """
import gc, json, os, sys
sys.path.insert(0, sys.argv[1])
from ostiary.feed_lines import parse_entry
from ostiary.revocations import Revocations

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

def entry(n, at=1800000000):
    said = {"seq": n, "kind": sys.argv[2], "subject": f"grt_{n:032x}", "at": at * 1000, "expires": at + n % 3600}
    more = {"person": {"not_before": at}, "facts": {"facts": {"risk": 40, "acr": "urn:ostiary:acr:mfa"}}}
    line = json.dumps(said | more.get(sys.argv[2], {}), separators=(",", ":"))
    return parse_entry(line.encode())

known, before = Revocations(), resident()
for first in range(1, 100_001, 1000):
    entries = [entry(n) for n in range(first, first + 1000)]
    known.take(entries)
    known.believe(entries)
del entries
assert len(known) == 100_000
print((resident() - before) / 2**20)
"""


@pytest.mark.parametrize("kind", ["token", "person", "facts"])
def test_a_hundred_thousand_entries_take_less_than_forty_mib(kind: str) -> None:
    """Counted in a fresh interpreter: resident memory before and after, lines for the disk included."""
    folder = str(Path(ostiary.__file__).parents[1])
    command = [sys.executable, "-I", "-c", MEASURE, folder, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert 10 < float(done.stdout) < 40
