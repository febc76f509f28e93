"""`PUT /api/v1/policies/active`: texts, a draft or an earlier revision are put in force, or it is said why not.

`If-Match` names the set that the caller knows to be in force, so that nobody's work is undone unseen; sent again,
nothing is changed a second time.
"""

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from identity.services import Services, origin_of
from policy.checking import Finding
from policy.drafts import find_draft
from policy.proposals import NotActivated, Proposal
from policy.sets import find_set
from server.api.answers import json_response, read_json_body
from server.api.bearer import Caller
from server.api.if_match import ANY, parse_if_match
from server.api.policy_bodies import WantedSet, parse_activation
from server.api.problems import Problem
from server.policies import make_activating
from server.policy_documents import shown_activated

_STATUS = {"faults": 422, "lockout": 409, "not_newest": 412, "draft_changed": 409}


class Activation:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._activating = make_activating(services)

    async def activate(self, request: Request, caller: Caller) -> Response:
        """Puts a set in force; this process decides by it when it answers, the others within a second."""
        services, now = self._services, self._services.clock()
        wanted = parse_activation(await read_json_body(request))
        known = parse_if_match(request)
        if known is None:
            raise Problem(428, "expected If-Match with the ETag of the set in force, or *")
        async with services.database.reading() as db:
            proposal = await _proposal(db, wanted, known, request, caller)
        done = await self._activating.activate(proposal, now=now)
        if isinstance(done, NotActivated):
            raise Problem(_STATUS[done.why], done.words, errors=[_shown(each) for each in done.findings])
        await services.policies.refresh()
        return json_response(shown_activated(done), {"ETag": f'"{done.revision}"'})


async def _proposal(db: AsyncConnection, wanted: WantedSet, known: int, request: Request, caller: Caller) -> Proposal:
    client, is_any = caller.client.client_id, known == ANY
    text, same_as, version = wanted.text, None, 0
    if wanted.revision is not None:
        kept = await find_set(db, wanted.revision)
        if kept is None:
            raise Problem(404, "there is no such revision")
        text, same_as = kept.text, kept.revision
    if wanted.draft is not None:
        draft = await find_draft(db, wanted.draft)
        if draft is None:
            raise Problem(404, "there is no such draft")
        if not is_any and draft.based_on != known:
            raise Problem(412, f"the draft was written over revision {draft.based_on}, not over {known}")
        text, version = draft.text, draft.version
    assert text is not None  # noqa: S101 - one of the three is there
    return Proposal(
        text=text,
        reason=wanted.reason,
        actor=caller.actor,
        based_on=known,
        over_any=is_any,
        draft=wanted.draft,
        draft_version=version,
        same_as=same_as,
        client_id=client,
        origin=origin_of(request),
    )


def _shown(finding: Finding) -> dict[str, object]:
    found: dict[str, object] = {"field": "policies", "expected": finding.words, "severity": finding.severity}
    if finding.policy:
        found["policy"] = finding.policy
    if finding.line is not None:
        found["line"] = finding.line
    return found
