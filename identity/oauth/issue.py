"""Issuing an authorization code: the grant, the code, and the event, in the caller's transaction."""

from datetime import datetime
from typing import cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import CODE_ISSUED
from audit.record import Event, Origin
from base.clock import to_micros
from base.ids import GRANT, PERSON, new_id, show_id
from base.secret_values import CODE, digest, new_secret
from base.statements import Statement, Value, insert_into
from base.within import run, store
from identity.catalogue import is_registered
from identity.services import Services
from identity.signin.facts import required_acr
from identity.tables import grants, single_use
from identity.values import AuthorizeRequest, LiveSession
from policy.assurance import acr_of, amr_of

_STORE_CODE, _STORE_GRANT = insert_into(single_use), insert_into(grants)
_STILL_LIVE = Statement(
    "is the session alive",
    (("id", "bytea"),),
    ("SELECT risk FROM sessions WHERE id = :id AND ended_at IS NULL",),
    "SELECT n, s.risk FROM input JOIN sessions s USING (id) WHERE s.ended_at IS NULL FOR SHARE OF s",
)
_JOIN_SESSION = Statement(
    "join session",
    (("session", "bytea"), ("client", "text"), ("now", "bigint")),
    (
        "INSERT INTO session_clients (session_id, client_id, first_at) VALUES (:session, :client, :now)"
        " ON CONFLICT DO NOTHING",
    ),
    ", joined AS (INSERT INTO session_clients (session_id, client_id, first_at)"
    " SELECT session, client, now FROM input ON CONFLICT DO NOTHING) SELECT n FROM input",
)


async def issue_code(
    db: AsyncConnection,
    services: Services,
    authorize: AuthorizeRequest,
    session: LiveSession,
    *,
    now: datetime,
    origin: Origin,
) -> dict[str, str]:
    """The parameters of the authorization response: a code, or an error where the session ended meanwhile (I2).

    Not checked here: that nothing is left to ask or prove.
    """
    # Whoever ends the session writes this row too, so one of the two waits for the other.
    row = await run(db, _STILL_LIVE, (session.id,))
    if row is None:
        return {"error": "login_required", "error_description": "the session ended"}
    if cast(int | None, row[0]) is not None and cast(int, row[0]) > (session.risk or 0):
        # What was proven in it may count no more, and the decision was made without knowing that.
        return {"error": "login_required", "error_description": "the session has to be looked at again"}
    if not await is_registered(db, authorize.client_id):
        return {"error": "unauthorized_client", "error_description": "this client was deleted"}
    grant_id = await _start_grant(db, services, authorize, session, now=now)
    code = await _store_code(db, services, authorize, session.person_id, grant_id, now=now)
    actor = show_id(PERSON, session.person_id)
    event = Event(
        type=CODE_ISSUED,
        actor=actor,
        subject=actor,
        person=session.person_id,
        client_id=authorize.client_id,
        session_id=session.id,
        device_id=session.device_id,
        origin=origin,
        data={
            "grant": show_id(GRANT, grant_id),
            "scope": " ".join(authorize.scope),
            "audience": authorize.audience,
        },
    )
    await services.emitter.emit(db, event, now=now)
    return {"code": code}


async def _store_code(
    db: AsyncConnection,
    services: Services,
    authorize: AuthorizeRequest,
    person_id: bytes,
    grant_id: bytes,
    *,
    now: datetime,
) -> str:
    code = new_secret(CODE)
    payload = {
        "redirect_uri": authorize.redirect_uri,
        "redirect_uri_given": "yes" if authorize.redirect_uri_given else None,
        "challenge": authorize.code_challenge,
        "nonce": authorize.nonce,
    }
    values: dict[str, Value] = {
        "digest": digest(code),
        "kind": "code",
        "person_id": person_id,
        "client_id": authorize.client_id,
        "grant_id": grant_id,
        "payload": msgspec.json.encode(payload).decode(),
        "created_at": to_micros(now),
        "expires_at": to_micros(now + services.settings.code_ttl),
    }
    await store(db, _STORE_CODE, [_STORE_CODE.row(values)])
    return code


async def _start_grant(
    db: AsyncConnection, services: Services, authorize: AuthorizeRequest, session: LiveSession, *, now: datetime
) -> bytes:
    client = services.catalogue.find_client(authorize.client_id)
    may_refresh = client is not None and "refresh_token" in client.grants
    grant_id = new_id(now)
    wanted = (*(authorize.essential_acr or authorize.acr_values), *required_acr(services, authorize))
    claims = {
        "userinfo": authorize.claims.get("userinfo", ()),
        "id_token": authorize.claims.get("id_token", ()),
        "amr": amr_of(session.methods),
        "acr": [acr_of(session.methods, wanted)],
    }
    values: dict[str, Value] = {
        "id": grant_id,
        "person_id": session.person_id,
        "client_id": authorize.client_id,
        "session_id": session.id,
        "offline": "offline_access" in authorize.scope and may_refresh,
        "scope": " ".join(authorize.scope),
        "audience": authorize.audience,
        "claims": msgspec.json.encode(claims).decode(),
        "auth_time": to_micros(session.auth_time),
        "created_at": to_micros(now),
    }
    await store(db, _STORE_GRANT, [_STORE_GRANT.row(values)])
    await run(db, _JOIN_SESSION, (session.id, authorize.client_id, to_micros(now)))
    return grant_id
