"""S37, S39, I6: when keys are asked for, how often, and what happens while the issuer is away."""

import anyio
import httpx2
import pytest

from ostiary import ConfigurationError, KeyPolicy, KeysUnavailable, TokenError, TokenErrorCode, Verifier
from ostiary.testing import FakeIssuer, make_key
from tests.sdk.clocks import Clock

pytestmark = pytest.mark.anyio

ONE_REFRESH = ["/.well-known/openid-configuration", "/.well-known/jwks.json"]


class GatedTransport(httpx2.AsyncBaseTransport):
    """The fake issuer, answering only when the gate is open."""

    def __init__(self, fake: FakeIssuer) -> None:
        self.gate = anyio.Event()
        self.waiting = 0
        self._inner = fake.transport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.waiting += 1
        await self.gate.wait()
        return await self._inner.handle_async_request(request)


def verifier_for(
    fake: FakeIssuer,
    clock: Clock,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    key_policy: KeyPolicy | None = None,
) -> Verifier:
    return Verifier(
        fake.issuer,
        fake.audience,
        transport=transport or fake.transport(),
        clock=clock,
        monotonic=clock,
        key_policy=key_policy,
    )


async def refusal_code(verifier: Verifier, token: str) -> TokenErrorCode:
    with pytest.raises(TokenError) as caught:
        await verifier.verify(token)
    return caught.value.code


async def test_fifty_first_tokens_at_once_cause_one_refresh(fake: FakeIssuer, clock: Clock) -> None:
    """S37: a cold start under load is one question to the issuer."""
    transport = GatedTransport(fake)
    verifier = verifier_for(fake, clock, transport=transport)
    subjects: list[str] = []

    async def verify_one(number: int) -> None:
        subjects.append((await verifier.verify(fake.mint({"sub": f"usr_{number}"}))).sub)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(verify_one, number)
        await anyio.wait_all_tasks_blocked()
        assert transport.waiting == 1
        transport.gate.set()
    assert sorted(subjects) == sorted(f"usr_{number}" for number in range(50))
    assert fake.requests == ONE_REFRESH


async def test_an_unknown_key_id_causes_one_refresh_and_then_a_cool_down(fake: FakeIssuer, clock: Clock) -> None:
    """S37: forged key ids must not become load on the issuer."""
    verifier = verifier_for(fake, clock)
    await verifier.verify(fake.mint())
    clock.pass_seconds(30)
    for number in range(20):
        stranger = make_key(kid=f"unknown-{number}")
        assert await refusal_code(verifier, fake.mint(key=stranger)) is TokenErrorCode.UNKNOWN_KEY
    assert fake.requests == ONE_REFRESH * 2
    clock.pass_seconds(29)
    assert await refusal_code(verifier, fake.mint(key=make_key())) is TokenErrorCode.UNKNOWN_KEY
    assert fake.requests == ONE_REFRESH * 2
    clock.pass_seconds(1)
    assert await refusal_code(verifier, fake.mint(key=make_key())) is TokenErrorCode.UNKNOWN_KEY
    assert fake.requests == ONE_REFRESH * 3


async def test_unknown_key_ids_cool_down_even_where_keys_may_not_be_kept(fake: FakeIssuer, clock: Clock) -> None:
    """S37: `no-store` and a policy without a least age mean a refresh for each good token, not for each forged one."""
    fake.max_age_s = 0
    verifier = verifier_for(fake, clock, key_policy=KeyPolicy(min_age_s=0))
    for _ in range(2):
        for _ in range(20):
            assert await refusal_code(verifier, fake.mint(key=make_key())) is TokenErrorCode.UNKNOWN_KEY
        assert fake.requests == ONE_REFRESH
        fake.requests.clear()
        clock.pass_seconds(30)
    for _ in range(3):
        assert (await verifier.verify(fake.mint())).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 3


