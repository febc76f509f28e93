"""The feed in the whole: who may read it, where its endpoints are, and what runs beside them."""

from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from base.request import header
from feed.acknowledging import acknowledge
from feed.board import WRITE_S, FollowerBoard
from feed.callers import FeedRefused, Follower
from feed.documents import Documents
from feed.hub import READ_S, FeedHub
from feed.in_force import SETTLE_S, InForce, Tell
from feed.numbering import make_sequencer
from feed.stream import Stream
from feed.wire import HEAD_TYPE
from identity.grant_store import is_revoked
from identity.services import Services
from identity.tokens import sign
from server.api.bearer import load_caller
from server.api.problems import Problem, answer_problem
from server.beside import Work

SCOPE = "feed:read"

Answer = Callable[[Request, Follower], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Feed:
    """One process's part of the feed."""

    hub: FeedHub
    board: FollowerBoard
    in_force: InForce

    def work(self) -> list[Work]:
        """What runs beside the requests."""
        return [
            Work("the feed", READ_S, self.hub.round, self.hub.close),
            Work("the feed's followers", WRITE_S, self.board.round, self.board.round),
            Work("the look at what is in force", SETTLE_S, self.in_force.round, self.in_force.stop),
        ]


def make_feed(services: Services, tell: Tell) -> Feed:
    """The parts for one process; `tell` writes the event of what reached its followers."""
    database, clock, issuer = services.database, services.clock, services.settings.issuer
    hub = FeedHub(
        database,
        make_sequencer(database, clock, issuer),
        issuer=issuer,
        sign=lambda claims: sign(services.keys.signer("ES256"), HEAD_TYPE, claims),
        clock=clock,
    )
    return Feed(hub, FollowerBoard(database, clock), InForce(database, clock, tell))


def routes(services: Services, feed: Feed) -> list[BaseRoute]:
    """The feed's four addresses."""
    documents = Documents(feed.hub, feed.board, services.clock)

    async def snapshot(request: Request, _: Follower) -> Response:
        return await documents.snapshot(request)

    async def delta(request: Request, follower: Follower) -> Response:
        return await documents.delta(request, follower)

    async def stream(request: Request, follower: Follower) -> Stream:
        return Stream(feed.hub, feed.board, follower, request, services.clock)

    async def ack(request: Request, follower: Follower) -> Response:
        return await acknowledge(feed.hub, feed.board, follower, request, services.clock)

    read: dict[str, Answer] = {"/feed/v1/snapshot": snapshot, "/feed/v1/delta": delta, "/feed/v1/events": stream}
    return [
        *(Route(path, _Endpoint(services, answer), methods=["GET"]) for path, answer in read.items()),
        Route("/feed/v1/ack", _Endpoint(services, ack), methods=["POST"]),
    ]


class _Endpoint:
    """One address, for services whose token carries the scope."""

    def __init__(self, services: Services, answer: Answer) -> None:
        self._services = services
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; what is wrong with it becomes a problem document."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, await self._find_follower(request))
        except Problem as problem:
            answer = answer_problem(request, problem)
        except FeedRefused as refused:
            answer = answer_problem(request, _problem_of(refused))
        await answer(scope, receive, send)

    async def _find_follower(self, request: Request) -> Follower:
        services, catalogue = self._services, self._services.catalogue
        caller = await load_caller(services, request, SCOPE, now=services.clock())
        token = _read_token(request)
        everyone = catalogue.everyone_not_before

        def may_read() -> bool:
            now = catalogue.find_client(caller.client.client_id)
            if now is None or now.disabled or SCOPE not in now.scopes:
                return False
            if services.keys.find_verifying(token.kid, now=services.clock()) is None:
                return False
            # Its token was issued before whatever was revoked since.
            return now.not_before == caller.client.not_before and catalogue.everyone_not_before == everyone

        revoked = partial(is_revoked, services.database, token.jti)
        return Follower(caller.client.client_id, token.jti, caller.expires_at, may_read, revoked)


class _Token(msgspec.Struct):
    """What can end a token by itself: its key, and its own id."""

    kid: str = ""
    jti: str = ""


def _read_token(request: Request) -> _Token:
    """Of a request whose token is proven."""
    text = (header(request.scope, b"authorization") or "").partition(" ")[2]
    head, claims = (_decode_part(part) for part in text.split(".")[:2])
    return _Token(head.kid, claims.jti)


def _decode_part(text: str) -> _Token:
    return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)


def _problem_of(refused: FeedRefused) -> Problem:
    if refused.field is None:
        told = {"WWW-Authenticate": 'Bearer realm="Ostiary", error="invalid_token"'} if refused.status == 401 else None
        return Problem(refused.status, refused.detail, headers=told)
    expected = refused.detail.partition("expected ")[2] or refused.detail.partition(": ")[2]
    return Problem(refused.status, refused.detail, errors=[{"field": refused.field, "expected": expected}])
