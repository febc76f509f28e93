"""Each kind of proxy gets the answer it understands, and nothing passes that was not proven."""

import pytest

from ostiary import Rate, RateLimiter, RateLimits
from ostiary.gateway.proxies import TrustedProxies
from ostiary.testing import FakeIssuer, make_key
from tests.gateway.asking import Asker
from tests.gateway.conftest import MakeGateway

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"


def told_to(asker: Asker, status: int) -> int:
    """nginx knows 200, 401 and 403 alone."""
    return 403 if asker.dialect == "auth-request" and status not in (200, 401, 403) else status


async def test_a_good_token_passes_with_its_identity_and_goes_on_to_the_service(asker: Asker, fake: FakeIssuer) -> None:
    token = fake.mint({"sub": "usr_7", "scope": "orders:read", "roles": ["clerk"], "risk": 3})
    for _ in range(2):  # the second time from memory
        said = await asker.ask("GET", "/api/orders/17?x=1", token=token)
        assert said.told == 200
        assert said.headers["x-user-id"] == "usr_7"
        assert said.headers["x-user-roles"] == "clerk"
        assert said.headers["x-scopes"] == "orders:read"
        assert said.headers["x-risk"] == "3"
        assert said.headers["x-ostiary-route"] == "orders.read"
        assert said.headers["authorization"] == f"Bearer {token}"
        assert said.headers["cache-control"] == "no-store"


async def test_spoofed_identity_headers_are_replaced_on_every_answer(asker: Asker, fake: FakeIssuer) -> None:
    """S34, S42"""
    spoofed = [("x-user-id", "root"), ("x-user-roles", "admin"), ("txn-token", "x.y.z"), ("x-ostiary-route", "admin")]
    said = await asker.ask("GET", "/api/orders", *spoofed, token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.headers["x-user-id"], said.headers["x-user-roles"]) == (200, "usr_test", "")
    assert (said.headers["txn-token"], said.headers["x-ostiary-route"]) == ("", "orders.read")
    for method, path, token in (
        ("GET", "/api/auth/keys", None),
        ("GET", "/api/orders/health", None),
        ("GET", "/api/orders", None),
        ("GET", "/api/orders", "garbage"),
        ("GET", "/nowhere", None),
    ):
        said = await asker.ask(method, path, *spoofed, token=token)
        assert said.headers["x-user-id"] == said.headers["x-user-roles"] == said.headers["txn-token"] == ""


async def test_identity_headers_with_underscores_are_refused(asker: Asker, fake: FakeIssuer) -> None:
    """S42"""
    said = await asker.ask("GET", "/api/orders", ("x_user_id", "root"), token=fake.mint({"scope": "orders:read"}))
    assert (said.status, said.body["error"]) == (400, "ambiguous_request")
    assert "x_user_id" in str(said.body["error_description"])
    assert said.told == told_to(asker, 400)


@pytest.mark.parametrize(
    "uri",
    [
        "/api/orders/../payments",
        "/api/orders/%2e%2e/payments",
        "/api%2fpayments",
        "/api/orders%2f..%2fpayments",
        "/api//payments",
        "//api/payments",
        "/api/open/..;/payments",
        "/api/orders%00",
        "/api/%252e%252e/payments",
        "/API/payments",
        "/api/open?a\x01",
    ],
)
async def test_a_path_with_two_readings_is_refused_before_any_route(asker: Asker, fake: FakeIssuer, uri: str) -> None:
    """S42"""
    said = await asker.ask("GET", uri, token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.status) == (told_to(asker, 400), 400)
    assert said.body["error"] == "ambiguous_request"


async def test_who_brings_no_token_or_a_bad_one_is_asked_for_one(asker: Asker, fake: FakeIssuer) -> None:
    """RFC 6750 §3"""
    said = await asker.ask("GET", "/api/orders")
    assert (said.told, said.headers["www-authenticate"]) == (401, 'Bearer realm="gateway"')
    forged = fake.mint({"scope": "orders:read"}, key=make_key("ES256"))
    said = await asker.ask("GET", "/api/orders", token=forged)
    assert said.told == 401
    assert 'error="invalid_token"' in said.headers["www-authenticate"]
    assert said.headers["authorization"] == ""
    expired = fake.mint({"scope": "orders:read"}, ttl_s=-60)
    assert (await asker.ask("GET", "/api/orders", token=expired)).told == 401
    neighbours = fake.mint({"scope": "orders:read", "aud": "https://other.test"})
    assert (await asker.ask("GET", "/api/orders", token=neighbours)).told == 401


