"""HIGH events that other services send: they ring, but neither drown nor mute what happens here or elsewhere."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from audit.alerts.windows import BURST
from audit.intake.schema import SentEvent
from audit.intake.taking import Intake, Sender
from base.ids import PERSON, show_id
from server.alert_desk import acknowledge
from tests.audit.alerts.desk import Desk, locked

pytestmark = pytest.mark.anyio


def sent(desk: Desk, **parts: object) -> SentEvent:
    """A HIGH event as a service would send it now."""
    given: dict[str, object] = {
        "id": str(uuid4()), "at": desk.clock(), "name": "order.fraud", "severity": "HIGH", **parts,
    }  # fmt: skip
    return SentEvent(**given)  # type: ignore[arg-type]


async def take(desk: Desk, *batch: SentEvent, sender: str = "cli_shop") -> None:
    """Takes in a batch, and numbers it."""

    async def nobody(subs: Collection[str]) -> Mapping[str, bytes]:
        return {}

    intake = Intake(desk.world.services.database, desk.world.services.emitter, nobody)
    by = Sender(client_id=sender, name="The shop", request_id=None)
    await intake.take(batch, by, key=None, digest=b"", now=desk.clock())
    while await desk.sequencer.round():
        pass


async def test_a_flood_is_eleven_alerts_and_what_happens_here_is_told_first(desk: Desk) -> None:
    """S44: whoever may send events must not be able to bury a lockout under them."""
    person = await desk.world.person(password=None)
    await take(desk, *[sent(desk, name=f"n.e{number}", sub=f"s{number}") for number in range(1000)])
    await desk.tell(locked(person))
    await desk.round()
    assert "Too many failed attempts: an account is locked for a while (ada)" in [about for _, about in desk.told()]
    rules = await desk.rules()
    assert (len(rules), sum(count for _, count in rules)) == (BURST + 2, 1001)
    for _ in range(5):
        await desk.round()
    assert len(desk.receiver.posts) == BURST + 2
    desk.clock.move(minutes=6)
    for _ in range(5):
        await desk.round()
    assert Counter(kind for kind, _ in desk.told()) == {"alert.opened": BURST + 2, "alert.escalated": BURST + 2}
    assert any(str(about).startswith("Many at once: n.e") for _, about in desk.told())


async def test_times_that_the_sender_chose_make_no_more_alerts(desk: Desk) -> None:
    for days in range(20):
        await take(desk, *[sent(desk, name=f"n.e{days}", at=desk.clock() - timedelta(days=days, minutes=m)) for m in
                           range(0, 600, 20)])  # fmt: skip
    await desk.round()
    assert len(await desk.alerts()) == BURST + 1


async def test_one_sender_cannot_mute_another(desk: Desk) -> None:
    await take(desk, sent(desk, sub="s1"), sender="cli_careless")
    await desk.round()
    [alert] = await desk.alerts()
    await acknowledge(desk.settings, desk.world.services, alert.id, by="cli", now=desk.clock())
    await desk.round()
    desk.receiver.posts.clear()
    desk.clock.move(minutes=5)
    await take(desk, sent(desk, sub="s1"), sender="cli_honest")
    await desk.round()
    assert desk.told() == [("alert.opened", "order.fraud (s1)")]
    assert [alert.facts["source"] for alert in await desk.alerts()] == ["cli_careless The shop", "cli_honest The shop"]


async def test_what_comes_days_late_is_escalated_all_the_same(desk: Desk) -> None:
    happened_at = desk.clock() - timedelta(days=2)
    await take(desk, sent(desk, at=happened_at))
    await desk.round()
    desk.clock.move(seconds=299)
    await desk.round()
    assert [kind for kind, _ in desk.told()] == ["alert.opened"]
    desk.clock.move(seconds=2)
    await desk.round()
    assert [kind for kind, _ in desk.told()] == ["alert.opened", "alert.escalated"]
    data = desk.receiver.posts[0].document["data"]
    assert isinstance(data, dict)
    # The log is asked for the time at which it happened.
    begins = (happened_at - timedelta(minutes=15)).strftime("from=%Y-%m-%dT%H%%3A%M")
    assert begins in data["log"]
    assert "source=cli_shop" in data["log"]


async def test_what_a_sender_says_stands_under_no_label_of_ours(desk: Desk) -> None:
    person = await desk.world.person("root", password=None, admin=True)
    shown = show_id(PERSON, person.id)
    said = {"actor": "The board", "subject": "Nobody", "client": "Trusted", "reason": "locked"}
    await take(desk, sent(desk, data=said, personal={"label": "Known laptop"}, message="Look", actor=shown))
    await desk.round()
    data = desk.receiver.posts[0].document["data"]
    assert isinstance(data, dict)
    told = {each["label"]: each["value"] for each in data["details"]}
    assert not {"Account", "Device", "Application", "About", "Reason"} & told.keys()
    assert told["Service"] == "cli_shop The shop"
    assert (told["data.actor"], told["data.subject"], told["data.client"]) == ("The board", "Nobody", "Trusted")


async def test_a_name_of_ours_gets_no_words_of_ours(desk: Desk) -> None:
    await take(desk, sent(desk, name="lockout.started"))
    await desk.round()
    assert desk.told() == [("alert.opened", "lockout.started")]
    data = desk.receiver.posts[0].document["data"]
    assert isinstance(data, dict)
    assert data["advice"] == "Find out whether this was meant. The log says who did it and from where."
