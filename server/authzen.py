"""The Authorization API over HTTP (OpenID Authorization API 1.0 §10.1): may this subject do this to that?

Who asks is a service whose access token carries the scope `authzen:evaluate`; a revoked one is refused at once (S18).
A denial is an answer, with status 200; other statuses are about the request, and say in one sentence what is wrong.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from base.request import header, read_body
from identity.oauth.metadata import Document
from identity.oauth.wire import NO_STORE, Answer, json_answer
from identity.policy_facts import load_service
from identity.policy_parties import find_party, list_parties
from identity.services import Services
from policy.authzen.batches import evaluate_batch
from policy.authzen.deciding import Deciding, deciding_by
from policy.authzen.messages import Batch, Evaluation, Malformed, Party, parse_body, parse_evaluation, parse_evaluations
from policy.authzen.metadata import CONFIGURATION, EVALUATION, EVALUATIONS, SEARCHES, authzen_metadata
from policy.authzen.questions import caller_of, question_of
from policy.authzen.replies import Reply, deny_inactive, reply_of, reply_to_fault
from policy.authzen.searches import Candidate, Search, Sought, find_page, parse_search
from policy.values import Entity
from server.api.bearer import load_caller
from server.api.problems import Problem

SCOPE = "authzen:evaluate"
_MAX_BODY_BYTES = 1024 * 1024
_TEXT = (b"content-type", b"text/plain; charset=utf-8")

_Members = Mapping[str, object]
# Type, id, and which properties were sent along: defaults of a message are one object.
_Key = tuple[str, str, int]


def hot_routes(services: Services) -> Mapping[str, ASGIApp]:
    """The endpoints by exact path: programs call them often."""
    api = AuthorizationApi(services, deciding_by(services.policies))
    body = msgspec.json.encode(authzen_metadata(services.settings.issuer))
    return {
        EVALUATION: _Endpoint(services, api.evaluation),
        EVALUATIONS: _Endpoint(services, api.evaluations),
        **{path: _Endpoint(services, partial(api.search, sought)) for sought, path in SEARCHES.items()},
        CONFIGURATION: Document(body, max_age_s=300),
    }


@dataclass(slots=True)
class _Known:
    """Who and what was looked up for one message: each once."""

    found: dict[_Key, Entity | None] = field(default_factory=dict)


class AuthorizationApi:
    """The API without HTTP: members in, a document out. Raises Malformed."""

    def __init__(self, services: Services, deciding: Deciding) -> None:
        self._services = services
        self._deciding = deciding

    async def evaluation(self, members: _Members) -> object:
        """One evaluation (§6)."""
        return await self._evaluate(_Known(), parse_evaluation(members))

    async def evaluations(self, members: _Members) -> object:
        """Several in one message, or one (§7)."""
        asked, known = parse_evaluations(members), _Known()
        if isinstance(asked, Batch):
            return {"evaluations": await evaluate_batch(asked, partial(self._evaluate, known))}
        return await self._evaluate(known, asked)

    async def search(self, sought: Sought, members: _Members) -> object:
        """A page of those who, or of what, would be allowed (§8)."""
        search, known = parse_search(sought, members), _Known()

        async def is_allowed(evaluation: Evaluation) -> bool:
            return (await self._evaluate(known, evaluation, is_search=True))["decision"]

        return await find_page(search, self._candidates(search, known), is_allowed)

    async def _evaluate(self, known: _Known, evaluation: Evaluation, *, is_search: bool = False) -> Reply:
        deciding, now = self._deciding, self._services.clock()
        subject = await self._find(known, evaluation.subject)
        if subject is None:
            return reply_to_fault(404, f"subject: there is no {_named(evaluation.subject)}")
        resource = await self._find(known, evaluation.resource)
        if resource is None:
            return reply_to_fault(404, f"resource: there is no {_named(evaluation.resource)}")
        if subject.ref.type == "Ostiary::Person" and subject.attributes["state"] != "active":
            return deny_inactive(self._services.policies.revision)
        named = caller_of(evaluation.context)
        caller = None if named is None else load_service(self._services.catalogue, named)
        if named is not None and caller is None:
            return reply_to_fault(404, "context.caller: there is no service with this id")
        question = question_of(evaluation, subject, resource, caller=caller, now=now)
        return reply_of(deciding.decide_plainly(question) if is_search else deciding.decide(question))

    async def _find(self, known: _Known, party: Party) -> Entity | None:
        key = _key(party)
        if key not in known.found:
            known.found[key] = await find_party(self._services, party.type, party.id, party.properties)
        return known.found[key]

    async def _candidates(self, search: Search, known: _Known) -> AsyncIterator[Candidate]:
        """All that could be found, behind where the page begins."""
        asked = search.evaluation
        if search.sought == "action":
            for name in sorted(each for each in self._deciding.actions() if each > search.after):
                yield Candidate(name, {"name": name}, replace(asked, action=name))
            return
        party = asked.subject if search.sought == "subject" else asked.resource
        async for entity in list_parties(self._services, party.type, search.after):
            each = replace(party, id=entity.ref.id)
            known.found = {**_kept(known, asked), _key(each): entity}
            one = replace(asked, subject=each) if search.sought == "subject" else replace(asked, resource=each)
            yield Candidate(each.id, {"type": each.type, "id": each.id}, one)


def _key(party: Party) -> _Key:
    return party.type, party.id, id(party.properties)


def _kept(known: _Known, asked: Evaluation) -> dict[_Key, Entity | None]:
    """What all questions of a search have in common, so that thousands of results are not all kept."""
    same = {_key(party) for party in (asked.subject, asked.resource)}
    return {key: entity for key, entity in known.found.items() if key in same}


def _named(party: Party) -> str:
    return f"{party.type} with this id" if party.type.isprintable() and len(party.type) <= 64 else "such thing"


class _Endpoint:
    """One address of the API."""

    def __init__(self, services: Services, work: Callable[[_Members], Awaitable[object]]) -> None:
        self._services = services
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request (§10.1)."""
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        if request.method != "POST":
            return _refusal(405, "this address takes POST requests", (b"allow", b"POST"))
        try:
            await load_caller(self._services, request, SCOPE, now=self._services.clock())
        except Problem as problem:
            told = [(name.lower().encode(), value.encode()) for name, value in (problem.headers or {}).items()]
            return _refusal(problem.status, problem.detail, *told)
        kind = header(request.scope, b"content-type") or ""
        if kind.partition(";")[0].strip().lower() != "application/json":
            return _refusal(400, "content-type: expected application/json")
        try:
            members = parse_body(await read_body(request.receive, limit=_MAX_BODY_BYTES))
            return json_answer(200, await self._work(members))
        except Malformed as fault:
            return _refusal(400, str(fault))


def _refusal(status: int, message: str, *headers: tuple[bytes, bytes]) -> Answer:
    """What is wrong with a request, as one sentence (§10.1.2)."""
    return Answer(status, message.encode(), (_TEXT, *NO_STORE, *headers))
