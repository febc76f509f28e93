"""What a CDN before the server may keep, how long, and what never: told by headers, for every documented address."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from identity.settings import IdentitySettings
from server.settings import load_settings
from tests.databases import Databases
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

ENDPOINTS = Path(__file__).resolve().parents[2] / "docs" / "endpoints.md"
# What may be kept, for how many seconds.
KEPT_S = {
    "/.well-known/openid-configuration": 300,
    "/.well-known/oauth-authorization-server": 300,
    "/.well-known/authzen-configuration": 300,
    "/.well-known/jwks.json": 600,
}
MESH_REFRESH = timedelta(minutes=20)


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    with databases.sqlite(tmp_path) as url:
        async with open_world(url, tmp_path) as opened:
            yield opened


def documented() -> list[str]:
    """Every address that answers GET, with something in the place of its parameters."""
    rows = re.findall(r"^\| ([A-Za-z, ]+) \| `(/[^`]*)` \|", ENDPOINTS.read_text(), re.MULTILINE)
    return [re.sub(r"\{[^}]*\}", "x", path) for methods, path in rows if "GET" in methods]


@pytest.mark.parametrize(("path", "seconds"), KEPT_S.items())
async def test_documents_and_keys_may_be_kept_and_are_asked_for_again_by_their_tag(
    world: World, path: str, seconds: int
) -> None:
    async with world.browser() as caller:
        kept = await caller.get(path)
        assert kept.headers["cache-control"] == f"public, max-age={seconds}"
        assert kept.headers["etag"]
        assert "set-cookie" not in kept.headers
        again = await caller.get(path, headers={"if-none-match": kept.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, f"public, max-age={seconds}")


async def test_assets_may_be_kept_for_ever_because_their_names_change_with_them(world: World) -> None:
    async with world.browser() as caller:
        page = await caller.get("/signin")
        names = re.findall(r'"(/static/[a-z0-9.-]+)"', page.text)
        assert names
        for name in names:
            asset = await caller.get(name)
            assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert "set-cookie" not in asset.headers
            assert re.search(r"-[0-9a-f]{8,}\.", name)


async def test_nothing_else_may_be_kept_anywhere_signed_in_or_not(world: World) -> None:
    """Whatever an edge stored of these, it would show to somebody else. S46"""
    person = await world.person()
    paths = [path for path in documented() if path not in KEPT_S and not path.startswith(("/health", "/metrics"))]
    assert len(paths) > 40
    async with world.browser() as stranger, world.browser() as known:
        await world.sign_in(known, person)
        for caller in (stranger, known):
            for path in paths:
                answer = await caller.get(path)
                told = answer.headers["cache-control"]
                assert "public" not in told, path
                assert re.search(r"no-store|no-cache|private", told), f"{path}: {told}"


def test_keys_are_published_before_any_mesh_can_need_them() -> None:
    """A mesh asks every 20 minutes, perhaps an edge that kept the keys, and not for an unknown one. S39"""
    settings = load_settings(environ={}).settings
    published = timedelta(seconds=settings.keys.publish_s)
    assert published >= MESH_REFRESH + timedelta(seconds=settings.keys.cache_s)
    assert IdentitySettings(issuer="https://id.example.com").key_publish_before == published
