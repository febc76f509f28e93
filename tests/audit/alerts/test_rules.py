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
    return [(each.rule.name, each.topic, each.count) for one in happened for each in windows.judge(one, NOBODY)]


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
        "token_reused", "account_failures", "address_accounts", "lockouts", "administrator_device", "high_event",
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
        windows.judge(event(number, subject=f"usr_{number}", at=at, personal={"address": f"{number}"}), NOBODY)
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
    bursts = gather(each for one in happened for each in windows.judge(one, NOBODY))
    assert [(each.first.event.seq, each.last.seq, each.times) for each in bursts] == [(2, 8, 7), (9, 11, 3)]
    assert bursts[0].first.count == 3
