"""Our own tokens, bent: algorithms, types, keys and claims are what the verifier fixes (S36–S38)."""

import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from base.clock import to_seconds
from identity.tokens import ACCESS_TYPE, ID_TYPE, sign, verify_own_token
from tests.oauth.tokens_read import claims_of, encode, header_of, with_claims, with_header
from tests.world import API, ISSUER, World

pytestmark = pytest.mark.anyio


async def own_tokens(world: World) -> dict[str, str]:
    client = await world.client()
    return await world.tokens(client, await world.person(), nonce="n", scope="openid offline_access orders:read")


def verify(world: World, token: str, *, expected_type: str = ACCESS_TYPE, **others: bool) -> dict[str, object] | None:
    """What the server itself reads from the token now."""
    return verify_own_token(
        token, world.services.keys, expected_type=expected_type, expected_issuer=ISSUER, now=world.clock(), **others
    )


async def test_an_access_token_has_the_form_of_rfc_9068(world: World) -> None:
    """S36, S37"""
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person, scope="openid orders:read")
    header, claims = header_of(tokens["access_token"]), claims_of(tokens["access_token"])
    assert (header["typ"], header["alg"], set(header)) == ("at+jwt", "ES256", {"typ", "alg", "kid"})
    assert set(claims) == {
        "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "grant", "sid", "auth_time", "acr", "amr",
    }  # fmt: skip
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ISSUER, person.sub, API)
    assert claims["client_id"] == client.client.client_id
    assert (claims["acr"], claims["amr"], claims["scope"]) == ("urn:ostiary:aal1", ["pwd"], "openid orders:read")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_an_id_token_is_signed_as_registered_and_bound_to_its_access_token(world: World, alg: str) -> None:
    """S36"""
    client, person = await world.client(id_token_alg=alg), await world.person()
    tokens = await world.tokens(client, person, nonce="n-0S6_WzA2Mj")
    header, claims = header_of(tokens["id_token"]), claims_of(tokens["id_token"])
    assert (header["alg"], header["typ"]) == (alg, "JWT")
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == encode(half)
    assert (claims["aud"], claims["nonce"], claims["sub"]) == (client.client.client_id, "n-0S6_WzA2Mj", person.sub)


async def test_an_access_token_is_no_id_token_and_the_other_way_round(world: World) -> None:
    """S36"""
    tokens = await own_tokens(world)
    assert verify(world, tokens["access_token"]) is not None
    assert verify(world, tokens["id_token"], expected_type=ID_TYPE) is not None
    assert verify(world, tokens["id_token"]) is None
    assert verify(world, tokens["access_token"], expected_type=ID_TYPE) is None


HEADERS: Mapping[str, Mapping[str, object]] = {
    "no signature": {"alg": "none"},
    "no signature, shouted": {"alg": "NONE"},
    "another algorithm": {"alg": "RS256"},
    "a symmetric one": {"alg": "HS256"},
    "no algorithm": {"alg": None},
    "no key": {"kid": None},
    "an unknown key": {"kid": "x"},
    "a key that is no text": {"kid": ["x"]},
    "another type": {"typ": "jwt"},
    "no type": {"typ": None},
    "critical": {"crit": ["exp"], "exp": 1},
    "critical and empty": {"crit": []},
    "unencoded": {"b64": False, "crit": ["b64"]},
    "a key of its own": {"jwk": {"kty": "EC"}},
    "a foreign key set": {"jku": "https://evil.example.com/jwks.json"},
}


@pytest.mark.parametrize("change", HEADERS)
async def test_no_changed_header_is_accepted(world: World, change: str) -> None:
    """S36, S37"""
    tokens = await own_tokens(world)
    bent = with_header(tokens["access_token"], **HEADERS[change])
    assert verify(world, bent) is None
    assert verify(world, bent.rpartition(".")[0] + ".") is None
    assert (await world.userinfo(bent)).status_code == 401