async def test_two_tokens_are_one_too_many(asker: Asker, fake: FakeIssuer) -> None:
    token = fake.mint({"scope": "orders:read"})
    for path in ("/api/orders", "/api/auth/x"):
        said = await asker.ask("GET", path, ("authorization", f"Bearer {token}"), token=token)
        assert (said.told, said.status, said.body["error"]) == (told_to(asker, 400), 400, "invalid_request")


async def test_a_missing_scope_is_named(asker: Asker, fake: FakeIssuer) -> None:
    """RFC 6750 §3.1"""
    said = await asker.ask("POST", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert said.told == 403
    assert 'error="insufficient_scope"' in said.headers["www-authenticate"]
    assert 'scope="orders:write"' in said.headers["www-authenticate"]


async def test_a_weak_sign_in_is_told_which_would_do(asker: Asker, fake: FakeIssuer) -> None:
    """RFC 9470 §3. S28"""
    weak = fake.mint({"scope": "payments:write", "acr": "urn:ostiary:aal1", "auth_time": int(fake.clock())})
    said = await asker.ask("POST", "/api/payments", token=weak)
    assert said.told == 401
    assert 'error="insufficient_user_authentication"' in said.headers["www-authenticate"]
    assert 'acr_values="urn:ostiary:aal2", max_age="300"' in said.headers["www-authenticate"]
    strong = fake.mint({"scope": "payments:write", "acr": "phr", "auth_time": int(fake.clock())})
    assert (await asker.ask("POST", "/api/payments", token=strong)).told == 200
    old = fake.mint({"scope": "payments:write", "acr": "phr", "auth_time": int(fake.clock()) - 3600})
    assert (await asker.ask("POST", "/api/payments", token=old)).told == 401


async def test_what_has_no_route_or_no_such_method_is_refused(asker: Asker, fake: FakeIssuer) -> None:
    """Default deny. S41"""
    token = fake.mint({"scope": "orders:read"})
    said = await asker.ask("GET", "/api/admin", token=token)
    assert (said.told, said.status, said.body["error"]) == (told_to(asker, 404), 404, "no_route")
    said = await asker.ask("DELETE", "/api/orders", token=token)
    assert (said.told, said.status) == (told_to(asker, 405), 405)
    assert said.headers["allow"] == "GET, HEAD, POST"


async def test_trouble_of_our_own_is_never_a_401(asker: Asker, fake: FakeIssuer) -> None:
    """The issuer's keys cannot be had. F, I6"""
    fake.go_down()
    said = await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.status) == (told_to(asker, 503), 503)
    assert int(said.headers["retry-after"]) >= 1
    assert "www-authenticate" not in said.headers


async def test_health_public_and_preflight_pass_without_a_token_and_without_an_identity(
    asker: Asker, fake: FakeIssuer
) -> None:
    token = fake.mint({"scope": "orders:read"})
    asked = [("origin", APP), ("access-control-request-method", "POST")]
    for method, path, more in (("GET", "/api/orders/health", []), ("OPTIONS", "/api/orders", asked)):
        said = await asker.ask(method, path, *more, token=token)
        assert (said.told, said.headers["x-user-id"], said.headers["authorization"]) == (200, "", "")
    said = await asker.ask("GET", "/api/auth/userinfo", token=token)
    assert (said.told, said.headers["x-user-id"]) == (200, "")
    assert said.headers["authorization"] == f"Bearer {token}"
    said = await asker.ask("OPTIONS", "/api/orders", ("origin", "https://evil.test"), asked[1])
    assert (said.told, said.body["error"]) == (403, "origin_refused")


async def test_an_upgrade_to_anything_but_a_websocket_is_refused(asker: Asker, fake: FakeIssuer) -> None:
    """S42"""
    said = await asker.ask("GET", "/api/orders", ("upgrade", "h2c"), token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.status) == (told_to(asker, 400), 400)


async def test_a_header_that_says_another_method_changes_nothing(asker: Asker, fake: FakeIssuer) -> None:
    """S42"""
    token = fake.mint({"scope": "orders:read"})
    said = await asker.ask("GET", "/api/orders", ("x-http-method-override", "POST"), token=token)
    assert (said.told, said.headers["x-ostiary-route"]) == (200, "orders.read")
    if asker.dialect == "ext-authz":
        assert "x-http-method-override" in said.headers["x-envoy-auth-headers-to-remove"]


