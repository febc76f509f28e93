"""What the server says of itself, and that it keeps it (OpenID Connect Discovery 1.0, RFC 8414)."""

from urllib.parse import urlsplit

import httpx2
import pytest

from policy.assurance import AAL1, AAL2, PHR
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint",
             "revocation_endpoint", "end_session_endpoint")  # fmt: skip


async def get(world: World, path: str, **headers: str) -> httpx2.Response:
    async with world.browser() as caller:
        return await caller.get(path, headers=headers)


@pytest.mark.parametrize("path", PATHS)
async def test_the_metadata_names_every_required_member(world: World, path: str) -> None:
    said = (await get(world, path)).json()
    assert said["issuer"] == ISSUER
    for name in ENDPOINTS:
        assert said[name].startswith(ISSUER + "/")
    assert said["subject_types_supported"] == ["public"]
    assert said["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert "openid" in said["scopes_supported"]
    assert said["acr_values_supported"] == [AAL1, AAL2, PHR]
    assert said["claims_parameter_supported"] is True
    assert said["request_parameter_supported"] is False
    assert said["request_uri_parameter_supported"] is False


async def test_every_named_endpoint_exists_and_what_comes_later_is_not_named(world: World) -> None:
    said = (await get(world, PATHS[0])).json()
    for name in ENDPOINTS:
        assert (await get(world, urlsplit(said[name]).path)).status_code != 404
    for name in ("pushed_authorization_request_endpoint", "device_authorization_endpoint", "registration_endpoint"):
        assert name not in said
    for path in ("/oauth/par", "/oauth/device_authorization", "/oauth/register", "/device"):
        assert (await get(world, path)).status_code == 404


@pytest.mark.parametrize("path", [*PATHS, "/.well-known/jwks.json"])
async def test_a_document_may_be_kept_at_an_edge(world: World, path: str) -> None:
    first = await get(world, path)
    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"].startswith("public, max-age=")
    again = await get(world, path, **{"if-none-match": f'W/{first.headers["etag"]}, "other"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    async with world.browser() as caller:
        head = await caller.head(path)
        assert (head.status_code, head.content) == (200, b"")
        refused = await caller.post(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
