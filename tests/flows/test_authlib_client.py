"""Authlib against a real server over https: sign-in, refresh, revocation, logout, errors; the ID token by joserfc."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.forms_browser import FormsBrowser, Page
from tests.server_process import RemoteWorld, open_remote_worlds
from tests.world import CALLBACK, PASSWORD, CreatedClient, pkce

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

BYE = "https://app.example.com/bye"
SCOPE = "openid profile offline_access orders:read"


@pytest.fixture
async def remote(database_url: str, tmp_path: Path) -> AsyncIterator[RemoteWorld]:
    """A server at an address of its own."""
    async with open_remote_worlds(tmp_path, count=1, database_url=database_url, issuer=None) as worlds:
        yield worlds[0]


async def discover(remote: RemoteWorld) -> tuple[Mapping[str, str], KeySet]:
    """The metadata and the keys, as any client fetches them."""
    assert remote.process
    async with httpx2.AsyncClient(verify=remote.process.trust) as http:
        metadata = (await http.get(remote.process.issuer + "/.well-known/openid-configuration")).json()
        keys = (await http.get(metadata["jwks_uri"])).json()
    return metadata, KeySet.import_key_set(keys)


def application(remote: RemoteWorld, client: CreatedClient, metadata: Mapping[str, str]) -> AsyncOAuth2Client:
    """An Authlib client that knows the metadata and nothing else of the server."""
    assert remote.process
    return AsyncOAuth2Client(
        client.client.client_id, client.secret, scope=SCOPE, redirect_uri=CALLBACK, code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"], verify=remote.process.trust,
    )  # fmt: skip


async def signed_in(browser: FormsBrowser, url: str) -> Page:
    """The answer at the application after the person signed in."""
    page = await browser.open(url)
    return await browser.sign_in(page, "ada", PASSWORD)


async def test_authlib_signs_in_refreshes_revokes_and_signs_out(remote: RemoteWorld) -> None:
    assert remote.process
    client, person = await remote.client(), await remote.person()
    metadata, keys = await discover(remote)
    verifier = pkce()[0]
    async with remote.browser() as http, application(remote, client, metadata) as app:
        browser = FormsBrowser(http, remote.process.issuer)
        url, state = app.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-1"
        )
        arrived = await signed_in(browser, url)
        tokens = await app.fetch_token(authorization_response=arrived.url, state=state, code_verifier=verifier)
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": metadata["issuer"]},
            aud={"essential": True, "value": client.client.client_id},
            nonce={"essential": True, "value": "n-1"},
        )
        rules.validate(claims)
        said = (await app.get(metadata["userinfo_endpoint"])).json()
        assert said["sub"] == claims["sub"] == person.sub
        fresh = await app.refresh_token(metadata["token_endpoint"])
        assert fresh["refresh_token"] != tokens["refresh_token"]
        told = await app.introspect_token(metadata["introspection_endpoint"], token=fresh["access_token"])
        assert told.json()["active"] is True
        out = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "bye"}
        page = await browser.open(f"{metadata['end_session_endpoint']}?{urlencode(out)}")
        assert page.url == f"{BYE}?state=bye"
        revoked = await app.revoke_token(metadata["revocation_endpoint"], token=fresh["refresh_token"])
        assert revoked.status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant: the refresh token is not valid"):
            await app.refresh_token(metadata["token_endpoint"], refresh_token=fresh["refresh_token"])


async def test_authlib_understands_the_servers_refusals(remote: RemoteWorld) -> None:
    assert remote.process
    client, _ = await remote.client(), await remote.person()
    metadata, _ = await discover(remote)
    verifier = pkce()[0]
    async with remote.browser() as http, application(remote, client, metadata) as app:
        browser = FormsBrowser(http, remote.process.issuer)
        url, state = app.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, prompt="none"
        )
        # Authlib leaves errors of the authorization response to the application.
        silent = await browser.open(url)
        assert (silent.params["error"], silent.params["state"]) == ("login_required", state)
        url, state = app.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
        arrived = await signed_in(browser, url)
        with pytest.raises(OAuthError, match="invalid_grant: code_verifier does not answer"):
            await app.fetch_token(authorization_response=arrived.url, state=state, code_verifier=pkce()[0])
        assert await app.fetch_token(authorization_response=arrived.url, state=state, code_verifier=verifier)
    wrong = CreatedClient(client.client, "ocs_" + "a" * 43)
    async with application(remote, wrong, metadata) as stranger:
        with pytest.raises(OAuthError, match="invalid_client: client authentication failed"):
            await stranger.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
