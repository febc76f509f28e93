"""The rules as a table, and their memory: pure, and bounded."""

from datetime import timedelta

from audit.alerts.advice import ADVICE
from audit.alerts.rules import RULES, WATCHED, WINDOW, rules_for
from audit.alerts.values import Limits
from audit.alerts.windows import BURST, Windows, gather
from audit.catalogue import Severity, all_types
from audit.reading import StoredEvent
from base.clock import utc_now

NOW = utc_now()
LIMITS = Limits(account_failures=3, address_accounts=3, lockouts=3)
NOBODY: frozenset[str] = frozenset()


def event(number: int, name: str = "login.failed", **parts: object) -> StoredEvent:
    """A stored event; each `number` is another one, a second later."""
    kind = all_types()[name]
    given: dict[str, object] = {
        "seq": number, "id": number.to_bytes(16, "big"), "at": NOW + timedelta(seconds=number), "name": name,
        "family": kind.family, "severity": kind.severity.value, "outcome": "failure", "actor": "anonymous",
        "subject": "usr_1", "client_id": None, "session_id": None, "device_id": None, "place": None, "risk_score": None,
        "risk_reasons": None, "policy_revision": None, "request_id": None, "source": "auth-service", "data": {},
        "personal": {}, "body": "{}", "sealed_for": bytes(16), **parts,
    }  # fmt: skip
    return StoredEvent(**given)  # type: ignore[arg-type]


def fired(windows: Windows, *happened: StoredEvent) -> list[tuple[str, str | None, int]]:
    """What fires, in order."""
    told = [each for one in happened for each in windows.judge(one, NOBODY, now=one.at)]
    return [(each.rule.name, None if each.is_many else each.topic, each.count) for each in told]


def test_every_high_event_is_told_by_exactly_one_rule_of_its_own_or_with_its_own_advice() -> None:
    for name, kind in all_types().items():
        if kind.severity is not Severity.HIGH:
            continue
        telling = [rule.name for rule in rules_for(event(1, name)) if rule.limit(LIMITS) == 1 and rule.names]
        assert (len(telling) == 1) is not (name in ADVICE), name
    assert {name for name in ADVICE if all_types()[name].severity is not Severity.HIGH} == set()


def test_an_undelivered_alert_is_nothing_that_a_rule_looks_at() -> None:
    """An alert about it would go the very way that does not work, and on for ever."""
    assert rules_for(event(1, "admin.alert_undelivered")) == ()
    assert "admin.alert_undelivered" not in WATCHED


def test_names_of_rules_are_what_others_rely_on() -> None:
    assert [rule.name for rule in RULES] == [
        "token_reused", "account_failures", "address_accounts", "lockouts", "administrator_device",
        "administrator_country", "high_event",
    ]  # fmt: skip


def test_a_rule_fires_at_its_limit_and_with_everything_beyond_it() -> None:
    windows = Windows(LIMITS)
    happened = [event(number) for number in range(5)]
    assert fired(windows, *happened) == [("account_failures", "usr_1", 3)] * 3


def test_the_same_event_seen_twice_counts_once() -> None:
    windows = Windows(LIMITS)
    assert fired(windows, event(1), event(2), event(2), event(1)) == []
    assert fired(windows, event(3)) == [("account_failures", "usr_1", 3)]


def test_the_window_ends_to_the_second() -> None:
    first, second = event(0), event(1)
    just_within = event(2, at=NOW + WINDOW - timedelta(microseconds=1))
    assert fired(Windows(LIMITS), first, second, just_within) == [("account_failures", "usr_1", 3)]
    just_outside = event(2, at=NOW + WINDOW)
    assert fired(Windows(LIMITS), first, second, just_outside) == []


def test_one_address_is_counted_by_accounts_and_each_once() -> None:
    windows = Windows(LIMITS)
    from_one = {"address": "192.0.2.1"}
    tries = [event(number, subject=f"usr_{number % 2}", personal=from_one) for number in range(4)]
    assert [name for name, _, _ in fired(windows, *tries)] == []
    assert fired(windows, event(9, subject="usr_9", personal=from_one)) == [("address_accounts", "192.0.2.1", 3)]


def test_an_event_of_an_erased_person_is_judged_without_what_was_erased() -> None:
    assert fired(Windows(LIMITS), *[event(number, personal=None) for number in range(3)]) == [
        ("account_failures", "usr_1", 3)
    ]


def test_memory_stays_within_its_bound_and_forgets_what_was_touched_longest_ago() -> None:
    windows = Windows(LIMITS, most_items=100)
    for number in range(5000):
        at = NOW + timedelta(microseconds=number)
        windows.judge(event(number, subject=f"usr_{number}", at=at, personal={"address": f"{number}"}), NOBODY, now=at)
        assert windows.size <= 100
    newest = [event(number, subject="usr_4999", at=NOW) for number in (6000, 6001)]
    assert fired(windows, *newest) == [("account_failures", "usr_4999", 3)]
    assert fired(windows, *[event(number, subject="usr_1", at=NOW) for number in (7000, 7001)]) == []