async def test_only_trusted_proxies_are_answered(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    """S34"""
    gateway = make_gateway(trusted_proxies=TrustedProxies(["10.0.0.0/8"]))
    token = fake.mint({"scope": "orders:read"})
    for peer in ("10.0.0.9", None):
        assert (await Asker(gateway, peer=peer).ask("GET", "/api/orders", token=token)).told == 200
    for peer in ("127.0.0.1", "garbage"):
        said = await Asker(gateway, peer=peer).ask("GET", "/api/orders", token=token)
        assert (said.told, said.body["error"]) == (403, "unknown_proxy")


async def test_a_proxy_that_leaves_something_out_is_told_so(make_gateway: MakeGateway) -> None:
    said = await Asker(make_gateway()).send("GET", b"/forward-auth", [(b"x-forwarded-uri", b"/api/auth")])
    assert (said.told, said.body["error"]) == (503, "temporarily_unavailable")
    assert "X-Forwarded-Method" in str(said.body["error_description"])


@pytest.mark.parametrize("path", [b"/", b"/ext-authz", b"/forward-auth/x", b"/auth-requestx", b"/ext-authzz/api"])
async def test_there_is_nothing_at_other_paths(make_gateway: MakeGateway, path: bytes) -> None:
    said = await Asker(make_gateway()).send("GET", path, [])
    assert (said.told, said.body["error"]) == (404, "not_found")


async def test_a_request_id_is_kept_where_it_is_a_plain_one(make_gateway: MakeGateway) -> None:
    asker = Asker(make_gateway())
    said = await asker.ask("GET", "/api/orders", ("x-request-id", "req-1.2_3"))
    assert said.headers["x-request-id"] == said.body["request_id"] == "req-1.2_3"
    for wrong in ("a b", "x" * 65, "\xff", 'a"b'):
        made = (await asker.ask("GET", "/api/orders", ("x-request-id", wrong))).headers["x-request-id"]
        assert len(made) == 32


async def test_who_asks_too_often_is_slowed_down_alone(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    gateway = make_gateway(limiter=RateLimiter(RateLimits(person=Rate(2, 900))))
    for dialect in ("forward-auth", "auth-request"):
        asker = Asker(gateway, dialect)
        token = fake.mint({"sub": f"usr_{dialect}", "scope": "orders:read"})
        first = [await asker.ask("GET", "/api/orders", token=token) for _ in range(2)]
        assert [said.told for said in first] == [200, 200]
        assert first[0].headers["ratelimit"].startswith('"person";r=1')
        said = await asker.ask("GET", "/api/orders", token=token)
        assert (said.told, said.status) == (told_to(asker, 429), 429)
        assert int(said.headers["retry-after"]) > 0
        other = fake.mint({"sub": f"usr_other_{dialect}", "scope": "orders:read"})
        assert (await asker.ask("GET", "/api/orders", token=other)).told == 200


async def test_all_together_have_a_limit_that_public_paths_fall_under_and_health_does_not(
    make_gateway: MakeGateway,
) -> None:
    asker = Asker(make_gateway(limiter=RateLimiter(RateLimits(everyone=Rate(1, 900)))))
    assert (await asker.ask("GET", "/api/auth/x")).told == 200
    said = await asker.ask("GET", "/api/auth/x")
    assert said.told == 429
    assert said.body["violated-policies"] == ["everyone"]
    assert (await asker.ask("GET", "/api/orders/health")).told == 200


async def test_what_is_remembered_of_a_request_opens_nothing_for_another(asker: Asker, fake: FakeIssuer) -> None:
    """The place of a path is remembered; tokens, upgrades and doubled headers are judged each time. S42"""
    token = fake.mint({"scope": "orders:read"})
    for _ in range(2):
        assert (await asker.ask("GET", "/api/orders", token=token)).told == 200
        assert (await asker.ask("GET", "/api/orders")).told == 401
        assert (await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "x"}))).status == 403
        assert (await asker.ask("GET", "/api/orders", ("upgrade", "h2c"), token=token)).status == 400
        assert (await asker.ask("POST", "/api/orders", token=token)).status == 403
        doubled = [("x-original-uri", "/api/auth"), ("x-forwarded-uri", "/api/auth"), ("host", "internal")]
        kind = {"forward-auth": 1, "auth-request": 0, "ext-authz": 2}[asker.dialect]
        assert (await asker.ask("GET", "/api/orders", doubled[kind], token=token)).status == 400
        assert (await asker.ask("GET", "/api/auth", ("x-request-id", "a"), ("x-request-id", "b"))).told == 200
