"""The test kit that users get, and the README that explains it."""

import re
from pathlib import Path

import httpx2
import jwt
import pytest

import ostiary
from ostiary import SyncVerifier, TokenErrorCode
from ostiary.compact import MAX_TOKEN_CHARS
from ostiary.jwk import MIN_RSA_BITS
from ostiary.strict import MAX_OPENING_BRACKETS
from ostiary.testing import FakeIssuer, make_key
from ostiary.verifier import DEFAULT_LEEWAY_S
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

README = Path(ostiary.__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run_block(number: int) -> dict[str, object]:
    """What the README's code defines when it runs."""
    names: dict[str, object] = {}
    exec(compile(BLOCKS[number], f"{README.name}, block {number}", "exec"), names)  # noqa: S102 - our own README
    return names


def test_the_quick_start_is_ten_lines_and_runs() -> None:
    """Blank lines apart."""
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10
    assert "app" in run_block(0)


def test_verifying_by_hand_as_the_readme_says() -> None:
    """Junk is the caller's fault, told in words."""
    who_is = run_block(1)["who_is"]
    assert callable(who_is)
    assert who_is("junk") == "refused: malformed (the token must be three base64url parts joined by dots)"


def test_asking_for_a_better_sign_in_as_the_readme_says(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """RFC 9470 §3, and the challenge is the one that stands in the README."""
    names = run_block(2)
    assert "app" in names
    payslip = names["payslip_without_asgi"]
    assert callable(payslip)
    status, words = payslip(verifier.verify(fake.mint({"acr": "urn:ostiary:aal1"})), verifier)
    assert status == 401
    shown = " ".join(README.read_text().partition("WWW-Authenticate: ")[2].partition("\n```")[0].split())
    assert words == shown.replace('realm="api"', 'realm="pay"')


def test_the_readmes_own_test_passes() -> None:
    """Users copy it."""
    test_my_service = run_block(3)["test_my_service"]
    assert callable(test_my_service)
    test_my_service()


def test_every_number_that_the_readme_states_is_the_codes() -> None:
    """Docs that fail the build."""
    text = README.read_text()
    policy = ostiary.KeyPolicy()
    assert (policy.min_age_s, policy.default_age_s, policy.max_age_s, policy.max_stale_s) == (10, 300, 3600, 3600)
    assert policy.cooldown_s == 10
    assert "10 s at least and an hour at most (5 minutes where it says nothing)" in text
    assert "for one hour more" in text
    assert "cool-down of 10 s" in text
    assert (MAX_TOKEN_CHARS, MAX_OPENING_BRACKETS, MIN_RSA_BITS) == (16_384, 128, 2048)
    for words in ("16,384 characters", "128 brackets", "2,048 bits", f"{DEFAULT_LEEWAY_S} s of leeway"):
        assert words in text
    for name in ("AccessToken", "KeyPolicy", "KeysUnavailable", "SyncVerifier", "TokenError", "Verifier"):
        assert f"`{name}" in text or f"import {name}" in text


def test_the_fake_signs_what_pyjwt_accepts() -> None:
    """Its tokens are real ones for any library."""
    fake = FakeIssuer(alg="RS256")
    claims = jwt.decode(
        fake.mint({"sub": "usr_1"}),
        fake.key.private.public_key(),
        algorithms=["RS256"],
        audience=fake.audience,
        issuer=fake.issuer,
    )
    assert claims["sub"] == "usr_1"


def test_the_fakes_documents_carry_no_private_part() -> None:
    """A test kit that leaked keys would teach it."""
    fake = FakeIssuer()
    with httpx2.Client(transport=fake.transport()) as client:
        published = client.get(f"{fake.issuer}/.well-known/jwks.json").json()
    assert published["keys"] == [fake.key.as_jwk()]
    assert set(fake.key.as_jwk()) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert "private" not in repr(fake.key)


def test_an_issuer_with_a_path_works_too(clock: Clock) -> None:
    """Metadata lies below the path, as OIDC Discovery says."""
    fake = FakeIssuer("https://id.test/tenant/", clock=clock)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    assert verifier.verify(fake.mint()).iss == "https://id.test/tenant/"
    assert fake.requests == ["/tenant/.well-known/openid-configuration", "/tenant/.well-known/jwks.json"]


def test_withdrawing_rotates_and_forgets_the_old_key(clock: Clock) -> None:
    """S39, as users can play it."""
    fake = FakeIssuer(clock=clock)
    old = fake.mint()
    fake.rotate(withdraw=True)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    assert verifier.verify(fake.mint()).sub == "usr_test"
    assert refusal(verifier, old)[0] is TokenErrorCode.UNKNOWN_KEY


@pytest.mark.anyio
async def test_as_an_application_the_fake_serves_the_same_and_503_when_down() -> None:
    """For services in a process of their own."""
    fake = FakeIssuer(max_age_s=60)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(fake), base_url=fake.issuer) as client:
        answer = await client.get("/.well-known/jwks.json")
        assert (answer.json(), answer.headers["cache-control"]) == ({"keys": fake.published}, "public, max-age=60")
        assert (await client.get("/elsewhere")).status_code == 404
        fake.go_down()
        assert (await client.get("/.well-known/jwks.json")).status_code == 503


def test_only_the_sdks_algorithms_can_be_faked() -> None:
    """No test should rest on an algorithm that production refuses."""
    with pytest.raises(ValueError, match="alg must be ES256, RS256, PS256 or Ed25519"):
        make_key("HS256")
