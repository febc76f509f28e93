"""`ostiary key list|rotate|revoke`."""

from datetime import datetime

import click

from identity import keys
from identity.services import Services
from server.commands.frame import ACTOR, Frame, framed, plain, table
from server.composition import key_times


@click.group("key")
def command() -> None:
    """Signing keys."""


@command.command("list")
@framed
def list_keys(frame: Frame) -> None:
    """Every key with its state, oldest first."""

    async def work(services: Services, now: datetime) -> list[keys.SigningKey]:
        async with services.database.reading() as db:
            return await keys.list_keys(db)

    found = frame.with_services(work)
    rows = [(key.kid, key.alg, key.state, key.created_at.isoformat(timespec="seconds")) for key in found]
    frame.answer({"keys": plain(found)}, table(rows, empty="There are no keys."))


@command.command("rotate")
@click.option("--alg", multiple=True, help="ES256 or RS256; without it both.")
@framed
def rotate(frame: Frame, alg: tuple[str, ...]) -> None:
    """Let the next key sign, and publish a new next one; refused until verifiers have had time to fetch it."""

    async def work(services: Services, now: datetime) -> dict[str, str]:
        async with services.database.transaction() as db:
            return {
                name: await keys.rotate_key(
                    db,
                    services.sealer,
                    services.emitter,
                    name,
                    times=key_times(services.settings),
                    now=now,
                    actor=ACTOR,
                )
                for name in alg or keys.ALGORITHMS
            }

    signing = frame.with_services(work)
    frame.answer({"signing": signing}, "\n".join(f"{name}: {kid} signs now" for name, kid in signing.items()))


@command.command("revoke")
@click.argument("kid")
@framed
def revoke(frame: Frame, kid: str) -> None:
    """Withdraw a key at once: nothing that it signed is accepted any more."""

    async def work(services: Services, now: datetime) -> None:
        async with services.database.transaction() as db:
            times = key_times(services.settings)
            await keys.revoke_key(db, services.sealer, services.emitter, kid, times=times, now=now, actor=ACTOR)

    frame.with_services(work)
    frame.answer({"revoked": kid}, f"{kid} is revoked")
