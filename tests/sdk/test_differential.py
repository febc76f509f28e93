"""S36 to S38 by Hypothesis, beside PyJWT and joserfc: what we accept both accept, with the same payload.

What both accept and we refuse must stand in one of the lists below; anything else is a failure of this test.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from warnings import catch_warnings

import jwt
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from jwt.algorithms import OKPAlgorithm

from ostiary.compact import MAX_TOKEN_CHARS
from ostiary.core import verify_statement
from ostiary.errors import KeyFetchError, TokenError
from ostiary.jwk import VerificationKey, parse_key_set
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.forging import decode, encode

TYPE = "at+jwt"
ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "PS256", "Ed25519")
UNUSED_HEADERS = frozenset({"cty", "enc", "p2c", "zip"})
KEY_HEADERS = ("jwk", "jku", "x5u", "x5c")
PEER_ERRORS = (jwt.PyJWTError, JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@cache
def key_of(alg: str) -> FakeKey:
    curves = {"ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    if alg in curves:
        return FakeKey(f"k-{alg}", alg, ec.generate_private_key(curves[alg]))
    return make_key(alg, kid=f"k-{alg}")


@cache
def own_key(alg: str) -> VerificationKey:
    return parse_key_set(json.dumps({"keys": [key_of(alg).as_jwk()]}).encode()).usable[f"k-{alg}"]


def by_us(token: str, alg: str) -> object:
    """The payload, or None where it is refused; any error but ours goes through and fails the test."""
    with suppress(TokenError):
        return verify_statement(
            token, typ=TYPE, find_key=lambda kid: own_key(alg) if kid == f"k-{alg}" else None, algorithms={alg}
        )
    return None


def by_pyjwt(token: str, alg: str, jwk: dict[str, object] | None = None) -> object:
    jws = jwt.PyJWS()
    if alg == "Ed25519" and alg not in jws.get_algorithms():
        jws.register_algorithm(alg, OKPAlgorithm())
    with suppress(*PEER_ERRORS), catch_warnings(action="ignore"):
        public = key_of(alg).private.public_key() if jwk is None else jwt.PyJWK(jwk, algorithm=_old_name(alg)).key
        return as_object(jws.decode(token, public, algorithms=[alg]))
    return None


def by_joserfc(token: str, alg: str, jwk: dict[str, object] | None = None) -> object:
    registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = registry.max_signature_length = 100_000
    with suppress(*PEER_ERRORS), catch_warnings(action="ignore"):
        key = joserfc_jwk.import_key(dict(key_of(alg).as_jwk() if jwk is None else jwk))  # type: ignore[arg-type]
        return as_object(joserfc_jws.deserialize_compact(token, key, registry=registry).payload)
    return None


def _old_name(alg: str) -> str:
    return "EdDSA" if alg == "Ed25519" else alg


def as_object(payload: bytes) -> object:
    """The JSON object, or None: neither library reads the payload of a JWS."""
    value = json.loads(payload)
    return value if isinstance(value, dict) else None


def pairs_of(raw: bytes) -> list[list[tuple[str, object]]]:
    """The members of every object, doubled ones too."""
    found: list[list[tuple[str, object]]] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found.append(pairs)
        return dict(pairs)

    json.loads(raw, object_pairs_hook=note)
    return found


def why_stricter(token: str, alg: str) -> str:
    """Which documented rule of ours refuses a token that both libraries accept; "" where none does."""
    texts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS:
        return "larger than 16,384 characters"
    if len(texts) != 3 or any(not set(text) <= set(LETTERS) or encode(decode(text)) != text for text in texts):
        return "not the only spelling in base64url"
    head, payload, _ = (decode(text) for text in texts)
    for raw in (head, payload):
        if raw.count(b"[") + raw.count(b"{") > 128:
            return "too many brackets"
        if any(len(dict(pairs)) != len(pairs) for pairs in pairs_of(raw)):
            return "a member named twice"
        if raw.startswith(b"\xef\xbb\xbf") or b"\0" in raw or not _is_interoperable(raw):
            return "no JSON of RFC 8259 in UTF-8"
    header = json.loads(head)
    if str(header.get("typ")).lower() != TYPE:
        return "another type"
    if "crit" in header or "b64" in header:
        return "an extension that is critical"
    if any(name in header for name in KEY_HEADERS):
        return "a key in the header"
    return "another key id" if header.get("kid") != f"k-{alg}" else ""


def _is_interoperable(raw: bytes) -> bool:
    """The standard library reads NaN, and surrogates that stand alone."""
    try:
        json.loads(raw, parse_constant=_refuse).__repr__().encode()
    except (ValueError, UnicodeError):
        return False
    return True


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def check(token: str, alg: str) -> None:
    ours, others = by_us(token, alg), [by_pyjwt(token, alg), by_joserfc(token, alg)]
    if ours is None:
        assert None in others or why_stricter(token, alg)
        return
    header = json.loads(decode(token.partition(".")[0]))
    # joserfc looks at the types of members that nobody here uses, which RFC 7515 §4 lets us pass over.
    assert others == [ours, ours] or (others == [ours, None] and not UNUSED_HEADERS.isdisjoint(header))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
algorithms = st.sampled_from(ALGORITHMS)
header_changes = st.dictionaries(
    st.sampled_from(["typ", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "cty", "zip", "p2c", "x", "enc"]),
    values | st.sampled_from(["at+jwt", "AT+JWT", "JWT", ["exp"], []]),
    max_size=3,
)
_fake = FakeIssuer()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_all_three_accept_a_good_token_by_a_good_key(alg: str) -> None:
    """Without this nothing below would mean anything."""
    token, jwk = _fake.sign(b'{"sub":"usr_1"}', key=key_of(alg)), key_of(alg).as_jwk()
    verdicts = [by_us(token, alg), by_pyjwt(token, alg), by_joserfc(token, alg)]
    assert [*verdicts, by_pyjwt(token, alg, jwk), by_joserfc(token, alg, jwk)] == [{"sub": "usr_1"}] * 5


@given(algorithms, st.dictionaries(st.text(max_size=8), values, max_size=5), header_changes)
def test_whatever_is_properly_signed_gets_the_verdict_of_both(
    alg: str, payload: dict[str, object], headers: dict[str, object]
) -> None:
    """S36, S37: header and payload are free, the signature is right."""
    token = None
    # The signer has rules of its own about its header; what it will not write is for the next test.
    with suppress(jwt.PyJWTError, TypeError):
        token = _fake.sign(json.dumps(payload).encode(), headers=headers, key=key_of(alg))
    if token is not None:
        check(token, alg)
        assert by_us(token, alg) in (payload, None)


@given(algorithms, st.data())
def test_a_token_changed_anywhere_gets_the_verdict_of_both(alg: str, data: st.DataObject) -> None:
    """S16, S36, S38: letters replaced, taken out, put in, doubled; parts exchanged; whatever is left of it."""
    token = _fake.sign(b'{"sub":"usr_1","n":[1,2,{"a":null}]}', key=key_of(alg))
    assert by_us(token, alg) == {"sub": "usr_1", "n": [1, 2, {"a": None}]}
    for _ in range(data.draw(st.integers(1, 3))):
        token = data.draw(st.sampled_from(MUTATIONS))(token, data)
    check(token, alg)


def _replace(token: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, max(len(token) - 1, 0)))
    return token[:at] + data.draw(st.sampled_from(LETTERS + ".=+/ \n")) + token[at + 1 :]


def _cut(token: str, data: st.DataObject) -> str:
    begin = data.draw(st.integers(0, len(token)))
    return token[:begin] + token[begin + data.draw(st.integers(1, 5)) :]


def _insert(token: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, len(token)))
    return token[:at] + data.draw(st.text(LETTERS + ".=+/ \n\t\0é", max_size=4)) + token[at:]


def _last_letter(token: str, data: st.DataObject) -> str:
    return token[:-1] + data.draw(st.sampled_from(LETTERS))


def _another_header(token: str, data: st.DataObject) -> str:
    alg = data.draw(st.sampled_from([*ALGORITHMS, "none", "None", "HS256", "EdDSA", ""]))
    header = {"alg": alg, "typ": TYPE, "kid": f"k-{data.draw(algorithms)}"}
    return ".".join([encode(json.dumps(header).encode()), *token.split(".")[1:]])


def _another_signature(token: str, data: st.DataObject) -> str:
    raw = data.draw(st.binary(max_size=140) | st.sampled_from([bytes(64), bytes(132), b"\xff" * 64]))
    return ".".join([*token.split(".")[:2], encode(raw)])


def _exchange(token: str, data: st.DataObject) -> str:
    return ".".join(data.draw(st.permutations(token.split("."))))


MUTATIONS: tuple[Callable[[str, st.DataObject], str], ...] = (
    _replace, _cut, _insert, _last_letter, _another_header, _another_signature, _exchange,
)  # fmt: skip

MEMBERS = ("kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d", "k")
member_values = values | st.sampled_from(
    ["EC", "RSA", "OKP", "oct", "P-256", "P-384", "Ed25519", "AQAB", "Aw", "AA", "sig", "enc", ["verify"], ["sign"],
     encode(bytes(32)), encode(b"\1" * 32), encode(b"\1" * 31), encode(b"\xff" * 256), *ALGORITHMS]
)  # fmt: skip


def why_key_is_refused(jwk: dict[str, object], alg: str) -> str:
    """Which documented rule of ours refuses a key that both libraries use; "" where none does."""
    good = key_of(alg).as_jwk()
    if jwk.get("alg") != alg:
        return "a key names its algorithm"
    if jwk.get("use", "sig") is not None and jwk.get("use", "sig") != "sig":
        return "a key is for signatures"
    if jwk.get("key_ops") is not None and "verify" not in json.dumps(jwk["key_ops"]):
        return "a key is for verifying"
    if {"d", "k"} & jwk.keys():
        return "nothing private or symmetric is published"
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        return "a key has an id, and a short one"
    if alg in ("RS256", "PS256") and (jwk.get("crv") is not None or jwk.get("e") != good["e"]):
        return "an RSA key has no curve and a usual exponent"
    return (
        ""
        if all(jwk.get(name) == good.get(name) for name in ("kty", "crv", "x", "y", "n", "e"))
        else "another spelling"
    )


@given(
    algorithms,
    st.dictionaries(st.sampled_from(MEMBERS), member_values, max_size=3),
    st.sets(st.sampled_from(MEMBERS), max_size=1),
)
@example("ES256", {"use": None}, set())
@example("RS256", {"crv": "P-256"}, set())
def test_a_changed_key_proves_what_it_proves_for_both(alg: str, changes: dict[str, object], left_out: set[str]) -> None:
    """S37: and whatever stands in a key, the reader refuses in its own words."""
    jwk = {name: value for name, value in {**key_of(alg).as_jwk(), **changes}.items() if name not in left_out}
    token = _fake.sign(b'{"sub":"usr_1"}', key=key_of(alg))
    usable = parse_key_set(json.dumps({"keys": [jwk]}).encode()).usable
    key = next(iter(usable.values()), None)
    ours: object = None
    if key is not None and key.alg == alg:
        with suppress(TokenError):
            ours = verify_statement(token, typ=TYPE, find_key=lambda _: key, algorithms={alg})
    others = [by_pyjwt(token, alg, jwk), by_joserfc(token, alg, jwk)]
    if ours is not None:
        # Both refuse for `use` or `key_ops` of null what RFC 7517 lets a key leave out; nothing else may differ.
        assert others == [ours, ours] or None in (jwk.get("use", ""), jwk.get("key_ops", ""))
    elif None not in others:
        assert why_key_is_refused(jwk, alg)


@given(st.dictionaries(st.sampled_from([*MEMBERS, "oth", "x5c"]), member_values, max_size=8) | values, st.booleans())
def test_any_key_is_read_or_refused_in_our_words(jwk: object, beside_a_good_one: bool) -> None:
    """S37: one bad key does not break the others, and no library's error comes out."""
    good = key_of("ES256").as_jwk()
    document = json.dumps({"keys": [jwk, good] if beside_a_good_one else [jwk]}).encode()
    key_set = parse_key_set(document)
    has_own_id = not isinstance(jwk, dict) or jwk.get("kid") != good["kid"]
    assert (good["kid"] in key_set.usable) == (beside_a_good_one and has_own_id)
    assert all(len(words) < 200 for words in key_set.refused)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_set_or_a_fetch_error(body: bytes) -> None:
    """S37."""
    with suppress(KeyFetchError):
        parse_key_set(body)