def test_what_comes_after_many_others_of_its_kind_is_about_many() -> None:
    windows = Windows(Limits(account_failures=3, address_accounts=3, lockouts=1000))
    topics = [topic for _, topic, _ in fired(windows, *[
        event(number, "admin.link_used", subject=f"usr_{number}") for number in range(BURST + 3)
    ])]  # fmt: skip
    assert topics == [f"admin.link_used usr_{number}" for number in range(BURST)] + [None] * 3
    # Those that are told of already go on by themselves, and after the window there is room again.
    assert fired(windows, event(50, "admin.link_used", subject="usr_0"))[0][1] == "admin.link_used usr_0"
    later = event(60, "admin.link_used", subject="usr_60", at=NOW + WINDOW * 2)
    assert fired(windows, later)[0][1] == "admin.link_used usr_60"


def test_what_comes_together_is_one_change_and_what_comes_later_is_another() -> None:
    windows = Windows(LIMITS)
    happened = [event(number, at=NOW + timedelta(seconds=10 * number)) for number in range(12)]
    bursts = gather(each for one in happened for each in windows.judge(one, NOBODY, now=NOW))
    assert [(each.first.event.seq, each.last.event.seq, each.times) for each in bursts] == [(2, 8, 7), (9, 11, 3)]
    assert bursts[0].first.count == 3


def test_a_failure_of_a_time_to_come_does_not_keep_a_window_open() -> None:
    """A clock that ran a day ahead for one event: failures of many hours must not add up behind it."""
    windows = Windows(LIMITS)
    ahead = event(0, at=NOW + timedelta(days=1))
    spread = [event(number, at=NOW + timedelta(minutes=20 * number)) for number in range(1, 20)]
    assert fired(windows, ahead, *spread) == []
    close = [event(number, at=NOW + timedelta(days=2, minutes=number)) for number in range(3)]
    assert fired(windows, *close) == [("account_failures", "usr_1", 3)]


def test_addresses_of_one_customer_are_one_in_ipv6_and_each_its_own_in_ipv4() -> None:
    def tries(addresses: list[str]) -> list[StoredEvent]:
        return [
            event(number, subject=f"usr_{number}", personal={"address": address})
            for number, address in enumerate(addresses)
        ]

    spray = [f"2001:db8:1:1:{number:x}::{number:x}" for number in range(3)]
    assert fired(Windows(LIMITS), *tries(spray)) == [("address_accounts", "2001:db8:1:1::/64", 3)]
    assert fired(Windows(LIMITS), *tries([f"2001:db8:1:{number}::1" for number in range(3)])) == []
    assert fired(Windows(LIMITS), *tries([f"192.0.2.{number}" for number in range(3)])) == []
    wrapped = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"]
    assert fired(Windows(LIMITS), *tries(wrapped)) == [("address_accounts", "192.0.2.1", 3)]
    assert fired(Windows(LIMITS), *tries(["nowhere"] * 3)) == [("address_accounts", "nowhere", 3)]


def test_what_another_service_sent_is_never_taken_for_something_that_happened_here() -> None:
    sent = [event(number, source="cli_shop The shop") for number in range(5)]
    assert fired(Windows(LIMITS), *sent) == []
    reused = event(9, "token.reused", source="cli_shop The shop")
    assert fired(Windows(LIMITS), reused) == [("high_event", "from cli_shop: token.reused usr_1", 1)]


def test_what_one_application_sends_is_of_one_kind_under_however_many_names_and_times() -> None:
    """S44: names and times are the sender's choice, and neither may make it ring more often."""
    windows = Windows(LIMITS)
    sent = [
        event(
            number, "admin.link_used", subject=f"s{number}", source="cli_shop The shop",
            at=NOW - timedelta(hours=number),
        )
        for number in range(500)
    ]  # fmt: skip
    told = [each for one in sent for each in windows.judge(one, NOBODY, now=NOW)]
    assert len({each.topic for each in told}) == BURST + 1
    assert (told[-1].is_many, told[-1].topic) == (True, "from cli_shop: many")
    assert len(gather(told)) == BURST + 1
    assert windows.size == BURST


def test_memory_of_who_was_told_of_stays_within_the_bound_too() -> None:
    windows = Windows(LIMITS, most_items=50)
    for number in range(200):
        windows.judge(event(number, "admin.link_used", source=f"cli_{number} x"), NOBODY, now=NOW)
        assert windows.size <= 50
