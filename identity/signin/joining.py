"""The first sign-in of somebody whose account was made just now: by the same rules as every other."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.record import Origin
from identity.accounts import load_person
from identity.services import Services
from identity.signin.attempt import new_attempt, store_attempt
from identity.signin.flow import Turn
from identity.signin.proving import add_proof
from identity.values import Proof, Standing


async def sign_in_new(
    db: AsyncConnection, services: Services, request: Request, person_id: bytes, *, now: datetime, origin: Origin
) -> Turn:
    """Begins a sign-in with the password that the person has just chosen, in the transaction that made the account.

    Answer with `flow.respond`: the person is in, or has to add a factor first.
    """
    person = await load_person(db, person_id)
    standing = Standing(person_id, person.sub, person.state, person.is_admin, frozenset({"pwd"}))
    attempt = new_attempt(None, ttl=services.settings.attempt_ttl, now=now)
    await store_attempt(db, attempt)
    turn = await add_proof(db, services, request, attempt, standing, Proof("pwd", now), now=now, origin=origin)
    if turn is None:
        raise RuntimeError("an account made in this transaction must be there to sign in to")
    return turn
