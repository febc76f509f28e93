"""The letters of a test's deployment, put into words: for whoever must open the link in one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from base.tables import outbox
from identity.mail.letter_values import LINKS, Fact
from identity.mail.letters import LetterWriter
from identity.mail.outbox import open_letter
from tests.world import World


@dataclass(frozen=True, slots=True)
class ReadLetter:
    """A letter that was promised. `kind` is the value of a `LetterKind` or `Notice`; `facts` are what it tells."""

    id: bytes
    kind: str
    to: str
    language: str
    facts: Mapping[str, Fact]
    subject: str
    text: str
    html: str

    def link(self, name: str = "link") -> str:
        """The address in the letter: its `link`, or its `not_me` or `unlock`."""
        assert name in LINKS
        found = str(self.facts[name])
        assert found in self.text, "a link that nobody sees"
        return found

    @property
    def code(self) -> str:
        """The code in the letter."""
        code = str(self.facts["code"])
        assert re.search(rf"^ +{re.escape(code)}$", self.text, re.MULTILINE), "a code that nobody sees"
        return code


async def letters(world: World, kind: str | None = None) -> list[ReadLetter]:
    """The letters that were promised and not sent yet, oldest first; of one kind where it is given."""
    settings = world.services.settings
    writer = LetterWriter(service_name=settings.service_name, issuer=settings.issuer)
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(outbox).where(outbox.c.sealed.is_not(None)).order_by(outbox.c.id))).all()
    found = []
    for row in rows:
        letter = open_letter(world.services.sealer, row.id, row.sealed)
        written = writer.write(letter)
        words = written.subject, written.text, written.html
        found.append(ReadLetter(row.id, letter.kind, letter.to, letter.language, letter.facts, *words))
    return [letter for letter in found if kind is None or letter.kind == kind]


async def one_letter(world: World, kind: str) -> ReadLetter:
    """The only letter of this kind."""
    [letter] = await letters(world, kind)
    return letter