async def test_the_cool_down_of_unknown_key_ids_does_not_keep_known_keys_from_renewal(
    fake: FakeIssuer, clock: Clock
) -> None:
    """S37: or one forged token each ten seconds would refuse all the good ones."""
    fake.max_age_s = 5
    verifier = verifier_for(fake, clock, key_policy=KeyPolicy(min_age_s=0, max_stale_s=0))
    await verifier.verify(fake.mint())
    clock.pass_seconds(30)
    assert await refusal_code(verifier, fake.mint(key=make_key())) is TokenErrorCode.UNKNOWN_KEY
    clock.pass_seconds(6)
    with pytest.raises(KeysUnavailable) as caught:
        await verifier.verify(fake.mint(key=make_key()))
    assert (caught.value.retry_after_s, caught.value.reason) == (24, "too old")
    assert (await verifier.verify(fake.mint())).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 3


async def test_a_new_key_is_found_by_that_one_refresh(fake: FakeIssuer, clock: Clock) -> None:
    """S39: rotation needs no restart and refuses nobody, old tokens included."""
    verifier = verifier_for(fake, clock)
    old = fake.mint()
    await verifier.verify(old)
    clock.pass_seconds(30)
    fake.rotate()
    assert (await verifier.verify(fake.mint({"sub": "usr_new"}))).sub == "usr_new"
    assert (await verifier.verify(old)).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 2


async def test_a_withdrawn_key_is_obeyed_at_the_next_refresh_even_for_remembered_tokens(
    fake: FakeIssuer, clock: Clock
) -> None:
    """S39."""
    verifier = verifier_for(fake, clock)
    old = fake.mint(ttl_s=3600)
    await verifier.verify(old)
    fake.rotate(withdraw=True)
    clock.pass_seconds(299)
    assert (await verifier.verify(old)).sub == "usr_test"
    clock.pass_seconds(1)
    assert await refusal_code(verifier, old) is TokenErrorCode.UNKNOWN_KEY
    assert (await verifier.verify(fake.mint())).sub == "usr_test"


async def test_a_key_replaced_under_its_id_takes_its_remembered_tokens_along(fake: FakeIssuer, clock: Clock) -> None:
    """S39: the cache remembers which key proved a token, not only its name."""
    verifier = verifier_for(fake, clock)
    old = fake.mint(ttl_s=3600)
    await verifier.verify(old)
    fake.published = [make_key(kid=fake.key.kid).as_jwk()]
    clock.pass_seconds(300)
    assert await refusal_code(verifier, old) is TokenErrorCode.BAD_SIGNATURE
    assert await refusal_code(verifier, old) is TokenErrorCode.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("max_age_s", "fresh_for_s"), [(0, 10), (5, 10), (60, 60), (3600, 3600), (86_400, 3600), (999_999_999, 3600)]
)
async def test_the_issuers_max_age_is_obeyed_within_bounds(
    max_age_s: int, fresh_for_s: int, fake: FakeIssuer, clock: Clock
) -> None:
    """Neither a request for each token nor keys believed for a year."""
    fake.max_age_s = max_age_s
    verifier = verifier_for(fake, clock)
    await verifier.verify(fake.mint())
    clock.pass_seconds(fresh_for_s - 1)
    await verifier.verify(fake.mint())
    assert fake.requests == ONE_REFRESH
    clock.pass_seconds(1)
    await verifier.verify(fake.mint())
    assert fake.requests == ONE_REFRESH * 2


async def test_while_the_issuer_is_away_old_keys_work_for_the_stated_time_and_no_longer(
    fake: FakeIssuer, clock: Clock
) -> None:
    """I6: stale if error, a day past freshness; then 503 and not 401, and at once well again."""
    verifier = verifier_for(fake, clock)
    await verifier.verify(fake.mint())
    fake.go_down()
    clock.pass_seconds(300 + 86_399)
    assert (await verifier.verify(fake.mint())).sub == "usr_test"
    clock.pass_seconds(1)
    token = fake.mint()
    with pytest.raises(KeysUnavailable, match="try again later") as caught:
        await verifier.verify(token)
    assert 1 <= caught.value.retry_after_s <= 30
    assert "ConnectError" in caught.value.reason
    fake.come_back()
    clock.pass_seconds(caught.value.retry_after_s)
    assert (await verifier.verify(token)).sub == "usr_test"


