"""Two browsers, two people, random steps: nobody is ever in without the proofs that were demanded.

The machine sends what people, thieves and administrators might send, in any order; `machine_observer` compares each
answer with what truly happened. One database is enough: two differ by timing, and nothing here happens at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from identity.values import PersonState
from tests.flows.machine_acts import CHANGES, ELSEWHERE, WISHES, Actors
from tests.flows.machine_facts import Facts, Human
from tests.flows.machine_observer import Observer
from tests.flows.machine_world import FIRST_PASSWORDS, NAMES, Ground, make_ground, open_scene

Done = TypeVar("Done")

BROWSER = st.sampled_from((0, 1))
WHO = st.sampled_from(("ada", "ada", "bela"))
PICK = st.integers(0, 60)
CLIENT = st.sampled_from(("plain", "asking", "strong"))
WISH = st.sampled_from(sorted(WISHES))
PASSWORD = st.sampled_from(("right", "right", "right", "wrong", "old", "theirs"))
TYPED = st.sampled_from(
    (
        *(("password", which) for which in ("right", "right", "wrong", "old", "theirs", "guessed")),
        *(("totp", which) for which in ("now", "now", "now", "before", "ahead", "used", "old app", "theirs", "wrong")),
        *(("backup", which) for which in ("unused", "unused", "used", "theirs", "wrong")),
    )
)
SECOND = st.sampled_from(("totp", "totp", "backup", "backup", "used totp", "used backup", "twice totp", "twice backup"))
REMEMBER = st.sampled_from((True, True, False))
MEANWHILE = st.sampled_from(("", "", "", "change", *ELSEWHERE))
NEW = st.sampled_from(("a kite above the harbour 1", "an oar beside the harbour 2", "a lamp before the harbour 3"))
WAY = st.sampled_from(("as it was", "filled", "filled", "empty", "token", "swapped"))
MAIL = st.sampled_from(("ask", "older", "code", "recover", "recover", "reset", "not-me", "unlock"))
Act = Literal["unlock", "end grace"] | PersonState | frozenset[str]
# Open doors, end the grace, move to a state, or start a reset of these.
MANAGING: st.SearchStrategy[Act] = st.sampled_from(
    (
        "unlock", "end grace", "end grace", "active", "active", "active", "suspended", "disabled",
        frozenset({"password"}), frozenset({"factors"}), frozenset({"password", "factors"}),
    )
)  # fmt: skip
PAGES = st.sampled_from(
    (
        "/", "/signin", "/signin?again=1", "/signin/totp", "/signin/backup-code", "/signin/passkey",
        "/signin/mail-code", "/enrol", "/enrol/totp", "/enrol/backup-codes", "/consent", "/recover", "/recover/code",
        "/account", "/account/security", "/account/sessions", "/account/apps", "/oauth/logout",
    )
)  # fmt: skip
# How long a form lies open before it is sent.
PAUSE = st.sampled_from((timedelta(), timedelta(), timedelta(), timedelta(minutes=11), timedelta(minutes=31)))
MOVES = st.sampled_from(
    (timedelta(seconds=31), timedelta(minutes=11), timedelta(minutes=16), timedelta(minutes=31), timedelta(days=8))
)
# A page, and a button on it by name and value.
BUTTONS = st.sampled_from(
    (
        ("/enrol", "decision", "later"),
        ("/enrol/backup-codes", "action", "done"),
        ("/consent", "decision", "allow"),
        ("/consent", "decision", "deny"),
        ("/account/sessions", "action", "end_others"),
        ("/account/sessions", "action", "end"),
        ("/account/security", "action", "forget"),
        ("/account/security", "action", "forget_all"),
        ("/account/apps", "client", ""),
        ("/oauth/logout", "form_token", ""),
    )
)
# What so many random steps come to, or they would prove nothing.
REACHED = {
    "session by pwd", "session by pwd+totp", "code for aal1", "code for aal2",
    "code refused", "enrolled", "put off", "consent", "link recover", "link reset", "link not-me",
}  # fmt: skip
# A page, and a button on it by name and value.
BUTTONS = st.sampled_from(
    (
        ("/enrol", "decision", "later"),
        ("/enrol/backup-codes", "action", "make"),
        ("/enrol/backup-codes", "action", "done"),
        ("/consent", "decision", "allow"),
        ("/consent", "decision", "deny"),
        ("/account/sessions", "action", "end_others"),
        ("/account/sessions", "action", "end"),
        ("/account/security", "action", "remove"),
        ("/account/security", "action", "forget"),
        ("/account/security", "action", "forget_all"),
        ("/account/apps", "client", ""),
        ("/oauth/logout", "form_token", ""),
    )
)


class SigninMachine(RuleBasedStateMachine):
    """One deployment; each rule is an act, and after each act everything is looked at."""

    ground: Ground
    folder: Path
    tally: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        self._is_broken = False

    def _run(self, act: Coroutine[object, object, Done]) -> Done:
        return self._runner.run(act)

    def _do(self, act: Callable[[], Coroutine[object, object, None]], pause: timedelta = timedelta()) -> None:
        """An act and what must hold after it."""
        self._scene.pause = pause
        self._scene.clock.move(seconds=1)

        async def act_and_check() -> None:
            await act()
            await self._actors.check()

        begun = len(self._observer.log)
        try:
            self._run(act_and_check())
        except AssertionError:
            self._is_broken = True
            note("\n".join(self._observer.log[begun:]))
            raise

    @initialize(required=st.booleans(), has_app=st.sampled_from((True, True, False)), number=BROWSER)
    def begin_scene(self, required: bool, has_app: bool, number: int) -> None:
        """A fresh deployment, in which ada may have a second factor already."""
        opened = open_scene(self.ground, self.folder, required=required)
        self._scene = self._run(self._stack.enter_async_context(opened))
        since = self._scene.clock.now
        people = {
            login: Human(person, NAMES[login], FIRST_PASSWORDS[login], since)
            for login, person in self.ground.people.items()
        }
        clients = {created.client.client_id: name for name, created in self.ground.clients.items()}
        self._facts = Facts(people, clients, required)
        self._observer = Observer(self._scene, self._facts)
        self._actors = Actors(self._scene, self.ground, self._observer)
        self._stack.push_async_callback(self._actors.close)
        if has_app:
            self._do(lambda: self._enrol_first(number))

    async def _enrol_first(self, number: int) -> None:
        actors = self._actors
        await actors.go_in(number, "ada", "totp", remember=False)
        await actors.enrol(number, right=True)
        await actors.press(number, "/oauth/logout", "form_token", "")
        self._scene.clock.move(minutes=1)

    def teardown(self) -> None:
        """Asks once more for codes, and closes the scene."""
        try:
            if hasattr(self, "_actors") and not self._is_broken:
                self._do(self._actors.probe)
                self.tally.update(self._facts.tally)
        finally:
            self._run(self._stack.aclose())
            self._runner.close()

    @rule(number=BROWSER, client=CLIENT, wish=WISH)
    def begin(self, number: int, client: str, wish: str) -> None:
        """An application sends the browser here."""
        self._do(lambda: self._actors.begin(number, client, wish))

    @rule(number=BROWSER, path=PAGES)
    def open(self, number: int, path: str) -> None:
        """Somebody opens a page, wherever they are."""
        self._do(lambda: self._actors.open(number, path))

    @rule(number=BROWSER, who=WHO, what=TYPED, remember=st.booleans(), pause=PAUSE)
    def type_in(self, number: int, who: str, what: tuple[str, str], remember: bool, pause: timedelta) -> None:
        """Somebody types a password, a code of an app, or a backup code; or guesses until the door closes."""
        self._do(lambda: self._actors.type_in(number, who, *what, remember=remember), pause)

    @rule(number=BROWSER, who=WHO, second=SECOND, remember=REMEMBER, meanwhile=MEANWHILE)
    def go_in(self, number: int, who: str, second: str, remember: bool, meanwhile: str) -> None:
        """Somebody signs in as they should, and something may happen elsewhere after their password."""
        self._do(lambda: self._actors.go_in(number, who, second, remember=remember, meanwhile=meanwhile))

    @rule(number=BROWSER, client=CLIENT, wish=WISH, who=WHO, second=SECOND, remember=REMEMBER)
    def go_in_for(self, number: int, client: str, wish: str, who: str, second: str, remember: bool) -> None:
        """Somebody signs in for an application, as they should."""
        self._do(lambda: self._go_in_for(number, client, wish, who, second, remember))

    async def _go_in_for(self, number: int, client: str, wish: str, who: str, second: str, remember: bool) -> None:
        await self._actors.begin(number, client, wish)
        await self._actors.go_in(number, who, second, remember=remember)

    @rule(number=BROWSER, who=WHO, what=st.sampled_from(CHANGES), which=PASSWORD, pause=PAUSE, both=st.booleans())
    def change(self, number: int, who: str, what: str, which: str, pause: timedelta, both: bool) -> None:
        """Somebody changes what guards an account, signing in before where they are not in."""
        self._do(lambda: self._actors.change(number, who, what, which, pause, both=both))

    @rule(number=BROWSER, button=BUTTONS, pause=PAUSE)
    def press(self, number: int, button: tuple[str, str, str], pause: timedelta) -> None:
        """Somebody presses a button of a page."""
        self._do(lambda: self._actors.press(number, *button), pause)

    @rule(number=BROWSER, who=WHO, what=MAIL, pick=st.integers(0, 3), new=NEW, pause=PAUSE)
    def mail(self, number: int, who: str, what: str, pick: int, new: str, pause: timedelta) -> None:
        """Somebody asks for a letter, or uses what is in one."""
        self._do(lambda: self._actors.mail(number, who, what, pick, new), pause)

    @rule(number=BROWSER, pick=PICK, way=WAY, who=WHO, loses_answer=st.booleans())
    def resend(self, number: int, pick: int, way: str, who: str, loses_answer: bool) -> None:
        """Somebody sends a form that was shown to somebody once."""
        self._do(lambda: self._actors.resend(number, pick, way, who, loses_answer=loses_answer))

    @rule(number=BROWSER, who=WHO, waits=st.booleans())
    def fixate(self, number: int, who: str, waits: bool) -> None:
        """A thief plants the cookie of their sign-in in the other browser, and may wait for the password there."""
        self._do(lambda: self._actors.fixate(number, who, waits=waits))

    @rule(who=WHO, act=MANAGING)
    def manage(self, who: str, act: Act) -> None:
        """An administrator moves an account to another state, starts a reset, and the like."""
        self._do(lambda: self._manage(who, act))

    async def _manage(self, who: str, act: Act) -> None:
        if act == "unlock":
            await self._actors.desk.unlock(who)
        elif act == "end grace":
            await self._actors.desk.end_grace(who)
        elif isinstance(act, frozenset):
            await self._actors.desk.reset(who, act)
        else:
            await self._actors.desk.set_state(who, act)

    @rule(by=MOVES, flips=st.sampled_from((False, False, True)))
    def wait(self, by: timedelta, flips: bool) -> None:
        """Time passes; the deployment may demand a second factor from now on, or no longer."""
        self._scene.clock.shift += by
        self._scene.rule.required = self._facts.required = self._facts.required != flips
        self._do(self._nothing)

    async def _nothing(self) -> None:
        pass


@pytest.fixture
def machine(sqlite_url: Callable[[Path], str], tmp_path: Path) -> type[SigninMachine]:
    """The machine over a ground of its own."""
    made = tmp_path / "ground"
    made.mkdir()
    with asyncio.Runner() as runner:
        ground = runner.run(make_ground(sqlite_url(made), made))
    return type("Machine", (SigninMachine,), {"ground": ground, "folder": tmp_path, "tally": Counter()})


def test_no_order_of_steps_in_two_browsers_leads_past_the_proofs_that_are_demanded(
    machine: type[SigninMachine],
) -> None:
    """S17, S18, S23, S25-S29, S32"""
    chosen = settings(max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=chosen)
    never = sorted(REACHED - machine.tally.keys())
    assert not never, f"the machine came never to {never}: {machine.tally}"
