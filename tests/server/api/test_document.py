"""The API's document, its pages in `docs/`, and the application agree; the examples work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from string import Template

import httpx2
import msgspec
import pytest

from audit.intake.schema import SentEvent
from audit.ledger.keeping import LedgerKeeping
from server.api.audit_filters import EventParameters
from tests.server.api.service import EVENTS, Service
from tests.server.api.test_bearer import addresses

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "audit-api.md").read_text()
EXAMPLES = [code for code in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if code.startswith("curl")]


async def document(service: Service) -> dict[str, dict[str, dict[str, object]]]:
    async with service.world.browser() as anybody:
        answer = await anybody.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    return msgspec.convert(answer.json()["paths"], dict[str, dict[str, dict[str, object]]])


async def test_the_document_has_every_address_and_the_scope_that_opens_it(service: Service) -> None:
    paths = await document(service)
    known = {"event": "evt_0", "report": "rpt_0", "seq": "1", "signal": "sig_0", "revision": "1", "name": "night"}
    told = {(method.upper(), path.format(**known)) for path, row in paths.items() for method in row}
    assert told == set(addresses(service.world))
    scopes = {str(each["security"]) for row in paths.values() for each in row.values()}
    names = (
        "audit:read", "audit:write", "reports:read", "reports:write", "feed:read", "risk:write", "policies:read",
        "policies:write",
    )  # fmt: skip
    assert scopes == {f"[{{'service': ['{name}']}}]" for name in names}


async def test_the_page_of_endpoints_has_every_address(service: Service) -> None:
    listed = set(re.findall(r"^\| ([A-Z, ]+) \| `(/api/[^`]+)`", (DOCS / "endpoints.md").read_text(), re.MULTILINE))
    paths = await document(service)
    expected = {(method.upper(), path) for path, row in paths.items() for method in row}
    assert listed == expected | {("GET", "/api/v1/openapi.json")}


async def test_the_document_and_the_page_have_every_field_of_an_event_that_is_sent(service: Service) -> None:
    asked = msgspec.json.encode((await document(service))[EVENTS]["post"]).decode()
    part = PAGE.partition("## Sending events")[2]
    for name in SentEvent.__struct_fields__:
        assert f'"{name}":' in asked
        assert f"| `{name}` |" in part


def test_the_page_has_every_filter() -> None:
    names = {field.alias or name for name, field in EventParameters.model_fields.items()} - {"limit", "after"}
    rows = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", PAGE.partition("## Export")[0], re.M))))
    assert names <= rows


async def run(http: httpx2.AsyncClient, command: str) -> httpx2.Response:
    """What the command would be answered: as much of curl as the page uses."""
    words, headers, data, query = iter(shlex.split(command.replace("\\\n", " "))[1:]), {}, [], False
    url, secret = "", httpx2.BasicAuth("", "")
    for word in words:
        match word:
            case "-sS":
                pass
            case "--get":
                query = True
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name.lower()] = value
            case "-u":
                secret = httpx2.BasicAuth(*next(words).split(":"))
            case "-d" | "--data-urlencode":
                data.append(next(words))
            case _:
                url = word
    if query:
        return await http.get(url, params=dict(each.split("=", 1) for each in data), headers=headers)
    if not data:
        return await http.get(url, headers=headers)
    headers.setdefault("content-type", "application/x-www-form-urlencoded")
    body = "&".join(data).replace("://", "%3A%2F%2F")
    given = data[0] if "json" in headers["content-type"] else body
    if "oauth" in url:
        return await http.post(url, content=given.encode(), headers=headers, auth=secret)
    return await http.post(url, content=given.encode(), headers=headers)


async def test_the_pages_examples_work(service: Service) -> None:
    assert len(EXAMPLES) == 8
    world, client = service.world, service.client
    await service.send(service.event(), service.event())
    await LedgerKeeping(world.services.audit).number()
    (found, _) = await service.found(name="order.refunded")
    known = {
        "ISSUER": "https://id.example.com",
        "TOKEN": service.token,
        "CLIENT_ID": client.client.client_id,
        "CLIENT_SECRET": client.secret or "",
        "EVENT": str(found["id"]),
        "NOW": world.clock().isoformat(),
        "SUB": (await world.person()).sub,
    }
    async with world.browser() as http:
        for example in EXAMPLES:
            answer = await run(http, Template(example).substitute(known))
            assert answer.status_code == 200, (example, answer.text)
