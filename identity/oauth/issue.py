"""Issuing an authorization code: the grant, the code, and the event, in the caller's transaction."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import CODE_ISSUED
from audit.record import Event, Origin
from base.ids import GRANT, PERSON, new_id, show_id
from base.secret_values import CODE, digest, new_secret
from identity.catalogue import is_registered
from identity.services import Services
from identity.signin.facts import required_acr
from identity.tables import grants, session_clients, sessions, single_use
from identity.values import AuthorizeRequest, LiveSession
from policy.assurance import acr_of, amr_of


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
    still_live = select(sessions.c.id).where(sessions.c.id == session.id, sessions.c.ended_at.is_(None))
    if (await db.execute(still_live.with_for_update(read=True))).first() is None:
        return {"error": "login_required", "error_description": "the session ended"}
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
    await db.execute(
        insert(single_use).values(
            digest=digest(code),
            kind="code",
            person_id=person_id,
            client_id=authorize.client_id,
            grant_id=grant_id,
            payload=payload,
            created_at=now,
            expires_at=now + services.settings.code_ttl,
        )
    )
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
    await db.execute(
        insert(grants).values(
            id=grant_id,
            person_id=session.person_id,
            client_id=authorize.client_id,
            session_id=session.id,
            offline="offline_access" in authorize.scope and may_refresh,
            scope=" ".join(authorize.scope),
            audience=authorize.audience,
            claims=claims,
            auth_time=session.auth_time,
            created_at=now,
        )
    )
    upsert = sqlite_insert if services.database.is_sqlite else postgres_insert
    joined = upsert(session_clients).values(session_id=session.id, client_id=authorize.client_id, first_at=now)
    await db.execute(joined.on_conflict_do_nothing())
    return grant_id
