"""`ostiary revoke …` and `ostiary feed status`: what is revoked by hand, and how far it came."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy import insert, select

from base.clock import utc_now
from base.database import Database
from base.ids import GRANT, PERSON, SESSION, new_id, parse_id, show_id
from feed.board import FollowerBoard
from feed.in_force import InForce
from feed.numbering import load_epoch, make_sequencer
from feed.tables import feed, feed_followers
from identity.tables import grants, people, sessions
from server.commands import reach
from tests.server.command_line import CommandLine

SOON_S = 0.05


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Nobody follows in most tests, so there is nothing to wait for."""
    if "followed" not in request.fixturenames:
        monkeypatch.setattr(reach.wait_for_reach, "__kwdefaults__", {"wait_s": SOON_S})


@pytest.fixture
def ada(cli: CommandLine) -> str:
    return str(cli.json("user", "create", "--username", "ada")["id"])


def url(cli: CommandLine) -> str:
    return cli.environ["OSTIARY_DATABASE_URL"]


def entries(cli: CommandLine) -> list[tuple[str, str]]:
    """Kind and subject of everything in the feed."""

    async def read() -> list[tuple[str, str]]:
        database = Database(url(cli))
        async with database.reading() as db:
            found = (await db.execute(select(feed.c.kind, feed.c.subject).order_by(feed.c.created_at, feed.c.id))).all()
        await database.close()
        return [(row.kind, row.subject) for row in found]

    return asyncio.run(read())


def sign_in(cli: CommandLine, who: str) -> tuple[str, str]:
    """A session of that person with a grant under it; returns their public ids."""
    person_id, now = parse_id(PERSON, who), utc_now()
    client = str(
        cli.json("client", "create", "--name", "Orders", "--redirect-uri", "https://a.example.com/cb")["client_id"]
    )

    async def write() -> tuple[bytes, bytes]:
        database, session, grant = Database(url(cli)), new_id(now), new_id(now)
        async with database.transaction() as db:
            await db.execute(insert(sessions).values(_filled(sessions, id=session, person_id=person_id)))
            told = {"person_id": person_id, "client_id": client, "session_id": session, "offline": False}
            await db.execute(insert(grants).values(_filled(grants, id=grant, **told)))
        await database.close()
        return session, grant

    session, grant = asyncio.run(write())
    return show_id(SESSION, session), show_id(GRANT, grant)


def _filled(table: object, **known: object) -> dict[str, object]:
    """A row with something in every column that must have one."""
    now, row = utc_now(), dict(known)
    for column in table.columns:  # type: ignore[attr-defined]
        if column.name in row or column.nullable or column.default is not None or column.server_default is not None:
            continue
        kind = type(column.type).__name__
        row[column.name] = {"Instant": now, "JsonText": [], "Boolean": False, "LargeBinary": new_id(now)}.get(kind, "1")
        if kind in ("Integer", "BigInteger"):
            row[column.name] = 1
    return row


def test_a_person_is_revoked_with_all_they_have(cli: CommandLine, ada: str) -> None:
    session, grant = sign_in(cli, ada)
    shown = cli.json("revoke", "person", "ada")
    assert shown["revoked"] == {"kind": "person", "subject": ada}
    assert shown["entries"] == 3
    kinds = dict(entries(cli))
    assert (kinds["session"], kinds["grant"]) == (session, grant)
    assert set(kinds) == {"person", "session", "grant"}
    assert {"session.ended", "token.grant_ended"} <= set(cli.names())
    assert cli.json("user", "show", "ada")["state"] == "active", "they may sign in again"


def test_a_session_takes_the_grants_beneath_with_it(cli: CommandLine, ada: str) -> None:
    session, grant = sign_in(cli, ada)
    assert cli.json("revoke", "session", session)["entries"] == 2
    assert sorted(entries(cli)) == [("grant", grant), ("session", session)]
    again = cli.run("revoke", "session", session)
    assert (again.exit_code, again.stdout) == (0, "There was nothing to revoke any more.\n")


def test_a_grant_and_a_client_are_revoked(cli: CommandLine, ada: str) -> None:
    _, grant = sign_in(cli, ada)
    assert cli.json("revoke", "grant", grant)["revoked"] == {"kind": "grant", "subject": grant}
    client = str(cli.json("client", "create", "--name", "Stock")["client_id"])
    assert cli.json("revoke", "client", client)["entries"] == 1
    assert entries(cli) == [("grant", grant), ("client", client)]


def test_a_token_is_revoked_by_its_jti_and_never_by_itself(cli: CommandLine) -> None:
    cli.json("user", "create", "--username", "anybody")
    shown = cli.json("revoke", "token", "kq1bVYv2S7a0xZC3mE9tHw")
    assert (shown["entries"], entries(cli)) == (1, [("token", "kq1bVYv2S7a0xZC3mE9tHw")])
    (event,) = [each for each in cli.events() if each["name"] == "token.revoked"]
    assert event["actor"] == "cli"
    wrong = cli.run("revoke", "token", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln")
    assert (wrong.exit_code, "not the token" in wrong.stderr) == (2, True)


def test_everyone_is_revoked_by_one_entry_and_only_with_yes(cli: CommandLine, ada: str) -> None:
    sign_in(cli, ada)
    unsure = cli.run("revoke", "everyone")
    assert (unsure.exit_code, "say --yes as well" in unsure.stderr, entries(cli)) == (2, True, [])
    done = cli.run("revoke", "everyone", "--yes")
    assert done.exit_code == 0
    assert done.stdout.startswith("Everything of everyone is revoked. This server refuses it from now on;")
    assert entries(cli) == [("everyone", "*")]
    (event,) = [each for each in cli.events() if each["name"] == "admin.everything_revoked"]
    assert (event["severity"], event["data"]) == ("HIGH", {"why": "revoked", "sessions": 1, "grants": 1})


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("grant", "grt_" + "0" * 32), "grant: there is no grant grt_"),
        (("session", "nonsense"), "session: there is no session nonsense"),
        (("person", "nobody"), "who: there is no account nobody"),
        (("client", "cli_nobody"), "client_id: there is no application cli_nobody"),
    ],
)
def test_what_is_not_there_cannot_be_revoked(cli: CommandLine, args: tuple[str, str], words: str) -> None:
    refused = cli.run("revoke", *args)
    assert (refused.exit_code, words in refused.stderr) == (1, True), refused.output
    assert entries(cli) == []


