"""What a certification module works with: registered clients, a simple browser, and an independent reader of JWTs."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
import jwt

from identity.person_values import Person
from tests.databases import DatabaseKind
from tests.forms_browser import FormsBrowser, Page
from tests.world import CALLBACK, ISSUER, PASSWORD, Answer, CreatedClient, World

ALL_SCOPES = "openid profile email address phone offline_access"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's variant: how clients authenticate, how answers come back, and which database it runs on here."""

    auth_method: str
    response_mode: str
    database: DatabaseKind

    def __str__(self) -> str:
        return f"{self.auth_method}, {self.response_mode}, {self.database}"


PLANS = (
    Plan("client_secret_basic", "query", "sqlite"),
    Plan("client_secret_post", "query", "postgresql"),
    Plan("client_secret_basic", "form_post", "postgresql"),
)


@dataclass(frozen=True, slots=True)
class CertificationRun:
    """One module's run; `client` is the one that is tested, `second` the suite's other one."""

    world: World
    plan: Plan
    client: CreatedClient
    second: CreatedClient
    person: Person
    browser: FormsBrowser

    def url(self, client: CreatedClient | None = None, **params: str | None) -> str:
        """An authorization request as the suite sends it: without PKCE, in the plan's response mode."""
        asked: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
        if self.plan.response_mode != "query":
            asked["response_mode"] = self.plan.response_mode
        return self.world.authorize_url(client or self.client, **{**asked, **params})

    async def ask(self, client: CreatedClient | None = None, **params: str | None) -> Page:
        """Where the browser comes to by a request alone."""
        return await self.arrive(await self.browser.open(self.url(client, **params)))

    async def arrive(self, page: Page) -> Page:
        """Goes on from the page of a form_post answer to the application, as its script or button would."""
        for form in page.forms:
            if form.action == CALLBACK:
                assert "form-action" not in page.response.headers["content-security-policy"]
                return await self.browser.submit(page, form)
        return page

    async def pass_pages(self, page: Page, *, username: str = "ada") -> Page:
        """Signs in and allows, as often as pages ask for it."""
        for _ in range(3):
            fields = {name for form in page.forms for name in (*form.fields, *dict(form.buttons))}
            if "password" in fields:
                page = await self.browser.sign_in(page, username, PASSWORD)
            elif "decision" in fields:
                page = await self.browser.consent(page)
            else:
                break
        return await self.arrive(page)

    async def authorize(self, client: CreatedClient | None = None, **params: str | None) -> Page:
        """The authorization response at the application, after whatever pages came between."""
        page = await self.pass_pages(await self.ask(client, **params))
        assert page.url.startswith(CALLBACK), page.text
        assert page.params["iss"] == ISSUER
        return page

    async def redeem(self, page: Page, client: CreatedClient | None = None, **form: str) -> httpx2.Response:
        """The token endpoint's answer to the code of a response."""
        answer = Answer(page.response, page.url, page.params)
        return await self.world.redeem(client or self.client, answer, **{"code_verifier": "", **form})

    async def tokens(self, client: CreatedClient | None = None, **params: str | None) -> dict[str, str]:
        """The tokens of a whole sign-in."""
        response = await self.redeem(await self.authorize(client, **params), client)
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        tokens: dict[str, str] = response.json()
        return tokens

    async def read_id_token(self, token: str) -> Mapping[str, object]:
        """The claims of an ID token whose signature an independent library verified against the published keys."""
        keys = jwt.PyJWKSet.from_dict((await self.browser.http.get("/.well-known/jwks.json")).json())
        header = jwt.get_unverified_header(token)
        # The deployment's clock may have been moved, so times are compared by the modules themselves.
        claims: Mapping[str, object] = jwt.decode(
            token, keys[header["kid"]], algorithms=["RS256"], audience=self.client.client.client_id, issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "exp", "iat"]},
        )  # fmt: skip
        return claims


async def begin_run(world: World, http: httpx2.AsyncClient, plan: Plan) -> CertificationRun:
    """Registers two clients and a person."""
    registered = {"auth_method": plan.auth_method, "first_party": False, "require_pkce": False}
    client, second = await world.client(**registered), await world.client(**registered, name="Second")
    return CertificationRun(world, plan, client, second, await world.person(), FormsBrowser(http, ISSUER))
