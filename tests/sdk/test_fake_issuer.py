"""The issuer of the test kit, and what README and docs/sdk.md say of it."""

import re
from pathlib import Path

import httpx2
import jwt
import pytest

import ostiary
from ostiary import SyncVerifier, TokenErrorCode
from ostiary.compact import MAX_TOKEN_CHARS
from ostiary.jwk import MIN_RSA_BITS
from ostiary.rate_limits import RateLimits
from ostiary.strict import MAX_OPENING_BRACKETS
from ostiary.testing import FakeIssuer, make_key
from ostiary.values import DEFAULT_LEEWAY_S
from tests.docs.examples import blocks
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

README = Path(ostiary.__file__).parents[1] / "README.md"
DOCUMENT = README.parents[1] / "docs" / "sdk.md"


def run_block(file: str | None, document: Path = DOCUMENT) -> dict[str, object]:
    """What the document's code of this name defines when it runs."""
    [block] = [each for each in blocks(document) if each.language == "python" and each.file == file]
    names: dict[str, object] = {}
    exec(compile(block.text, f"{document.name}, {file}", "exec"), names)  # noqa: S102 - our own document
    return names


def test_the_readmes_start_is_short_and_runs() -> None:
    """It is the package's long description; three lines of it are about the SDK, and nothing begins by itself."""
    assert len(README.read_text().splitlines()) < 60
    names = run_block(None, README)
    assert {"feed", "verifier", "app"} <= set(names)


def test_asking_for_a_better_sign_in_as_the_document_says(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """RFC 9470 §3, and the challenge is the one that stands in the document."""
    names = run_block("payslips.py")
    assert "app" in names
    payslip = names["payslip_without_asgi"]
    assert callable(payslip)
    status, words = payslip(verifier.verify(fake.mint({"acr": "urn:ostiary:aal1"})), verifier)
    assert status == 401
    shown = " ".join(DOCUMENT.read_text().partition("WWW-Authenticate: ")[2].partition("\n```")[0].split())
    assert words == shown.replace('realm="api"', 'realm="pay"')


def test_every_number_that_the_document_states_is_the_codes() -> None:
    """Docs that fail the build."""
    text = DOCUMENT.read_text()
    policy = ostiary.KeyPolicy()
    assert (policy.min_age_s, policy.default_age_s, policy.max_age_s, policy.max_stale_s) == (10, 300, 3600, 86_400)
    assert (policy.cooldown_s, policy.refresh_at, policy.unknown_for_s) == (30, 0.8, 300)
    assert "10 s at least and an hour at most (5 minutes where it says nothing)" in text
    assert "for 24 hours more" in text
    assert "cool-down of 30 s" in text
    assert "once in 5 minutes" in text
    assert "At 80 % of that time" in text
    assert (MAX_TOKEN_CHARS, MAX_OPENING_BRACKETS, MIN_RSA_BITS) == (16_384, 128, 2048)
    for words in ("16,384 characters", "128 brackets", "2,048 bits", f"{DEFAULT_LEEWAY_S} s of leeway"):
        assert words in text
    failing = ostiary.FailurePolicy()
    assert (failing.fresh_for_s, failing.lost_after_s) == (5, 60)
    assert "*fresh* for 5 s" in text
    assert "*lost* after 60 s" in text
    limits = RateLimits().person
    assert limits is not None
    assert f"{limits.limit:,} requests in {limits.window_s} s" in text
    told = {code for line in text.splitlines() if line.startswith("| `") for code in re.findall(r"`(\w+)`", line)}
    assert {code.value for code in TokenErrorCode} <= told


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