@contextmanager
def process(cli: CommandLine) -> Iterator[None]:
    """What a server process does for the feed, with one follower that acknowledges at once and one that is silent."""
    stop = threading.Event()

    async def run() -> None:
        database = Database(url(cli))
        sequencer = make_sequencer(database, utc_now, "http://localhost:3201")
        board, in_force = FollowerBoard(database, utc_now), InForce(database, utc_now, _nobody)
        board.connect("cli_orders", "orders-1", now=utc_now())
        await board.round()
        while not stop.is_set():
            await sequencer.round()
            async with database.reading() as db:
                epoch = (await load_epoch(db)).hex()
                last = (await db.execute(select(feed.c.seq).order_by(feed.c.seq.desc()).limit(1))).scalar()
            board.acknowledge("cli_orders", "orders-1", epoch=epoch, seq=last or 0, now=utc_now())
            await board.round()
            await in_force.round()
            await asyncio.sleep(0.02)
        await sequencer.lease.give_back(utc_now())
        await database.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _nobody(*_: object) -> None:
    """Here the event is not of interest."""


@pytest.fixture
def followed(cli: CommandLine, ada: str) -> Iterator[None]:
    """A deployment with a process and a follower."""
    with process(cli):
        yield


def test_who_revokes_is_told_how_far_it_came(cli: CommandLine, followed: None) -> None:
    done = cli.run("revoke", "person", "ada")
    assert done.exit_code == 0
    assert "It is refused from now on: in force at 1 of 1 in " in done.stdout, done.output
    assert "(entry 1)." in done.stdout
    shown = cli.json("revoke", "token", "abc")
    batch = shown["batch"]
    assert isinstance(batch, dict)
    assert (shown["seq"], batch["followers"], batch["reached"]) == (2, 1, 1)
    assert datetime.fromisoformat(str(batch["settled_at"])).tzinfo is not None


def test_who_revokes_is_told_who_has_not_answered_yet(
    cli: CommandLine, followed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach.wait_for_reach, "__kwdefaults__", {"wait_s": 0.5})

    async def connect() -> None:
        database = Database(url(cli))
        board = FollowerBoard(database, utc_now)
        board.connect("cli_stock", "silent", now=utc_now())
        await board.round()
        await database.close()

    asyncio.run(connect())
    done = cli.run("revoke", "person", "ada")
    assert "services are being told: 1 of 2 have said so by now (entry 1)." in done.stdout, done.output


def test_the_status_tells_followers_and_the_newest_revocations(cli: CommandLine, followed: None) -> None:
    cli.json("revoke", "token", "abc")
    shown = cli.json("feed", "status")
    assert (shown["seq"], shown["connected"], shown["behind"], shown["unnumbered"]) == (1, 1, 0, 0)
    words = cli.run("feed", "status").stdout
    assert "1 followers are connected, 0 of them behind." in words
    assert "orders-1  connected  0 behind" in words
    assert "1 to 1: in force at 1 of 1 in " in words


def test_the_status_of_a_feed_that_nobody_follows(cli: CommandLine) -> None:
    cli.json("user", "create", "--username", "anybody")
    words = cli.run("feed", "status").stdout
    assert "Nobody has followed the feed within a day." in words
    shown = cli.json("feed", "status")
    assert (shown["followers"], shown["batches"], shown["seq"]) == ([], [], 0)


def test_a_new_epoch_numbers_what_is_in_force_anew(cli: CommandLine) -> None:
    cli.json("revoke", "token", "abc")
    before = cli.json("feed", "status")
    begun = cli.json("feed", "new-epoch")
    after = cli.json("feed", "status")
    assert begun["epoch"] == after["epoch"] != before["epoch"]
    assert (after["seq"], after["unnumbered"]) == (0, 1)


def test_names_of_followers_cannot_move_the_cursor(cli: CommandLine) -> None:
    """S46"""
    cli.json("user", "create", "--username", "anybody")
    now = utc_now()

    async def write() -> None:
        database = Database(url(cli))
        async with database.transaction() as db:
            row = {"client_id": "cli_x\x1b[2J", "name": "n", "connected_at": now, "heard_at": now}
            await db.execute(insert(feed_followers).values(row))
        await database.close()

    asyncio.run(write())
    assert "\x1b" not in cli.run("feed", "status").stdout


def test_nothing_but_the_person_asked_for_is_touched(cli: CommandLine, ada: str) -> None:
    other = str(cli.json("user", "create", "--username", "other")["id"])
    cli.json("revoke", "person", "ada")

    async def read() -> dict[bytes, object]:
        database = Database(url(cli))
        async with database.reading() as db:
            rows = (await db.execute(select(people.c.id, people.c.not_before))).all()
        await database.close()
        return {bytes(row.id): row.not_before for row in rows}

    found = asyncio.run(read())
    mine, theirs = parse_id(PERSON, ada), parse_id(PERSON, other)
    assert mine is not None
    assert theirs is not None
    assert found[mine] is not None
    assert found[theirs] is None
