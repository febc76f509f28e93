"""The pool in which passwords are hashed: bounded, counted, renewing, and never in anyone's way (S21)."""

import asyncio
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from identity.argon2_hashes import CHEAPEST, STANDARD, Argon2Hasher, Argon2Parameters, Pepper, parse_argon2_hash
from identity.imported_hashes import UnreadableHash
from identity.password_hashes import HashPool, HashPoolBusy, Verified
from identity.password_rules import UnusablePassword

PASSWORD = "mallard orbit saffron quilt"
OLD, NEW = Pepper(b"o" * 32), Pepper(b"n" * 32)

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool() -> Iterator[HashPool]:
    """A pool with the cheapest hashes and two threads."""
    pool = HashPool(Argon2Hasher(CHEAPEST), threads=2)
    yield pool
    pool.close()


class GatedHasher(Argon2Hasher):
    """Real hashes that wait until the gate opens: what a busy pool looks like, without a clock."""

    def __init__(self) -> None:
        super().__init__(CHEAPEST)
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)

    def make(self, password: bytes) -> str:
        self.begun.release()
        assert self.gate.wait(30)
        return super().make(password)


@pytest.fixture
def gated() -> Iterator[GatedHasher]:
    """A hasher whose gate opens at the latest when the test ends."""
    hasher = GatedHasher()
    yield hasher
    hasher.gate.set()


def hash_by(*, peppers: list[Pepper] | None = None, parameters: Argon2Parameters = CHEAPEST) -> str:
    """A hash of PASSWORD from a pool of other settings."""
    return Argon2Hasher(parameters, peppers=peppers or []).make(PASSWORD.encode())


async def test_a_password_is_hashed_with_the_parameters_asked_for_and_its_own_salt() -> None:
    """S21: Argon2id, m=19 MiB, t=2, p=1."""
    pool = HashPool(Argon2Hasher(STANDARD), threads=1)
    first, second = await pool.hash(PASSWORD), await pool.hash(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert await pool.verify(first, PASSWORD) == Verified(ok=True)
    assert await pool.verify(second, PASSWORD + "x") == Verified(ok=False)
    pool.close()


async def test_composed_and_decomposed_spellings_are_one_password(pool: HashPool) -> None:
    """S20: NFC at both ends."""
    assert (await pool.verify(await pool.hash("cafe\u0301 saffron quilt"), "caf\u00e9 saffron quilt")).ok
    assert not (await pool.verify(await pool.hash("x" * 255 + "a"), "x" * 255 + "b")).ok


async def test_hashes_are_counted_and_an_unknown_account_costs_one(pool: HashPool) -> None:
    """S21, S22."""
    stored = await pool.hash(PASSWORD)
    assert pool.hashes_made == 1
    await pool.verify(stored, PASSWORD)
    assert pool.hashes_made == 2
    await pool.verify(stored, "wrong")
    assert pool.hashes_made == 3
    await pool.verify_nothing(PASSWORD)
    assert pool.hashes_made == 4
    await pool.verify("no hash at all", PASSWORD)
    assert pool.hashes_made == 5


async def test_text_that_can_be_no_password_is_wrong_without_a_hash(pool: HashPool) -> None:
    """S22: the same nothing for a known and for an unknown account."""
    stored = await pool.hash(PASSWORD)
    for text in ("nul\0", "\ud800", "x" * 1025):
        assert await pool.verify(stored, text) == Verified(ok=False)
        await pool.verify_nothing(text)
        with pytest.raises(UnusablePassword):
            await pool.hash(text)
    assert pool.hashes_made == 1


async def test_an_imported_hash_is_renewed_when_its_owner_signs_in(pool: HashPool) -> None:
    """S21: the whole password counts from then on, where bcrypt read 72 bytes."""
    password = "long " * 20
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    assert pool.needs_renewal(stored)
    assert await pool.verify(stored, "wrong") == Verified(ok=False)
    verified = await pool.verify(stored, password)
    assert verified.ok
    assert verified.renewed is not None
    assert pool.hashes_made == 3
    assert not pool.needs_renewal(verified.renewed)
    assert await pool.verify(verified.renewed, password) == Verified(ok=True)
    assert not (await pool.verify(verified.renewed, password[:72])).ok


@pytest.mark.parametrize(
    ("m", "t", "is_renewed"), [(16, 2, False), (32, 3, False), (8, 2, True), (16, 1, True), (64, 1, True)]
)
async def test_weaker_parameters_are_renewed_and_stronger_ones_kept(m: int, t: int, is_renewed: bool) -> None:
    """S21."""
    pool = HashPool(Argon2Hasher(Argon2Parameters(memory_kib=16, passes=2, lanes=1)), threads=1)
    stored = hash_by(parameters=Argon2Parameters(memory_kib=m, passes=t, lanes=1))
    verified = await pool.verify(stored, PASSWORD)
    assert verified.ok
    assert (verified.renewed is not None) == pool.needs_renewal(stored) == is_renewed
    assert verified.renewed is None or verified.renewed.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    pool.close()


async def test_published_argon2_hashes_verify_and_are_renewed(pool: HashPool) -> None:
    """The example of the reference implementation (argon2i, 64 MiB), bare and as Django stores it."""
    stored = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"
    for form in (stored, "argon2" + stored):
        verified = await pool.verify(form, "password")
        assert verified.ok
        assert verified.renewed is not None


async def test_a_pepper_is_needed_and_the_newest_is_put_in_place(pool: HashPool) -> None:
    """S21: a database without the pepper verifies nothing, not even by trying every password."""
    plain, old = hash_by(), hash_by(peppers=[OLD])
    assert old.startswith(f"$pepper${OLD.id}$argon2id$")
    bare = old.removeprefix(f"$pepper${OLD.id}")
    assert await pool.verify(bare, PASSWORD) == Verified(ok=False)

    peppered = HashPool(Argon2Hasher(CHEAPEST, peppers=[NEW, OLD]), threads=1)
    for stored in (plain, old):
        assert peppered.needs_renewal(stored)
        assert await peppered.verify(stored, "wrong") == Verified(ok=False)
        verified = await peppered.verify(stored, PASSWORD)
        assert verified.ok
        assert verified.renewed is not None
        assert verified.renewed.startswith(f"$pepper${NEW.id}$argon2id$")
        assert await peppered.verify(verified.renewed, PASSWORD) == Verified(ok=True)
    peppered.close()


async def test_a_lost_pepper_refuses_and_says_so_in_private(pool: HashPool) -> None:
    verified = await pool.verify(hash_by(peppers=[OLD]), PASSWORD)
    assert not verified.ok
    assert verified.fault == f"the hash was made with the pepper {OLD.id}, which is not configured"
    assert pool.hashes_made == 1


def test_a_pepper_is_long_and_keeps_itself_to_itself() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Pepper(b"short")
    assert "ooo" not in repr(OLD)
    assert OLD.id not in OLD.key.hex()


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=999999999,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=19456,t=99999,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=262144,t=32,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=19456,t=2,p=999$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
    ],
)
async def test_an_argon2_price_beyond_the_bounds_is_refused_unpaid(pool: HashPool, stored: str) -> None:
    """S21: refused by reading alone; verifying then costs one hash of ours."""
    with pytest.raises(UnreadableHash, match="beyond what is done"):
        parse_argon2_hash(stored)
    verified = await pool.verify(stored, PASSWORD)
    assert not verified.ok
    assert "beyond what is done" in (verified.fault or "")
    assert pool.hashes_made == 1


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$",
        "$argon2id$v=19$m=-8,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHR$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",  # bits left over in the salt
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG\n",
        "$pepper$xyz$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
    ],
)
async def test_a_broken_stored_hash_is_never_ok_and_costs_one_hash(pool: HashPool, stored: str) -> None:
    verified = await pool.verify(stored, PASSWORD)
    assert not verified.ok
    assert verified.renewed is None
    assert verified.fault
    assert pool.hashes_made == 1


