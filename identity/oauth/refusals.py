"""Token requests that are refused, and grants that end because a spent credential came back (S5, S10)."""

from audit.catalogue import TOKEN_REFUSED, TOKEN_REUSED
from audit.record import Event
from base.ids import GRANT, PERSON, show_id
from identity.grant_store import Grant
from identity.oauth.errors import OAuthError
from identity.oauth.token_request import TokenRequest
from identity.refusal_events import record_refusal
from identity.revocation import end_grant


async def record_token_refusal(request: TokenRequest, error: OAuthError, *, grant_type: str) -> None:
    """Keeps the event of a refused token request."""
    event = Event(
        type=TOKEN_REFUSED,
        actor=request.client.client_id,
        outcome="failure",
        client_id=request.client.client_id,
        origin=request.origin,
        data={"error": error.code, "reason": error.reason, "grant_type": grant_type},
    )
    await record_refusal(request.services, event)


async def end_for_reuse(request: TokenRequest, grant: Grant, *, kind: str) -> None:
    """Ends the grant whose spent code or older refresh token (`kind`) was presented again."""
    services = request.services
    async with services.database.transaction() as db:
        shown = show_id(GRANT, grant.id)
        event = Event(
            type=TOKEN_REUSED,
            actor=request.client.client_id,
            outcome="denied",
            subject=show_id(PERSON, grant.person_id),
            person=grant.person_id,
            client_id=grant.client_id,
            session_id=grant.session_id,
            origin=request.origin,
            data={"kind": kind, "grant": shown},
        )
        await services.emitter.emit(db, event, now=request.now)
        await end_grant(
            db, services, grant.id, why=f"{kind}_reused", now=request.now, actor="system", origin=request.origin
        )
