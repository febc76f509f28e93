"""Searches: requests, pages and their tokens (OpenID Authorization API 1.0 §8).

A token holds the place that was reached and a digest of the request, so that a changed request is told from the same
one. It is no secret and proves nothing: who asks is checked anew at each page.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from policy.authzen.messages import Evaluation, Malformed, Party, parse_action, parse_context, parse_party

Sought = Literal["subject", "resource", "action"]

MAX_RESULTS = 100
# Nobody waits longer than for so many decisions; what is left is for the next page.
MAX_DECISIONS = 500
_DIGEST_BYTES = 12
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_NOWHERE = Party("", "", {})


@dataclass(frozen=True, slots=True)
class Search:
    """A search; what is sought has no id (or, for actions, no name). `after` is where the page begins, `digest` what
    names this search in tokens."""

    sought: Sought
    evaluation: Evaluation
    limit: int
    after: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be a result: its place in the order of all, how it is told, and the question about it."""

    place: str
    told: Mapping[str, object]
    evaluation: Evaluation


def parse_search(sought: Sought, members: Mapping[str, object]) -> Search:
    """A search (§8.4.1, §8.5.1, §8.6.1). Raises Malformed."""
    subject = parse_party(members, "subject", has_id=sought != "subject")
    action, properties = ("", _NOWHERE.properties) if sought == "action" else parse_action(members)
    resource = parse_party(members, "resource", has_id=sought != "resource")
    evaluation = Evaluation(subject, action, resource, {**properties, **parse_context(members)})
    page = members.get("page")
    if page is None:
        page = {}
    if not isinstance(page, dict):
        raise Malformed("page", "an object")
    limit = page.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Malformed("page.limit", "a whole number that is not negative")
    same = (sought, evaluation, {name: value for name, value in page.items() if name != "token"})
    digest = hashlib.sha256(_ENCODE(same)).digest()[:_DIGEST_BYTES]
    at_most = MAX_RESULTS if limit is None else min(limit, MAX_RESULTS)
    return Search(sought, evaluation, at_most, _place_in(page.get("token"), digest), digest)


async def find_page(
    search: Search,
    candidates: AsyncIterator[Candidate],
    is_allowed: Callable[[Evaluation], Awaitable[bool]],
) -> dict[str, object]:
    """The answer with one page of results (§8.2.2, §8.3); `candidates` begin behind `search.after`, in order."""
    results: list[Mapping[str, object]] = []
    reached, asked, has_more = search.after, 0, False
    async for candidate in candidates:
        if len(results) == search.limit or asked == MAX_DECISIONS:
            has_more = True
            break
        asked, reached = asked + 1, candidate.place
        if await is_allowed(candidate.evaluation):
            results.append(candidate.told)
    token = _token(reached, search.digest) if has_more else ""
    return {"page": {"next_token": token, "count": len(results)}, "results": results}


def _token(place: str, digest: bytes) -> str:
    return urlsafe_b64encode(digest + place.encode()).decode().rstrip("=")


def _place_in(token: object, digest: bytes) -> str:
    if token is None or token == "":
        return ""
    expected = "a next_token of an answer to this very request"
    if not isinstance(token, str) or not token.isascii():
        raise Malformed("page.token", expected)
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if raw[:_DIGEST_BYTES] != digest:
            raise Malformed("page.token", expected)
        return raw[_DIGEST_BYTES:].decode()
    except Malformed:
        raise
    except ValueError:
        raise Malformed("page.token", expected) from None