@pytest.mark.parametrize("header", [{"jwk": {"kty": "EC"}}, {"jku": "https://evil.example.com"}, {"x5u": "https://e"}])
async def test_a_key_that_a_token_brings_along_is_never_used(world: World, header: Mapping[str, object]) -> None:
    """S37: signed by a stranger's key, which the header offers."""
    tokens = await own_tokens(world)
    stranger = ECKey.generate_key("P-256")
    offered = {**header, "jwk": stranger.as_dict(private=False)} if "jwk" in header else dict(header)
    kid = header_of(tokens["access_token"])["kid"]
    payload = json.dumps(claims_of(tokens["access_token"]))
    forged = jws.serialize_compact({"alg": "ES256", "kid": kid, "typ": "at+jwt", **offered}, payload, stranger)
    assert verify(world, forged) is None


async def test_no_encoding_of_a_public_key_is_a_shared_secret(world: World) -> None:
    """S36"""
    tokens = await own_tokens(world)
    kid = str(header_of(tokens["id_token"])["kid"])
    found = world.services.keys.find_verifying(kid, now=world.clock())
    assert found
    assert isinstance(found[0], RSAKey)
    message = tokens["id_token"].split(".")[1]
    header = encode(json.dumps({"alg": "HS256", "kid": kid, "typ": "JWT"}).encode())
    public = found[0].as_dict(private=False)
    for secret in (found[0].as_pem(private=False), found[0].as_der(private=False), json.dumps(public).encode()):
        signature = encode(hmac.digest(secret, f"{header}.{message}".encode(), hashlib.sha256))
        assert verify(world, f"{header}.{message}.{signature}", expected_type=ID_TYPE) is None


async def test_no_changed_claim_keeps_its_signature(world: World) -> None:
    """S37"""
    tokens = await own_tokens(world)
    for change in ({"scope": "orders:write"}, {"exp": 2**40}, {"sub": "x"}, {"aud": "y"}, {}):
        assert verify(world, with_claims(tokens["access_token"], {**change, "x": 1})) is None


async def test_a_token_of_ours_for_another_issuer_or_without_an_end_is_refused(world: World) -> None:
    """S37"""
    signer = world.services.keys.signer("ES256")
    good = {"iss": ISSUER, "exp": to_seconds(world.clock()) + 60}
    assert verify(world, sign(signer, ACCESS_TYPE, good)) == good
    for claims in ({**good, "iss": ISSUER + "/"}, {"exp": good["exp"]}, {"iss": ISSUER}, {**good, "exp": "9999999999"}):
        assert verify(world, sign(signer, ACCESS_TYPE, claims)) is None


async def test_a_token_ends_on_time_and_as_a_hint_it_does_not(world: World) -> None:
    """S37, S39"""
    tokens = await own_tokens(world)
    world.clock.move(seconds=301)
    assert verify(world, tokens["access_token"]) is None
    assert verify(world, tokens["id_token"], expected_type=ID_TYPE) is None
    assert verify(world, tokens["id_token"], expected_type=ID_TYPE, expired_too=True) is not None


HEAVY = {
    "a megabyte": "a" * 700_000 + ".b.c",
    "many parts": "a" + ".b" * 5000,
    "deep": encode(b"[" * 5000) + ".e30.e30",
    "deep object": encode(b'{"a":' * 900 + b"1" + b"}" * 900) + ".e30.e30",
    "costly": encode(b'{"alg":"PBES2-HS256+A128KW","p2c":2147483648,"typ":"at+jwt","kid":"x"}') + ".e30.e30",
    "no JSON": encode(b"\xff\xfe") + ".e30.e30",
}


@pytest.mark.parametrize("kind", HEAVY)
async def test_a_heavy_token_is_refused_before_any_costly_step(world: World, kind: str) -> None:
    """S38"""
    assert verify(world, HEAVY[kind]) is None
    client = await world.client()
    answer = await world.token(client, path="/oauth/introspect", token=HEAVY[kind][:60_000])
    assert (answer.status_code, answer.json()) == (200, {"active": False})
