"""What the operator is told of the ledger."""

import pytest

from audit.ledger.keeping import LedgerKeeping
from audit.ledger.state import find_state
from tests.audit.ledger.test_numbering import emit
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_the_state_counts_what_waits_and_what_no_checkpoint_covers(world: World) -> None:
    keeping = LedgerKeeping(world.services.audit)
    await emit(world, 3)
    async with world.services.database.reading() as db:
        fresh = await find_state(db)
    assert fresh.size == 0
    assert fresh.unnumbered == fresh.uncovered >= 3
    assert fresh.uncovered_since is not None
    await keeping.number()
    async with world.services.database.reading() as db:
        numbered = await find_state(db)
    assert (numbered.size, numbered.unnumbered) == (fresh.unnumbered, 0)
    assert numbered.uncovered == numbered.size
    assert numbered.uncovered_since == fresh.uncovered_since
    await keeping.sign()
    async with world.services.database.reading() as db:
        covered = await find_state(db)
    assert (covered.uncovered, covered.uncovered_since) == (0, None)
    at = world.clock()
    await emit(world, 2)
    await keeping.number()
    async with world.services.database.reading() as db:
        grown = await find_state(db)
    assert grown.uncovered == 2
    assert grown.uncovered_since is not None
    assert grown.uncovered_since >= at
