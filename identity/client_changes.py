"""Changing an application that is registered: what is asked for is checked as a whole, as at its registration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import CLIENT_CHANGED
from audit.record import Event, Origin
from identity.catalogue import touch
from identity.client_values import Client
from identity.clients import NewClient, check_client, client_of, columns_of, load_client
from identity.services import Services
from identity.tables import clients


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change made of an application: its fields by name, before and after; empty where nothing changed."""

    before: Mapping[str, object]
    after: Mapping[str, object]


async def change_client(
    db: AsyncConnection,
    services: Services,
    client_id: str,
    change: Callable[[NewClient], NewClient],
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> Difference:
    """Makes of an application what `change` makes of its registration; within a second every process knows it.

    `change` leaves alone how it authenticates, its grants and its scopes: what was issued rests on them. Raises Refused
    for what could not be registered, and for an unknown application; nothing is kept then.
    """
    # Of two changes at once the later one sees what the earlier one made.
    held = select(clients.c.client_id).where(clients.c.client_id == client_id)
    await db.execute(held.with_for_update(key_share=True))
    client = await load_client(db, client_id)
    asked = change(_asked_of(client))
    check_client(asked)
    before, after = columns_of(client), columns_of(client_of(asked, client_id))
    changed = [name for name in after if after[name] != before[name]]
    difference = Difference({name: before[name] for name in changed}, {name: after[name] for name in changed})
    if not changed:
        return difference
    changing = update(clients).where(clients.c.client_id == client_id)
    await db.execute(changing.values(**difference.after, updated_at=now, version=clients.c.version + 1))
    await touch(db, "catalogue")
    data = {"before": difference.before, "after": difference.after}
    event = Event(
        type=CLIENT_CHANGED, actor=actor, subject=client_id, client_id=client_id, origin=origin, data=data
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)
    return difference


def _asked_of(client: Client) -> NewClient:
    """What one would ask for to register the same application anew."""
    # Field by field, whatever fields there are: one that was forgotten here would be lost with every change.
    same = NewClient(**{each.name: getattr(client, each.name) for each in fields(NewClient)})
    return replace(same, grants=tuple(sorted(client.grants)), scopes=tuple(sorted(client.scopes)))
