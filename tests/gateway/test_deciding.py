"""What is handed in (policies, tokens for services, sessions) decides, and fails closed when it fails (S41, I6)."""

import logging

import pytest

from ostiary import AccessToken, ConfigurationError, KeysUnavailable, Verifier
from ostiary.errors import ExchangeRefused
from ostiary.gateway.answers import GatewayAnswer
from ostiary.gateway.application import Gateway
from ostiary.gateway.asked import Asked, Decide, FoundSession
from ostiary.gateway.routes import Route
from ostiary.gateway.routes_file import parse_routes
from ostiary.policy.values import Answer, EntityRef, Obligation, Question
from ostiary.testing import FakeIssuer
from tests.gateway.asking import ROUTES_WITH_AUDIENCE, Asker
from tests.gateway.conftest import MakeGateway

pytestmark = pytest.mark.anyio


def answer(effect: str = "allow", *, error: str | None = None, **told: tuple[object, ...]) -> Answer:
    return Answer(
        effect=effect,  # type: ignore[arg-type]
        policies=("p",),
        reasons=(),
        advice=told.get("advice", ()),  # type: ignore[arg-type]
        obligations=told.get("obligations", ()),  # type: ignore[arg-type]
        demands=(),
        revision=1,
        keep_s=60,
        error=error,
        reads=frozenset(),
    )


def deciding(said: Answer, asked: list[Question] | None = None) -> Decide:
    async def decide(question: Question) -> Answer:
        if asked is not None:
            asked.append(question)
        return said

    return decide


