"""The Config plan of the OpenID Foundation, module by module, in our words.

The official suite is a separate program and was not run here: these tests ask what its modules ask. The deployment has
an https issuer; tests/flows reaches the same endpoints through TLS with a self-signed certificate.
"""

import pytest

from identity.oauth.claims import SUPPORTED
from tests.contract.run import CertificationRun
from tests.world import ISSUER

pytestmark = pytest.mark.anyio

REQUIRED = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "scopes_supported",
            "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
            "claims_supported", "end_session_endpoint")  # fmt: skip


async def test_discovery_names_every_required_member_with_values_that_are_honoured(run: CertificationRun) -> None:
    response = await run.browser.http.get("/.well-known/openid-configuration")
    said = response.json()
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert [name for name in REQUIRED if name not in said] == []
    assert said["issuer"] == ISSUER
    assert all(value.startswith("https://") for name, value in said.items() if name.endswith(("_endpoint", "_uri")))
    assert "RS256" in said["id_token_signing_alg_values_supported"]
    assert "none" not in said["id_token_signing_alg_values_supported"]
    assert set(SUPPORTED) <= set(said["claims_supported"])
    assert run.plan.auth_method in said["token_endpoint_auth_methods_supported"]
    assert run.plan.response_mode in said["response_modes_supported"]
    # The second is true where it is not said.
    assert said["request_parameter_supported"] is False
    assert said["request_uri_parameter_supported"] is False


async def test_the_key_set_has_public_keys_with_distinct_ids(run: CertificationRun) -> None:
    keys = (await run.browser.http.get("/.well-known/jwks.json")).json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) >= 2
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert not [key for key in keys if {"d", "p", "q", "k"} & set(key)]
