"""The policies of a deployment as commands and the API change them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from identity.administrators import load_administrators
from identity.services import Services
from policy.activating import Activating
from policy.lockout import Administrator


def make_activating(services: Services) -> Activating:
    """Puts sets in force, and looks after the administrators that there are (S43)."""

    async def administrators(db: AsyncConnection) -> Sequence[Administrator]:
        return await load_administrators(db, mail_code=services.settings.has_mail)

    return Activating(services.database, services.emitter, administrators)
