"""`ostiary user`: states, facts, unlocking, and the links by which people make or mend their accounts themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import utc_now
from base.ids import PERSON, new_id, parse_id
from identity import lockout
from identity.services import Services
from identity.tables import credentials, devices, emails, lockouts, people
from server.commands.frame import Frame
from tests.server.command_line import CommandLine

PASSWORD = "a quiet harbour at dusk 7"
ADA = ("user", "create", "--username", "ada", "--email", "ada@example.com", "--password-stdin")


@pytest.fixture
def ada(cli: CommandLine) -> str:
    """The id of an account with a password and a verified address."""
    return str(cli.json(*ADA, stdin=PASSWORD)["id"])


@pytest.fixture
def on_database(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Does something to the deployment that the commands work on."""

    def act(work: Callable[[AsyncConnection, Services], Awaitable[None]]) -> None:
        with monkeypatch.context() as patched:
            for name, value in cli.environ.items():
                patched.setenv(name, value)

            async def run(services: Services, now: object) -> None:
                async with services.database.transaction() as db:
                    await work(db, services)

            Frame(as_json=True, config=None, data_dir=None).with_services(run)

    return act


def person_id(shown: str) -> bytes:
    """The id behind its public text."""
    found = parse_id(PERSON, shown)
    assert found is not None
    return found


def test_a_user_is_suspended_opened_and_deleted_for_good(cli: CommandLine, ada: str) -> None:
    """S18"""
    assert cli.json("user", "suspend", "ada") == {"id": ada, "state": "suspended"}
    assert cli.json("user", "enable", "ada") == {"id": ada, "state": "active"}
    unsure = cli.run("user", "delete", "ada")
    assert (unsure.exit_code, "say --yes as well" in unsure.stderr) == (2, True)
    assert cli.json("user", "show", "ada")["state"] == "active"
    assert cli.json("user", "delete", "ada", "--yes") == {"id": ada, "state": "deleted"}
    shown = cli.json("user", "show", ada)
    assert (shown["state"], shown["username"], shown["emails"], shown["profile"]) == ("deleted", None, [], {})
    assert (shown["factors"], shown["sessions"]) == ([], 0)
    again = cli.run("user", "enable", ada)
    assert (again.exit_code, "stays deleted" in again.stderr) == (1, True)
    assert cli.names().count("admin.person_state_changed") == 3
    assert cli.json(*ADA, stdin=PASSWORD)["id"] != ada, "the name is free again"


def test_the_last_administrator_is_not_deleted(cli: CommandLine) -> None:
    """S43"""
    cli.json("user", "create", "--username", "root-of-all", "--admin")
    refused = cli.run("user", "delete", "root-of-all", "--yes")
    assert (refused.exit_code, "last active administrator" in refused.stderr) == (1, True)
    assert cli.json("user", "show", "root-of-all")["username"] == "root-of-all"


def test_show_and_list_tell_factors_doors_sessions_and_dates_and_no_secret(
    cli: CommandLine, ada: str, on_database: Callable[..., None]
) -> None:
    due = utc_now().replace(microsecond=0) + timedelta(days=3)

    async def equip(db: AsyncConnection, services: Services) -> None:
        row = {"person_id": person_id(ada), "attributes": {}, "created_at": utc_now(), "version": 1}
        await db.execute(insert(credentials).values(id=new_id(due), kind="totp", sealed=b"a sealed secret", **row))
        await db.execute(update(people).values(enrol_due_at=due, delete_at=due))
        key = lockout.person_key(services.emitter, person_id(ada))
        await db.execute(insert(lockouts).values(key=key, failures=5, first_at=utc_now(), until=due))

    before = cli.json("user", "show", "ada")
    assert (before["factors"], before["sessions"], before["locked_until"]) == (["password"], 0, None)
    assert (before["enrol_due_at"], before["delete_at"]) == (None, None)
    on_database(equip)
    shown = cli.json("user", "show", "ada")
    assert shown["factors"] == ["password", "totp"]
    assert shown["locked_until"] == shown["enrol_due_at"] == shown["delete_at"] == due.isoformat()
    assert cli.json("user", "list")["users"] == [shown]
    words = cli.run("user", "list").stdout
    assert "password totp  0 sessions  locked, to be deleted" in words
    assert "argon2" not in cli.run("user", "show", "ada").stdout


def test_unlock_opens_every_door_of_this_person_and_of_nobody_else(
    cli: CommandLine, ada: str, on_database: Callable[..., None]
) -> None:
    """S23, S24: passwords, codes, passkeys and recovery are counted apart, at large and at each device."""
    eve, device = cli.json("user", "create", "--username", "eve")["id"], new_id(utc_now())
    left: list[bytes] = []

    async def close(db: AsyncConnection, services: Services) -> None:
        emitter, now = services.emitter, utc_now()
        values = {"id": device, "person_id": person_id(ada), "cookie_digest": b"d" * 32, "label": "", "version": 1}
        await db.execute(insert(devices).values(**values, created_at=now, last_seen_at=now))
        keys = [lockout.device_key(emitter, device)]
        for who in (person_id(ada), person_id(str(eve))):
            keys += [lockout.person_key(emitter, who), lockout.recovery_key(emitter, who.hex())]
            keys += [lockout.code_key(emitter, method, who, None) for method in ("totp", "backup_code", "mail_code")]
        keys += [lockout.code_key(emitter, method, person_id(ada), device) for method in ("totp", "backup_code")]
        passkey, kept = new_id(now), {"person_id": person_id(ada), "kind": "passkey_bound", "attributes": {}}
        await db.execute(insert(credentials).values(id=passkey, created_at=now, version=1, **kept))
        keys += [lockout.code_key(emitter, "passkey", passkey + where, None) for where in (b"", device)]
        until = now + timedelta(minutes=15)
        rows = [{"key": key, "failures": 5, "first_at": now, "until": until} for key in keys]
        await db.execute(insert(lockouts), rows)

    async def look(db: AsyncConnection, services: Services) -> None:
        left.extend((await db.execute(select(lockouts.c.key))).scalars())

    on_database(close)
    assert cli.json("user", "show", "ada")["locked_until"] is not None
    assert cli.json("user", "unlock", "ada") == {"id": ada, "unlocked": True}
    assert cli.json("user", "show", "ada")["locked_until"] is None
    on_database(look)
    assert len(left) == 5, "the other person's doors stay closed"
    assert cli.json("user", "show", "eve")["locked_until"] is not None
    assert cli.names().count("lockout.ended") == 1


