"""The issuer of the test kit whose keys never stay, and what it gives to clients."""

import httpx2
import jwt
import pytest

from ostiary import SyncVerifier, TokenErrorCode
from ostiary.testing import FakeIssuer, RotatingKeys
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal


def kids(issuer: FakeIssuer) -> list[object]:
    return [each["kid"] for each in issuer.published]


def test_keys_change_every_so_many_tokens_and_a_verifier_follows(clock: Clock) -> None:
    """F7 as users can play it: the next key is published before it signs, so no fetch is caused by it."""
    fake = RotatingKeys(every=3, clock=clock)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    signers = set()
    for _ in range(6):
        token = fake.mint()
        signers.add(jwt.get_unverified_header(token)["kid"])
        verifier.verify(token)
    assert len(signers) == 2
    assert fake.rotations == 1
    assert fake.requests.count("/.well-known/jwks.json") == 1


def test_older_keys_stay_as_long_as_the_overlap_says() -> None:
    """The newest ones, and the next beside them."""
    fake = RotatingKeys(overlap=2)
    used = [fake.key.kid, *(fake.rotate().kid for _ in range(4))]
    assert kids(fake)[:3] == used[:-4:-1]
    assert len(kids(fake)) == 4
    following = kids(fake)[-1]
    assert fake.rotate().kid == following
    assert fake.rotate(withdraw=True).kid == kids(fake)[0]
    assert len(kids(fake)) == 2


def test_an_issuer_without_manners_publishes_nothing_but_the_current_key() -> None:
    """For verifiers that must live with it."""
    fake = RotatingKeys(overlap=0, ahead=False)
    old = fake.key.kid
    new = fake.rotate(alg="RS256")
    assert kids(fake) == [new.kid]
    assert (new.alg, old in kids(fake)) == ("RS256", False)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_withdrawn_key_is_gone_at_once_whichever_it_is(which: int, clock: Clock) -> None:
    """S39: current, older and next one."""
    fake = RotatingKeys(clock=clock)
    fake.rotate()
    token, kid = fake.mint(), str(kids(fake)[which])
    fake.withdraw(kid)
    assert kid not in kids(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    assert verifier.verify(fake.mint()).sub == "usr_test"
    if which == 0:
        assert refusal(verifier, token)[0] is TokenErrorCode.UNKNOWN_KEY
        assert fake.find_claims(token) is None
    with pytest.raises(KeyError):
        fake.withdraw(kid)


def test_numbers_that_make_no_sense_are_refused() -> None:
    """At once, not at the first token."""
    with pytest.raises(ValueError, match="every must be 1 or more"):
        RotatingKeys(every=0)
    with pytest.raises(ValueError, match="overlap must be 0 or more"):
        RotatingKeys(overlap=-1)


def test_the_fake_gives_tokens_to_its_clients_and_to_nobody_else() -> None:
    """RFC 6749 §4.4, by header or form; for itself, or the API that is named."""
    fake = FakeIssuer()
    fake.clients["cli_1"] = "secret+1"
    asking = {"grant_type": "client_credentials", "scope": "feed:read"}
    with httpx2.Client(transport=fake.transport(), base_url=fake.issuer) as client:
        given = client.post("/oauth/token", data=asking, auth=("cli_1", "secret%2B1"))
        claims = jwt.decode(
            given.json()["access_token"], fake.key.private.public_key(), algorithms=["ES256"], audience=fake.issuer
        )
        assert (claims["sub"], claims["client_id"], claims["scope"]) == ("cli_1", "cli_1", "feed:read")
        assert (given.json()["expires_in"], given.headers["cache-control"]) == (300, "no-store")
        named = {**asking, "client_id": "cli_1", "client_secret": "secret+1", "resource": fake.audience}
        token = client.post("/oauth/token", data=named).json()["access_token"]
        assert jwt.decode(token, options={"verify_signature": False})["aud"] == fake.audience
        for auth in (("cli_1", "wrong"), ("cli_2", "secret+1"), ("", "")):
            assert client.post("/oauth/token", data=asking, auth=auth).json() == {"error": "invalid_client"}
        wrong = client.post("/oauth/token", data={"grant_type": "password"}, auth=("cli_1", "secret%2B1"))
        assert (wrong.status_code, wrong.json()) == (400, {"error": "unsupported_grant_type"})


def test_the_fake_introspects_its_own_tokens_until_they_end(clock: Clock) -> None:
    """RFC 7662 §2.2: anything else is not active, and nothing more is said."""
    fake, stranger = FakeIssuer(clock=clock), FakeIssuer(clock=clock)

    def introspect(token: str) -> dict[str, object]:
        with httpx2.Client(transport=fake.transport(), base_url=fake.issuer) as client:
            said: dict[str, object] = client.post("/oauth/introspect", data={"token": token}, auth=("a", "b")).json()
            return said

    token = fake.mint({"sub": "usr_7"})
    assert (introspect(token)["active"], introspect(token)["sub"]) == (True, "usr_7")
    assert introspect(stranger.mint()) == introspect("junk") == {"active": False}
    assert introspect(fake.sign(b"no JSON")) == introspect(fake.sign(b"[]")) == {"active": False}
    clock.pass_seconds(300)
    assert introspect(token) == {"active": False}
    young = fake.mint()
    fake.rotate()
    assert introspect(young)["active"] is True
    fake.rotate(withdraw=True)
    assert introspect(young) == {"active": False}