async def test_the_question_tells_who_calls_what_and_how(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    asked: list[Question] = []
    now = int(fake.clock())
    token = fake.mint(
        {
            "sub": "usr_7", "scope": "orders:read", "roles": ["clerk"], "groups": ["acme/sales"], "risk": 61,
            "acr": "phr", "amr": ["swk", "user", "mfa"], "auth_time": now - 100, "act": {"sub": "cli_reporting"},
        }
    )  # fmt: skip
    asker = Asker(make_gateway(decide=deciding(answer(), asked)))
    said = await asker.ask("GET", "/api/orders/%617?x=1", ("x-forwarded-for", "203.0.113.5"), token=token)
    assert said.told == 200
    [question] = asked
    assert question.action == "call"
    assert question.subject.ref == EntityRef("Ostiary::Person", "usr_7")
    assert question.subject.parents == (EntityRef("Ostiary::Role", "clerk"), EntityRef("Ostiary::Group", "acme/sales"))
    assert question.resource.ref == EntityRef("Ostiary::Route", "orders.read")
    assert question.resource.attributes == {
        "service": "order-processing",
        "scope": "orders:read",
        "is_sensitive": False,
    }
    context = dict(question.context)
    assert (context["method"], context["host"], context["path"]) == ("GET", "api.example.com", "/api/orders/a7")
    assert (context["client"], context["scopes"], context["address"]) == ("cli_test", ["orders:read"], "203.0.113.5")
    assert context["risk"] == {"score": 61, "level": "high", "reasons": []}
    assert context["caller"] == EntityRef("Ostiary::Service", "cli_reporting")
    authentication = context["authentication"]
    assert isinstance(authentication, dict)
    assert authentication["classes"] == ["urn:ostiary:aal1", "urn:ostiary:aal2", "phr"]
    assert authentication["methods"] == ["passkey"]
    assert 100 <= authentication["age_s"] <= 110


async def test_a_service_in_its_own_name_is_a_service(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    asked: list[Question] = []
    token = fake.mint({"sub": "cli_9", "client_id": "cli_9", "scope": "orders:read"})
    await Asker(make_gateway(decide=deciding(answer(), asked))).ask("GET", "/api/orders", token=token)
    assert asked[0].subject.ref == EntityRef("Ostiary::Service", "cli_9")
    assert "authentication" not in asked[0].context
    assert "risk" not in asked[0].context


async def test_a_deny_is_a_403_with_the_words_for_the_person(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    denying = deciding(answer("deny", advice=("The freeze ends at 9.",)))
    said = await Asker(make_gateway(decide=denying)).ask(
        "GET", "/api/orders", token=fake.mint({"scope": "orders:read"})
    )
    assert (said.told, said.body["error"]) == (403, "access_denied")
    assert said.body["error_description"] == "The freeze ends at 9."
    assert said.headers["x-user-id"] == said.headers["authorization"] == ""


async def test_where_a_step_up_would_help_the_answer_says_which(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    """RFC 9470 §3"""
    step_up = deciding(answer("deny", obligations=(Obligation("step_up", "phr", 900),)))
    asker = Asker(make_gateway(decide=step_up))
    said = await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert said.told == 401
    assert 'acr_values="phr", max_age="900"' in said.headers["www-authenticate"]
    service = fake.mint({"sub": "cli_9", "client_id": "cli_9", "scope": "orders:read"})
    assert (await asker.ask("GET", "/api/orders", token=service)).told == 403


async def test_a_decision_in_error_is_no_allow(
    make_gateway: MakeGateway, fake: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """S41"""
    asker = Asker(make_gateway(decide=deciding(answer("allow", error="policy p failed"))))
    with caplog.at_level(logging.ERROR, logger="ostiary"):
        said = await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.body["error"]) == (403, "access_denied")
    assert "policy p failed" in caplog.text
    assert "policy p" not in str(said.body)


@pytest.mark.parametrize(
    "trouble", [KeysUnavailable(retry_after_s=3, reason="x"), RuntimeError("secret"), TimeoutError()]
)
async def test_policies_that_cannot_be_asked_let_nothing_pass(
    make_gateway: MakeGateway, fake: FakeIssuer, trouble: Exception
) -> None:
    """I6"""

    async def decide(question: Question) -> Answer:
        raise trouble

    said = await Asker(make_gateway(decide=decide)).ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.body["error"]) == (503, "temporarily_unavailable")
    assert "secret" not in str(said.body)
    assert int(said.headers["retry-after"]) >= 1


async def test_policies_are_not_asked_about_what_route_and_scope_refuse(
    make_gateway: MakeGateway, fake: FakeIssuer
) -> None:
    asked: list[Question] = []
    asker = Asker(make_gateway(decide=deciding(answer(), asked)))
    assert (await asker.ask("POST", "/api/orders", token=fake.mint({"scope": "orders:read"}))).told == 403
    assert (await asker.ask("GET", "/api/orders")).told == 401
    assert asked == []


async def test_the_services_token_takes_the_place_of_the_callers(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    told: list[tuple[str, str, str]] = []

    async def internal_token(token: AccessToken, raw: str, route: Route) -> str:
        told.append((token.sub, raw, str(route.audience)))
        return "in.ter.nal"

    token = fake.mint({"scope": "orders:read"})
    asker = Asker(make_gateway(internal_token=internal_token))
    said = await asker.ask("GET", "/api/orders", token=token)
    assert (said.headers["txn-token"], said.headers["authorization"]) == ("in.ter.nal", "")
    assert told == [("usr_test", token, "https://orders.example.com")]
    other = fake.mint({"scope": "orders:write"})
    said = await asker.ask("POST", "/api/orders", token=other)
    assert (said.headers["txn-token"], said.headers["authorization"]) == ("", f"Bearer {other}")


async def test_a_caller_whose_token_is_not_exchanged_is_refused(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    async def internal_token(token: AccessToken, raw: str, route: Route) -> str:
        raise ExchangeRefused("access_denied")

    asker = Asker(make_gateway(internal_token=internal_token))
    said = await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.body["error"], said.headers["authorization"]) == (403, "access_denied", "")


def test_a_route_with_an_audience_needs_somebody_who_gives_tokens_for_it(fake: FakeIssuer) -> None:
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport())
    with pytest.raises(ConfigurationError, match=r"routes with an audience need internal_token: orders\.read"):
        Gateway(verifier, parse_routes(ROUTES_WITH_AUDIENCE))


@pytest.mark.parametrize("trouble", [KeysUnavailable(retry_after_s=3, reason="x"), RuntimeError("secret"), None])
async def test_without_the_services_token_nothing_goes_on(
    make_gateway: MakeGateway, fake: FakeIssuer, trouble: Exception | None
) -> None:
    """I6"""

    async def internal_token(token: AccessToken, raw: str, route: Route) -> str:
        if trouble is not None:
            raise trouble
        return ""

    asker = Asker(make_gateway(internal_token=internal_token))
    said = await asker.ask("GET", "/api/orders", token=fake.mint({"scope": "orders:read"}))
    assert (said.told, said.headers["txn-token"]) == (503, "")
    assert "secret" not in str(said.body)


async def test_a_browser_without_a_token_may_have_a_session(make_gateway: MakeGateway, fake: FakeIssuer) -> None:
    raw = fake.mint({"sub": "usr_browser", "scope": "orders:read"})
    proven = await Verifier(fake.issuer, fake.audience, transport=fake.transport()).verify(raw)

    async def find_session(asked: Asked) -> FoundSession | GatewayAnswer | None:
        cookie = asked.headers.find(b"cookie")
        if cookie == "expired":
            return GatewayAnswer(302, [(b"location", b"https://id.example.com/")])
        return FoundSession(proven, raw, ((b"set-cookie", b"a=b"),)) if cookie == "good" else None

    gateway = make_gateway(find_session=find_session)
    asker = Asker(gateway)
    said = await asker.ask("GET", "/api/orders", ("cookie", "good"))
    assert (said.told, said.headers["x-user-id"], said.headers["set-cookie"]) == (200, "usr_browser", "a=b")
    assert said.headers["authorization"] == f"Bearer {raw}"
    assert (await asker.ask("POST", "/api/orders", ("cookie", "good"))).told == 403
    assert (await asker.ask("GET", "/api/orders")).told == 401
    assert (await asker.ask("GET", "/api/orders", ("cookie", "good"), token="bad")).told == 401
    said = await asker.ask("GET", "/api/orders", ("cookie", "expired"))
    assert (said.told, said.headers["location"], said.headers["x-user-id"]) == (302, "https://id.example.com/", "")
