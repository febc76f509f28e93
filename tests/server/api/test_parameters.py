"""What the API refuses before it does anything: told by field, as problem documents, with every answer's headers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.server.api.service import EVENTS, Service, check_problem

pytestmark = pytest.mark.anyio

CHECKPOINTS, PROOF, EXPORT = "/api/v1/audit/checkpoints", "/api/v1/audit/proof", "/api/v1/audit/export"


@pytest.mark.parametrize(
    ("path", "query", "field", "expected"),
    [
        (EVENTS, "colour=red", "colour", "no such parameter"),
        (EVENTS, "limit=1&limit=2", "limit", "once"),
        (EVENTS, "limit=0", "limit", "greater than or equal to 1"),
        (EVENTS, "limit=201", "limit", "less than or equal to 200"),
        (EVENTS, "limit=ten", "limit", "integer"),
        (EVENTS, "from=yesterday", "from", "RFC 3339"),
        (EVENTS, "until=2026-11-22T20:00:00", "until", "RFC 3339 with an offset"),
        (EVENTS, "from=1795380000", "from", "RFC 3339"),
        (EVENTS, "person=usr_1", "person", "usr_ and 32 hexadecimal digits"),
        (EVENTS, "address=203.0.113", "address", "an IPv4 or IPv6 address"),
        (EVENTS, "network=203.0.113.0/25", "network", "a /24 of IPv4"),
        (EVENTS, "network=203.0.113.7/24", "network", "a /24 of IPv4"),
        (EVENTS, "family=Login", "family", "match pattern"),
        (EVENTS, "name=login", "name", "match pattern"),
        (EVENTS, "severity=URGENT", "severity", "'LOW', 'MEDIUM' or 'HIGH'"),
        (EVENTS, "outcome=maybe", "outcome", "'success', 'failure' or 'denied'"),
        (EVENTS, "risk_min=-1", "risk_min", "greater than or equal to 0"),
        (EVENTS, "text=ab", "text", "at least 3 characters"),
        (EVENTS, "text=abc%00", "text", "match pattern"),
        (EVENTS, "client=%0Aabc", "client", "match pattern"),
        (EVENTS, "after=made-up", "after", "of this very search"),
        (CHECKPOINTS, "after=x", "after", "of a page of checkpoints"),
        (PROOF, "seq=-1", "seq", "greater than or equal to 0"),
        (PROOF, "seq=99999999", "seq", "less than the size"),
        (PROOF, "from=0", "from", "1 to"),
        (EXPORT, "format=csv", "format", "no such parameter"),
    ],
)
async def test_a_wrong_parameter_is_named(service: Service, path: str, query: str, field: str, expected: str) -> None:
    problem = check_problem(await service.http.get(f"{path}?{query}"), 400, "")
    (error,) = problem["errors"] if isinstance(problem["errors"], list) else []
    assert error["field"] == field
    assert expected in error["expected"]


async def test_every_wrong_parameter_is_named(service: Service) -> None:
    problem = check_problem(await service.get(EVENTS, limit=0, severity="x", colour="red"), 400, "")
    assert isinstance(problem["errors"], list)
    assert {error["field"] for error in problem["errors"]} == {"limit", "severity", "colour"}


@pytest.mark.parametrize("query", ["text=%ff%fe%fd", "&".join(f"p{number}=1" for number in range(200))])
async def test_a_query_that_is_no_text_or_endless_is_refused(service: Service, query: str) -> None:
    check_problem(await service.http.get(f"{EVENTS}?{query}"), 400, "the form")


async def test_addresses_and_methods_that_are_none(service: Service) -> None:
    check_problem(await service.get("/api/v1/nothing"), 404, "nothing at this address")
    check_problem(await service.get(EVENTS + "/"), 404, "no")
    refused = await service.http.delete(EVENTS)
    check_problem(refused, 405, "this kind of request")
    assert refused.headers["allow"] == "GET, POST"


async def test_every_answer_carries_the_edges_headers(service: Service) -> None:
    for path in (EVENTS, "/api/v1/openapi.json", "/api/v1/nothing"):
        headers = (await service.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("declares", [True, False])
async def test_a_body_over_a_mebibyte_is_refused_before_it_is_parsed(service: Service, declares: bool) -> None:
    """S48"""
    body = b'{"events": [' + b" " * 1024 * 1024 + b"]}"

    async def parts() -> AsyncIterator[bytes]:
        yield body

    headers = {"content-type": "application/json"}
    answer = await service.http.post(EVENTS, content=body if declares else parts(), headers=headers)
    check_problem(answer, 413, "larger than")


def test_the_api_is_loaded_by_its_first_request_alone() -> None:
    program = "import sys, server.app; print(sorted({'fastapi', 'server.api.application'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