async def test_the_loop_runs_on_while_passwords_are_hashed(gated: GatedHasher) -> None:
    """S21: were the hash made in the loop, the gate that the loop opens would never open."""
    pool = HashPool(gated, threads=1)
    hashing = asyncio.create_task(pool.hash(PASSWORD))
    await asyncio.to_thread(gated.begun.acquire)
    assert (pool.active, pool.waiting) == (1, 0)
    gated.gate.set()
    assert (await hashing).startswith("$argon2id$")
    assert (pool.active, pool.waiting) == (0, 0)
    pool.close()


async def test_beyond_the_queue_the_pool_says_busy_and_when_to_come_back(gated: GatedHasher) -> None:
    """Two hash, three wait, all others are told at once; whoever was let in is served."""
    pool = HashPool(gated, threads=2, max_waiting=3)
    tasks = [asyncio.create_task(pool.hash(PASSWORD)) for _ in range(20)]
    for _ in range(2):
        await asyncio.to_thread(gated.begun.acquire)
    assert (pool.active, pool.waiting) == (2, 3)
    for refused in (pool.hash(PASSWORD), pool.verify("", PASSWORD), pool.verify_nothing(PASSWORD)):
        with pytest.raises(HashPoolBusy, match="try again in 1 s"):
            await refused
    gated.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 5
    busy = [answer for answer in answers if isinstance(answer, HashPoolBusy)]
    assert len(busy) == 15
    assert all(answer.retry_after_s == 1 for answer in busy)
    assert pool.hashes_made == 5
    assert (pool.active, pool.waiting) == (0, 0)
    pool.close()


async def test_a_cancelled_waiter_gives_back_its_place(gated: GatedHasher) -> None:
    """A browser that goes away must not keep the next one out, nor cost a hash."""
    pool = HashPool(gated, threads=1, max_waiting=1)
    first = asyncio.create_task(pool.hash(PASSWORD))
    await asyncio.to_thread(gated.begun.acquire)
    for _ in range(10):
        waiter = asyncio.create_task(pool.hash(PASSWORD))
        await asyncio.sleep(0)
        assert pool.waiting == 1
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert (pool.active, pool.waiting) == (1, 0)
    last = asyncio.create_task(pool.hash(PASSWORD))
    gated.gate.set()
    await asyncio.gather(first, last)
    assert pool.hashes_made == 2
    pool.close()


async def test_a_hash_under_way_keeps_its_place_though_its_caller_is_gone(gated: GatedHasher) -> None:
    """Otherwise cancelled requests could fill every thread while the pool looked free."""
    pool = HashPool(gated, threads=1, max_waiting=0)
    gone = asyncio.create_task(pool.hash(PASSWORD))
    await asyncio.to_thread(gated.begun.acquire)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert pool.active == 1
    with pytest.raises(HashPoolBusy):
        await pool.hash(PASSWORD)
    gated.gate.set()
    pool.close()
    assert (pool.active, pool.waiting, pool.hashes_made) == (0, 0, 1)


async def test_a_closed_pool_refuses_and_counts_nobody(pool: HashPool) -> None:
    pool.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await pool.hash(PASSWORD)
    assert (pool.active, pool.waiting) == (0, 0)
