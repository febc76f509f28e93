"""The server's own tokens through the SDK: what one signs is what the other reads, field by field."""

from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from identity.keys import Signer, make_signer
from identity.tokens import AccessToken, mint_access_token, mint_id_token
from ostiary import SyncVerifier, TokenErrorCode
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

TTL = timedelta(minutes=5)


@pytest.fixture
def signer(fake: FakeIssuer) -> Signer:
    """A key of the server, published as the server publishes it."""
    made = ECKey.generate_key("P-256")
    kid = made.thumbprint()
    fake.published = [{**made.as_dict(private=False), "kid": kid, "alg": "ES256", "use": "sig"}]
    return make_signer(kid, "ES256", made.as_der(private=True))


def test_a_persons_access_token_arrives_with_every_claim(
    signer: Signer, fake: FakeIssuer, verifier: SyncVerifier, clock: Clock
) -> None:
    """interface.md, Tokens."""
    now = datetime.fromtimestamp(clock(), UTC)
    claims = AccessToken(
        issuer=fake.issuer,
        subject="person-1",
        audience=fake.audience,
        client_id="cli_1",
        scope="orders:read orders:write",
        grant="gra_1",
        session="ses_1",
        auth_time=now - timedelta(hours=1),
        acr="urn:ostiary:one",
        amr=("pwd",),
    )
    minted = mint_access_token(signer, claims, issued_at=now, ttl=TTL)
    token = verifier.verify(minted.text)
    assert (token.sub, token.client_id, token.grant, token.sid) == ("person-1", "cli_1", "gra_1", "ses_1")
    assert token.aud == (fake.audience,)
    assert token.scope == {"orders:read", "orders:write"}
    assert (token.iat, token.exp, token.auth_time) == (now, now + TTL, now - timedelta(hours=1))
    assert (token.acr, token.amr, token.jti) == ("urn:ostiary:one", ("pwd",), minted.jti)


def test_a_services_access_token_names_no_grant_and_no_session(
    signer: Signer, fake: FakeIssuer, verifier: SyncVerifier, clock: Clock
) -> None:
    """Client credentials: nobody signed in."""
    now = datetime.fromtimestamp(clock(), UTC)
    claims = AccessToken(
        issuer=fake.issuer, subject="cli_1", audience=fake.audience, client_id="cli_1", scope="orders:read"
    )
    token = verifier.verify(mint_access_token(signer, claims, issued_at=now, ttl=TTL).text)
    assert (token.sub, token.grant, token.sid, token.auth_time, token.acr, token.amr) == (
        "cli_1", None, None, None, None, (),
    )  # fmt: skip


def test_the_servers_id_token_is_no_access_token(
    signer: Signer, fake: FakeIssuer, verifier: SyncVerifier, clock: Clock
) -> None:
    """S36: even signed by the same key, for the same audience, with every claim of an access token."""
    now = datetime.fromtimestamp(clock(), UTC)
    claims = {"iss": fake.issuer, "sub": "person-1", "aud": fake.audience, "jti": "j", "client_id": "cli_1"}
    id_token = mint_id_token(signer, claims, issued_at=now, ttl=TTL)
    assert refusal(verifier, id_token)[0] is TokenErrorCode.WRONG_TYPE
