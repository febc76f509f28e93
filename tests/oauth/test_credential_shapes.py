"""A credential is exactly its text: cut, padded, re-cased or decorated it is another one, and refused (S16)."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.secret_values import CLIENT_SECRET, CODE, COOKIE, LINK, find_digest, new_secret
from identity.tokens import parse_refresh_token, refresh_token
from tests.oauth.refusals import check_refused
from tests.world import CreatedClient, World

SPACES = (" ", "\t", "\n", "\r\n", "\x0b", "\x00", "\u00a0", "\u2028", "\ufeff", "=", "==", ".", "%20", "+")
PREFIXES = (CODE, CLIENT_SECRET, LINK, COOKIE)


def bent(text: str) -> set[str]:
    """Everything that looks like `text` and is not."""
    made = {text[:-1], text[1:], text + text[-1], text.upper(), text.lower(), text.swapcase(), text * 2, ""}
    made |= {decorated for mark in SPACES for decorated in (text + mark, mark + text, text[:20] + mark + text[20:])}
    # Base64 leaves bits of the last character unused: another character may stand for the same bytes.
    made |= {text[:-1] + last for last in "AQgwBRhxEIMU048cabcdefz_-"}
    return made - {text}


@st.composite
def changes(draw: st.DrawFn, text: str) -> str:
    """The text with a piece cut out, put in, or exchanged somewhere."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 4)))
    return text[:start] + draw(st.text(max_size=3)) + text[end:]


SECRETS = {prefix: new_secret(prefix) for prefix in PREFIXES}
REFRESH_TOKEN = refresh_token(b"k" * 32, b"g" * 16, 7)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_bent_secret_has_the_digest_of_the_right_one(prefix: str) -> None:
    """S16"""
    right = SECRETS[prefix]
    assert find_digest(prefix, right) is not None
    assert not [text for text in bent(right) if find_digest(prefix, text) == find_digest(prefix, right)]


@pytest.mark.parametrize("prefix", PREFIXES)
@given(data=st.data())
def test_no_changed_secret_has_the_digest_of_the_right_one(prefix: str, data: st.DataObject) -> None:
    """S16"""
    changed = data.draw(changes(SECRETS[prefix]))
    same = find_digest(prefix, changed) == find_digest(prefix, SECRETS[prefix])
    assert same == (changed == SECRETS[prefix])


@given(changes(REFRESH_TOKEN))
def test_no_changed_refresh_token_is_genuine(changed: str) -> None:
    """S16"""
    token = parse_refresh_token(changed)
    genuine = token is not None and token.is_genuine(b"k" * 32)
    assert genuine == (changed == REFRESH_TOKEN)


@given(st.text(max_size=120) | st.binary(max_size=60).map(lambda raw: "ort_" + raw.hex()))
def test_any_text_at_all_can_be_read_as_a_refresh_token_or_not(text: str) -> None:
    """S16: the parser answers, and never fails."""
    token = parse_refresh_token(text)
    assert token is None or refresh_token(b"k" * 32, token.grant_id, token.number)[:30] == text[:30]


async def good_values(world: World, client: CreatedClient) -> Mapping[str, str]:
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        tokens = (await world.redeem(client, await world.authorize(browser, client))).json()
        fresh = await world.authorize(browser, client)
    return {**tokens, "code": fresh.params["code"], "client_secret": client.secret or ""}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_no_bent_token_is_active(world: World, kind: str) -> None:
    """S16"""
    client = await world.client()
    right = (await good_values(world, client))[kind]
    assert (await world.introspect(client, right))["active"] is True
    for text in sorted(bent(right) - {""}):
        assert await world.introspect(client, text) == {"active": False}, text


@pytest.mark.anyio
async def test_no_bent_access_token_opens_userinfo(world: World) -> None:
    """S16"""
    client = await world.client()
    right = (await good_values(world, client))["access_token"]
    async with world.browser() as caller:
        for text in sorted(bent(right)):
            response = await caller.post("/oauth/userinfo", data={"access_token": text})
            assert response.status_code == 401, text
        assert (await caller.post("/oauth/userinfo", data={"access_token": right})).status_code == 200


@pytest.mark.anyio
async def test_no_bent_code_refresh_token_or_client_secret_is_taken(world: World) -> None:
    """S16"""
    client = await world.client(auth_method="client_secret_post")
    values = await good_values(world, client)
    for text in sorted(bent(values["code"]) - {""}):
        form = {"redirect_uri": "https://app.example.com/callback", "code_verifier": "v" * 43}
        refused = await world.token(client, grant_type="authorization_code", code=text, **form)
        check_refused(refused, "invalid_grant", "the authorization code is not valid")
    for text in sorted(bent(values["refresh_token"]) - {""}):
        check_refused(await world.refresh(client, text), "invalid_grant", "the refresh token is not valid")
    for number, text in enumerate(sorted(bent(values["client_secret"]) - {""})):
        refused = await world.token(CreatedClient(client.client, text), grant_type="client_credentials")
        check_refused(refused, "invalid_client", "", status=401 if number < 10 else 429)
    assert (await world.refresh(client, values["refresh_token"])).status_code == 200


@pytest.mark.anyio
async def test_no_bent_id_token_is_a_hint(world: World) -> None:
    """S16"""
    client = await world.client()
    right = (await good_values(world, client))["id_token"]
    async with world.browser() as browser:
        for text in sorted(bent(right) - {""}):
            response = await browser.get("/oauth/logout", params={"id_token_hint": text})
            assert response.status_code == 400, text
        assert (await browser.get("/oauth/logout", params={"id_token_hint": right})).status_code == 200
