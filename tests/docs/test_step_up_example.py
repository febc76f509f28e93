"""The document's refund: an API that wants two factors, and an application that sends the person to get them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.docs.test_integrate import Deployment, answer_signin, deployment, follow, running, uvicorn
from tests.identity.forms import hidden_fields
from tests.services import free_port

__all__ = ["deployment"]


def totp(key: str, at: float) -> str:
    """The code of an authenticator app (RFC 6238, its defaults), computed here."""
    secret = base64.b32decode(key + "=" * (-len(key) % 8))
    mac = hmac.digest(secret, struct.pack(">Q", int(at) // 30), hashlib.sha1)
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture
def application(deployment: Deployment) -> Iterator[str]:
    """The address of the application with the refund; its API runs, too."""
    app_port, api_port = free_port(), free_port()
    client = deployment.clients["Order desk"]
    address = f"http://localhost:{app_port}"
    environ = {
        **deployment.environ,
        "ORDERS_URL": f"http://localhost:{api_port}/orders",
        "APP": address,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
    }
    with (
        running(uvicorn("refund_api:app", api_port), deployment.folder, environ, api_port),
        running(uvicorn("refund_app:app", app_port), deployment.folder, environ, app_port),
    ):
        yield address


def add_app(browser: httpx2.Client, issuer: str) -> httpx2.Response:
    """Adds an authenticator app on the way of a sign-in that wants one; the page or redirect that comes then."""
    page = browser.get(f"{issuer}/enrol/totp")
    found = re.search(r'<code class="factor-secret">([A-Z2-7 ]+)</code>', page.text)
    assert found is not None, page.text
    code = totp(found[1].replace(" ", ""), time.time())
    form = {**hidden_fields(page), "code": code, "label": "Phone"}
    return browser.post(f"{issuer}/enrol/totp", data=form, headers={"origin": issuer})


def test_a_refund_sends_the_person_for_a_second_factor_and_then_succeeds(
    deployment: Deployment, application: str
) -> None:
    """S28, RFC 9470"""
    issuer = deployment.issuer
    with httpx2.Client(verify=deployment.tls, trust_env=False) as browser:
        page = answer_signin(browser, follow(browser, browser.get(application + "/sign-in")), issuer)
        if page.url.path == "/consent":
            form = {**hidden_fields(page), "decision": "allow"}
            page = follow(browser, browser.post(f"{issuer}/consent", data=form, headers={"origin": issuer}))
        assert page.text == "Hello Ada Byron"
        asked = browser.post(application + "/refund")
        sent_to = httpx2.URL(asked.headers["location"])
        assert (sent_to.path, sent_to.params["acr_values"]) == ("/oauth/authorize", "urn:ostiary:aal2")
        assert sent_to.params["max_age"] == "900"
        page = follow(browser, asked)
        assert page.url.path.startswith("/enrol"), page.url
        shown = add_app(browser, issuer)
        assert shown.status_code == 200, shown.text
        assert follow(browser, browser.get(f"{issuer}/signin")).text == "Hello Ada Byron"
        refunded = browser.post(application + "/refund")
        assert refunded.status_code == 200, refunded.text
        assert refunded.json()["refunded"] == "A-1"