async def test_an_unknown_key_while_the_issuer_is_away_is_our_trouble_and_not_the_tokens(
    fake: FakeIssuer, clock: Clock
) -> None:
    """I6: we cannot know whether the key is new, so 503; known keys go on working."""
    verifier = verifier_for(fake, clock)
    await verifier.verify(fake.mint())
    fake.go_down()
    clock.pass_seconds(30)
    unseen = fake.mint(key=make_key())
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await verifier.verify(unseen)
    assert len(fake.requests) == 3, "one attempt, then the cool-down"
    assert (await verifier.verify(fake.mint())).sub == "usr_test"


async def test_a_start_without_the_issuer_waits_longer_after_each_failure(fake: FakeIssuer, clock: Clock) -> None:
    """I6: nothing is let through, and the issuer is not hammered: 1, 2, 4, 8, 16, 30, 30 seconds between attempts."""
    fake.go_down()
    verifier = verifier_for(fake, clock)
    waits: list[int] = []
    for _ in range(7):
        with pytest.raises(KeysUnavailable) as caught:
            await verifier.verify(fake.mint())
        waits.append(caught.value.retry_after_s)
        attempts = len(fake.requests)
        clock.pass_seconds(caught.value.retry_after_s - 0.5)
        with pytest.raises(KeysUnavailable):
            await verifier.verify(fake.mint())
        assert len(fake.requests) == attempts
        clock.pass_seconds(0.5)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


async def test_a_task_cancelled_while_refreshing_hands_the_turn_on(fake: FakeIssuer, clock: Clock) -> None:
    """A client that hangs up must not fail the requests that waited with it."""
    transport = GatedTransport(fake)
    verifier = verifier_for(fake, clock, transport=transport)
    subjects: list[str] = []

    async def verify_one() -> None:
        subjects.append((await verifier.verify(fake.mint())).sub)

    async with anyio.create_task_group() as group:
        impatient = anyio.CancelScope()

        async def hang_up() -> None:
            with impatient:
                await verify_one()

        group.start_soon(hang_up)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(verify_one)
        await anyio.wait_all_tasks_blocked()
        impatient.cancel()
        await anyio.wait_all_tasks_blocked()
        transport.gate.set()
    assert subjects == ["usr_test"]


async def test_while_one_task_refreshes_stale_keys_the_others_do_not_wait(fake: FakeIssuer, clock: Clock) -> None:
    """A slow issuer costs one request a wait, not all of them."""
    transport = GatedTransport(fake)
    transport.gate.set()
    verifier = verifier_for(fake, clock, transport=transport)
    await verifier.verify(fake.mint())
    clock.pass_seconds(300)
    transport.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(verifier.verify, fake.mint())
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            assert (await verifier.verify(fake.mint())).sub == "usr_test"
        transport.gate.set()


async def test_an_issuer_that_never_answers_is_given_up_after_the_stated_time(fake: FakeIssuer, clock: Clock) -> None:
    """S48: every outside call has a timeout, whatever the transport."""
    verifier = verifier_for(
        fake, clock, transport=GatedTransport(fake), key_policy=KeyPolicy(timeout_s=0.05)
    )  # fmt: skip
    with anyio.fail_after(2), pytest.raises(KeysUnavailable) as caught:
        await verifier.verify(fake.mint())
    assert caught.value.reason.startswith("TimeoutError")


@pytest.mark.parametrize(
    "numbers",
    [{"timeout_s": 0}, {"cooldown_s": 0}, {"max_stale_s": -1}, {"max_stale_s": float("inf")}, {"min_age_s": 400},
     {"max_age_s": 200}, {"timeout_s": float("nan")}, {"refresh_at": 0}, {"refresh_at": 1.5}, {"unknown_for_s": -1}],
)  # fmt: skip
async def test_a_policy_that_would_never_ask_or_always_ask_is_refused(numbers: dict[str, float]) -> None:
    """The error names the numbers."""
    with pytest.raises(ConfigurationError, match="KeyPolicy: "):
        KeyPolicy(**numbers)
