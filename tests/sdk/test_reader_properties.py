"""S38 by Hypothesis: whatever the bytes, the readers accept or refuse in their own words, and never fail otherwise."""

import json
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from ostiary.compact import parse_shape, parse_unproven
from ostiary.core import VerifierCore
from ostiary.discovery import parse_freshness, parse_issuer, parse_jwks_uri
from ostiary.jwk import parse_key_set
from ostiary.keyring import KeyRing
from ostiary.strict import parse_base64url, parse_json_object
from ostiary.testing import FakeIssuer
from ostiary.values import KeyPolicy, parse_expectations
from tests.sdk.clocks import Clock
from tests.sdk.forging import encode, forge, words_of_refusal

ALGORITHMS = frozenset({"ES256"})
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "auth_time", "amr", "risk", "cnf", "x")

finite_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
any_values = finite_values | st.floats() | st.integers()


@given(st.text(alphabet=st.characters(codec=None), max_size=300) | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]+"))
def test_any_text_is_read_or_refused_as_a_token_error(text: str) -> None:
    """S38."""
    assert len(words_of_refusal(lambda: parse_unproven(parse_shape(text), algorithms=ALGORITHMS))) < 100


@given(st.binary(max_size=400), st.binary(max_size=100), st.binary(max_size=80))
def test_any_bytes_in_the_three_parts_are_read_or_refused(head: bytes, payload: bytes, signature: bytes) -> None:
    """S38."""
    token = forge(head, payload, signature)
    assert len(words_of_refusal(lambda: parse_unproven(parse_shape(token), algorithms=ALGORITHMS))) < 100


@given(st.dictionaries(st.sampled_from(["typ", "alg", "kid", "crit", "jwk", "x"]), any_values | st.just("at+jwt")))
def test_any_header_is_read_or_refused(header: dict[str, object]) -> None:
    """S36."""
    token = forge(header, {}, b"\1" * 64)
    words = words_of_refusal(lambda: parse_unproven(parse_shape(token), algorithms=ALGORITHMS))
    assert 0 < len(words) < 100, "no header drawn here names ES256"


@given(st.binary(min_size=1, max_size=200))
def test_bytes_have_one_spelling_in_base64url(raw: bytes) -> None:
    """S16: it is read, and every decorated one is refused."""
    text = encode(raw).encode()
    assert parse_base64url(text, name="x") == raw
    for decorated in (text + b"=", b" " + text, text + b"\n", text + b".", text[:1] + b"\r" + text[1:]):
        assert "base64url" in words_of_refusal(partial(parse_base64url, decorated, name="x"))


@given(st.dictionaries(st.text(), finite_values, max_size=5), st.booleans(), st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(value: dict[str, object], compact: bool, ascii_: bool) -> None:
    """An independent reader as the oracle, for every way of writing the same value."""
    raw = json.dumps(value, separators=(",", ":") if compact else None, ensure_ascii=ascii_).encode()
    assert parse_json_object(raw, name="x") == json.loads(raw)


@given(st.text(min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_name_given_twice_is_refused_however_it_is_spelt(name: str, ascii_first: bool, nested: bool) -> None:
    """S38: escapes make two spellings of one name."""
    first, second = json.dumps(name, ensure_ascii=ascii_first), json.dumps(name)
    raw = f'{{{first}:1,"another":2,{second}:1}}' if name != "another" else '{"another":1,"another":1}'
    raw = f'{{"outer":[{raw}]}}' if nested else raw
    words = words_of_refusal(lambda: parse_json_object(raw.encode(), name="part"))
    assert words == "the token's part must not name a member twice"


_fake = FakeIssuer(clock=Clock())
_key = parse_key_set(json.dumps({"keys": _fake.published}).encode()).usable[_fake.key.kid]
_expected = parse_expectations(
    issuer=_fake.issuer, audience=_fake.audience, algorithms=("ES256",), leeway_s=10, accepts_bound=False
)


@given(
    st.binary(min_size=1, max_size=300)
    | st.dictionaries(st.sampled_from(CLAIMS), any_values).map(lambda value: json.dumps(value).encode())
)
def test_any_signed_payload_is_refused_as_a_token_error(payload: bytes) -> None:
    """S37, S38: not even the issuer's own mistakes become another error."""
    core = VerifierCore(_expected, cache_size=0, keys=KeyRing(KeyPolicy()))
    words = words_of_refusal(lambda: core.finish(core.begin(_fake.sign(payload)), key=_key, now=Clock()()))
    assert 0 < len(words) < 100


@given(st.dictionaries(st.sampled_from(CLAIMS), any_values, max_size=3))
def test_any_change_of_good_claims_is_accepted_or_refused_in_words(changes: dict[str, object]) -> None:
    """S37."""
    core = VerifierCore(_expected, cache_size=0, keys=KeyRing(KeyPolicy()))
    token = _fake.mint(changes)
    assert len(words_of_refusal(lambda: core.finish(core.begin(token), key=_key, now=Clock()()))) < 100


@given(st.binary(max_size=300) | any_values.map(lambda value: json.dumps({"keys": [value]}).encode()))
def test_any_document_of_the_issuer_is_read_or_refused_as_a_fetch_error(body: bytes) -> None:
    """S37: a garbled answer never passes and never breaks the caller."""
    assert len(words_of_refusal(lambda: parse_key_set(body))) < 200
    assert 0 < len(words_of_refusal(lambda: parse_jwks_uri(body, expected=parse_issuer("https://issuer.test")))) < 200


@given(st.text(max_size=60) | st.from_regex(r"max-age=\"?[0-9]+\"?(, no-cache)?"), st.text(max_size=12))
def test_any_cache_header_is_a_number_of_seconds_or_nothing(cache_control: str, age: str) -> None:
    """RFC 9111 §4.2.1: what cannot be read does not count."""
    fresh_for_s = parse_freshness(cache_control, age)
    assert fresh_for_s is None or 0 <= fresh_for_s < 10**9
