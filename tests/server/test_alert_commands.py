"""`ostiary alert`: what an operator sees and does, on a deployment whose receivers the test looks into."""

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import Result
from sqlalchemy import update

from audit.tables import deliveries
from tests.audit.alerts.desk import LOOPBACK, SECRET, Desk, locked, open_desk
from tests.http_receiver import HttpReceiver
from tests.server.command_line import CommandLine
from tests.smtp_server import SmtpServer
from tests.world import ISSUER, MASTER_KEY

pytestmark = pytest.mark.anyio


class Operator:
    """Runs commands beside a deployment, while its receivers listen."""

    def __init__(self, url: str, folder: Path, **settings: str) -> None:
        self._commands = CommandLine(
            {
                "OSTIARY_ISSUER": ISSUER,
                "OSTIARY_DATA_DIR": str(folder),
                "OSTIARY_DATABASE_URL": url,
                "OSTIARY_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
                "OSTIARY_SECRETS_DIR": str(folder / "none"),
                "OSTIARY_OUTBOUND__ALLOW": LOOPBACK,
                "OSTIARY_OUTBOUND__TIMEOUT_S": "1",
                **settings,
            }
        )

    async def run(self, *args: str) -> Result:
        return await asyncio.to_thread(self._commands.run, "alert", *args)

    async def json(self, *args: str, code: int = 0) -> dict[str, object]:
        result = await self.run(*args, "--json")
        assert result.exit_code == code, result.output
        document: dict[str, object] = json.loads(result.stdout)
        return document


def rows(document: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """The list of a document."""
    return msgspec.convert(document[name], list[dict[str, object]])


def operator_of(desk: Desk, url: str, folder: Path) -> Operator:
    return Operator(url, folder, OSTIARY_ALERT__WEBHOOK_URL=desk.receiver.url, OSTIARY_ALERT__WEBHOOK_SECRET=SECRET)


async def test_an_operator_lists_looks_acknowledges_and_the_receiver_hears_of_it(
    database_url: str, tmp_path: Path
) -> None:
    async with open_desk(database_url, tmp_path) as desk:
        operator = operator_of(desk, database_url, tmp_path)
        assert "There are no alerts." in (await operator.run("list")).stdout
        person = await desk.world.person(password=None)
        await desk.tell(locked(person))
        await desk.round()
        document = await operator.json("list", "--open")
        [alert] = rows(document, "alerts")
        assert (alert["rule"], alert["about"], alert["count"], alert["acknowledged_by"]) == (
            "high_event", "ada", 1, None,
        )  # fmt: skip
        alert_id = str(alert["id"])
        words = (await operator.run("show", alert_id)).stdout
        for expected in (
            "Too many failed attempts",
            "ada (usr_",
            "198.51.100.7",
            "What to do now",
            "webhook at 127.0.0.1:",
        ):
            assert expected in words
        shown = await operator.json("show", alert_id)
        assert msgspec.convert(shown["event"], dict[str, object])["name"] == "lockout.started"
        assert await operator.json("ack", alert_id) == {"acknowledged": alert_id, "first": True}
        assert await operator.json("ack", alert_id) == {"acknowledged": alert_id, "first": False}
        assert (await operator.json("list", "--open"))["alerts"] == []
        await desk.round()
        assert [kind for kind, _ in desk.told()] == ["alert.opened", "alert.acknowledged"]
        [told] = await desk.world.events("admin.alert_acknowledged")
        assert (told["actor"], told["data"]) == ("cli", {"alert": alert_id, "rule": "high_event"})


async def test_what_was_given_up_is_listed_and_sent_again(database_url: str, tmp_path: Path) -> None:
    async with open_desk(database_url, tmp_path) as desk:
        operator = operator_of(desk, database_url, tmp_path)
        assert "Every message arrived" in (await operator.run("list", "--failed")).stdout
        person = await desk.world.person(password=None)
        desk.receiver.status = 500
        await desk.tell(locked(person))
        await desk.round()
        async with desk.world.services.database.transaction() as db:
            await db.execute(update(deliveries).values(failed_at=desk.clock(), reason="it answered 500"))
        words = (await operator.run("list", "--failed")).stdout
        assert f"webhook at 127.0.0.1:{desk.receiver.port}" in words
        assert "it answered 500" in words
        [alert] = await desk.alerts()
        again = await operator.json("retry", f"alr_{alert.id.hex()}")
        assert again == {"again": [{"alert": f"alr_{alert.id.hex()}", "receiver": "webhook"}]}
        desk.receiver.status = 200
        await desk.round()
        assert (await desk.deliveries())[0].sent_at is not None
        assert await operator.json("retry", "--all") == {"again": []}


async def test_a_test_goes_to_every_receiver_and_each_answer_is_told(database_url: str, tmp_path: Path) -> None:
    async with (
        HttpReceiver().running() as webhook,
        HttpReceiver(mood="hang").running() as slack,
        HttpReceiver(status=202).running() as duty,
        SmtpServer().running() as mail,
    ):
        operator = Operator(
            database_url,
            tmp_path,
            OSTIARY_ALERT__WEBHOOK_URL=webhook.url,
            OSTIARY_ALERT__WEBHOOK_SECRET=SECRET,
            OSTIARY_ALERT__SLACK_URL=slack.url,
            OSTIARY_ALERT__PAGERDUTY_URL=duty.url,
            OSTIARY_ALERT__PAGERDUTY_KEY="k" * 32,
            OSTIARY_ALERT__EMAIL="soc@example.com",
            OSTIARY_ALERT__ESCALATE_EMAIL="boss@example.com,soc@example.com",
            OSTIARY_SMTP_URL=f"smtp://127.0.0.1:{mail.port}",
            OSTIARY_MAIL__SENDER="no-reply@example.com",
        )
        document = await operator.json("test", code=3)
    found = {each["receiver"]: each["reason"] for each in rows(document, "receivers")}
    assert found == {
        f"webhook at 127.0.0.1:{webhook.port}": None,
        "Slack": f"127.0.0.1:{slack.port}: no answer in time (1 s)",
        "PagerDuty": None,
        "soc@example.com": None,
        "boss@example.com": None,
    }
    assert webhook.posts[0].document["type"] == "alert.test"
    assert [post.document["event_action"] for post in duty.posts] == ["trigger", "resolve"]
    assert sorted(letter.to for letter in mail.arrived) == ["boss@example.com", "soc@example.com"]
    assert all("TEST] This is a test" in letter.message["subject"] for letter in mail.arrived)


async def test_what_an_operator_mistypes_is_told(database_url: str, tmp_path: Path) -> None:
    operator = Operator(database_url, tmp_path)
    for args, code, words in (
        (("ack", "17"), 1, "alert: expected an id such as alr_ and 32 digits"),
        (("show", "alr_" + "0" * 32), 1, "alert: there is no such alert"),
        (("retry", "alr_" + "0" * 32), 1, "alert: there is no such alert"),
        (("test",), 1, "receivers: no receiver is set"),
        (("retry",), 2, "expected an alert, or --all"),
    ):
        result = await operator.run(*args)
        assert (result.exit_code, words in result.stderr) == (code, True), result.output
