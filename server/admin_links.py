"""The one-time administrator link: printed, and kept in a file that only this user can read."""

import os
from pathlib import Path

from sqlalchemy import select

from base.errors import NotReady
from identity.services import Services
from identity.setup import make_link
from identity.tables import people

FILE_NAME = "admin-link.txt"


async def ensure_link(services: Services, data_dir: Path) -> str | None:
    """A new link while there is no administrator, else None; a file left over from before is removed then."""
    if await has_admin(services):
        (data_dir / FILE_NAME).unlink(missing_ok=True)
        return None
    return await make_link_file(services, data_dir, actor="system")


async def has_admin(services: Services) -> bool:
    """Whether somebody can administer this deployment."""
    query = select(people.c.id).where(people.c.is_admin.is_(True), people.c.state == "active").limit(1)
    async with services.database.reading() as db:
        return (await db.execute(query)).first() is not None


async def make_link_file(services: Services, data_dir: Path, *, actor: str) -> str:
    """Makes a link and writes it to DATA_DIR/admin-link.txt (0600). Raises NotReady where that cannot be written."""
    async with services.database.transaction() as db:
        link = await make_link(db, services, now=services.clock(), actor=actor)
    _write(data_dir / FILE_NAME, link)
    return link


def _write(file: Path, link: str) -> None:
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(link + "\n")
        fresh.replace(file)
    except OSError as error:
        raise NotReady(
            f"{file.absolute()} cannot be written ({error.strerror}): choose another OSTIARY_DATA_DIR"
        ) from error