def test_an_invitation_by_link_is_printed_and_one_by_mail_is_not(cli: CommandLine) -> None:
    """S27: a letter proves the address only while nobody else has seen its link."""
    by_link = cli.json("user", "invite", "--email", "ada@example.com", "--name", "Ada", "--admin", "--link")
    assert str(by_link["link"]).startswith("http://localhost:3201/invite/")
    assert cli.run("user", "invite", "--link").stdout.startswith("http://localhost:3201/invite/")
    by_mail = cli.json("user", "invite", "--email", "eve@example.com")
    assert by_mail == {"email": "eve@example.com", "link": None}
    invited = [event["data"] for event in cli.events() if event["name"] == "admin.invited"]
    assert [(data["is_admin"], data["via"]) for data in invited] == [  # type: ignore[index]
        (True, "link"), (False, "link"), (False, "mail"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), 2, "--email says whom to invite"),
        (("--email", "nowhere", "--link"), 1, "email: must look like name@example.com"),
        (("--email", "ada@example.com"), 1, "email: belongs to an account already"),
        (("--email", "eve@example.com", "--name", "a\x1bb"), 1, "name:"),
    ],
)
def test_an_invitation_that_cannot_be_made_is_refused(
    cli: CommandLine, ada: str, args: tuple[str, ...], code: int, words: str
) -> None:
    result = cli.run("user", "invite", *args)
    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    assert "admin.invited" not in cli.names()


def test_a_reset_s_link_goes_by_mail_where_it_can_and_else_is_handed_over(
    cli: CommandLine, ada: str, on_database: Callable[..., None]
) -> None:
    """S29: the administrator never chooses the password, and sees the link only where there is no other way."""
    assert cli.json("user", "reset", "ada", "--password") == {"id": ada, "link": None}

    async def forget(db: AsyncConnection, services: Services) -> None:
        await db.execute(update(emails).values(verified_at=None))

    on_database(forget)
    link = cli.json("user", "reset", "ada", "--password", "--factors")["link"]
    assert str(link).startswith("http://localhost:3201/reset/")
    nothing = cli.run("user", "reset", "ada")
    assert (nothing.exit_code, "choose what is reset" in nothing.stderr) == (1, True)
    nobody = cli.run("user", "reset", "nobody", "--password")
    assert (nobody.exit_code, "there is no account nobody" in nobody.stderr) == (1, True)
    started = [event["data"] for event in cli.events() if event["name"] == "recovery.reset_started"]
    assert [(data["password"], data["factors"]) for data in started] == [  # type: ignore[index]
        (True, False), (True, True),
    ]  # fmt: skip


def test_a_client_is_disabled_and_enabled_once(cli: CommandLine) -> None:
    made = cli.json("client", "create", "--name", "x", "--grant", "client_credentials")["client_id"]
    for _ in range(2):
        assert cli.json("client", "disable", str(made)) == {"client_id": made, "disabled": True}
    assert cli.json("client", "show", str(made))["disabled"] is True
    assert cli.json("client", "enable", str(made)) == {"client_id": made, "disabled": False}
    assert cli.names().count("client.changed") == 2, "what changed nothing is no event"
    refused = cli.run("client", "disable", "cli_none")
    assert (refused.exit_code, "there is no application cli_none" in refused.stderr) == (1, True)


def test_what_a_client_and_a_scope_demand_is_kept_and_told(cli: CommandLine) -> None:
    """S28"""
    client = ("client", "create", "--name", "x", "--redirect-uri", "https://app.example.com/")
    made = cli.json(*client, "--required-acr", "urn:ostiary:aal2")["client_id"]
    assert cli.json("client", "show", str(made))["required_acr"] == "urn:ostiary:aal2"
    api = ("api", "create", "--identifier", "https://pay.example", "--scope", "pay:read", "--scope", "pay:list")
    shown = cli.json(*api, "--scope-acr", "pay:read=phr")
    assert shown["scope_acr"] == {"pay:read": "phr"}
    # A scope that comes later leaves what the others demand.
    cli.json(*client, "--scope", "pay:late", "--audience", "https://pay.example")
    assert cli.json("api", "list")["apis"] == [{**shown, "scopes": ["pay:late", "pay:list", "pay:read"]}]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("client", "create", "--name", "x", "--required-acr", "aal2"), 1, "required_acr: expected one of urn:ostiary"),
        (("api", "create", "--identifier", "https://a.example", "--scope-acr", "a=phr"), 1, "a is no scope of this"),
        (
            ("api", "create", "--identifier", "https://a.example", "--scope", "a", "--scope-acr", "a=2"),
            1,
            "scope_acr: expected one of",
        ),
        (("api", "create", "--identifier", "https://a.example", "--scope-acr", "phr"), 2, "takes SCOPE=ACR"),
    ],
)
def test_a_demand_that_nobody_could_meet_is_refused(
    cli: CommandLine, args: tuple[str, ...], code: int, words: str
) -> None:
    result = cli.run(*args)
    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    assert cli.names() == []
