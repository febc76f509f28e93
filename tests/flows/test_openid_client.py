"""npm's `openid-client` against a real server over https: sign-in, refresh, logout, errors."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.forms_browser import FormsBrowser
from tests.server_process import RemoteWorld, open_remote_worlds
from tests.world import CALLBACK, PASSWORD

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SCRIPT = Path(__file__).parent.parent / "node" / "openid_client.mjs"
BYE = "https://app.example.com/bye"


@pytest.fixture
async def remote(database_url: str, tmp_path: Path) -> AsyncIterator[RemoteWorld]:
    """A server at an address of its own."""
    async with open_remote_worlds(tmp_path, count=1, database_url=database_url, issuer=None) as worlds:
        yield worlds[0]


class Application:
    """The Node program, spoken with in lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls, node: str, authority: Path) -> AsyncIterator["Application"]:
        """A running program that trusts the authority; ended at the end."""
        pipe = asyncio.subprocess.PIPE
        environ = {**os.environ, "NODE_EXTRA_CA_CERTS": str(authority)}
        process = await asyncio.create_subprocess_exec(node, SCRIPT, env=environ, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            yield cls(process)
        finally:
            # It reads until its input ends, and would wait for ever.
            process.kill()
            await process.wait()

    async def say(self, **value: str | None) -> None:
        """Tells it something."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> Mapping[str, object]:
        """What it says next; fails with its own words where it ended instead."""
        assert self._process.stdout
        assert self._process.stderr
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, (await self._process.stderr.read()).decode()
        said: Mapping[str, object] = json.loads(line)
        return said


async def test_openid_client_signs_in_refreshes_signs_out_and_understands_refusals(
    remote: RemoteWorld, node: str
) -> None:
    assert remote.process
    client, person = await remote.client(), await remote.person()
    async with Application.start(node, remote.process.authority) as application, remote.browser() as http:
        await application.say(
            issuer=remote.process.issuer, client_id=client.client.client_id, client_secret=client.secret,
            callback=CALLBACK, bye=BYE,
        )  # fmt: skip
        browser = FormsBrowser(http, remote.process.issuer)
        page = await browser.open(str((await application.hear())["url"]))
        await application.say(url=(await browser.sign_in(page, "ada", PASSWORD)).url)
        said = cast(Mapping[str, Mapping[str, object]], await application.hear())
        assert said["claims"]["sub"] == said["userinfo"]["sub"] == person.sub
        assert cast(object, said["refreshedSub"]) == person.sub
        assert said["userinfo"]["name"] == "Ada Byron"
        assert said["introspected"]["active"] is True
        assert cast(object, said["rotated"]) is True
        out = await browser.open(str((await application.hear())["url"]))
        assert out.url == f"{BYE}?state=bye"
        await application.say()
        silent = await browser.open(str((await application.hear())["url"]))
        await application.say(url=silent.url)
        refused = cast(Mapping[str, Mapping[str, object]], await application.hear())
        assert refused["silent"]["kind"] == "AuthorizationResponseError"
        assert refused["silent"]["error"] == "login_required"
        for name in ("replayed", "afterwards"):
            assert (refused[name]["kind"], refused[name]["error"]) == ("ResponseBodyError", "invalid_grant")
            assert refused[name]["status"] == 400
        assert refused["inactive"] == {"active": False}
