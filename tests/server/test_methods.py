"""Methods that no route takes: 405 with every method that the path does take, as a page or as JSON."""

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/", "GET, HEAD"),
        ("/signin", "GET, HEAD, POST"),
        ("/consent", "GET, HEAD, POST"),
        ("/setup/some-token", "GET, HEAD, POST"),
        ("/oauth/authorize", "GET, HEAD, POST"),
    ],
)
async def test_a_method_that_a_page_does_not_take_is_refused_with_those_that_it_takes(
    world: World, path: str, allow: str
) -> None:
    async with world.browser() as browser:
        page = await browser.put(path, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["allow"]) == (405, allow)
        assert "This address does not take this kind of request." in page.text
        assert page.headers["content-type"].startswith("text/html")
    (route,) = {route for route, method, _ in world.app.metrics.requests if method == "PUT"}
    assert route == path.replace("some-token", "{token}")


async def test_a_program_is_told_in_json(world: World) -> None:
    async with world.browser() as browser:
        refused = await browser.delete("/signin")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert refused.json()["error"] == "invalid_request"
    assert refused.json()["error_description"] == "This address does not take this kind of request."
