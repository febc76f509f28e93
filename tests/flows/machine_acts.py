"""What people, thieves and administrators do in the sign-in machine: each act is a few requests, rightly or wrongly."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import httpx2
import msgspec

from policy.assurance import AAL2, PHR
from tests.flows.machine_browser import Browser, find_form
from tests.flows.machine_desk import Desk
from tests.flows.machine_facts import App, Issued, step_at
from tests.flows.machine_observer import Observer
from tests.flows.machine_wire import Shown, key_in
from tests.flows.machine_world import Ground, Scene
from tests.oauth.tokens_read import claims_of
from tests.world import Answer

NEW_PASSWORD = "two barges under the bridge 5"
CHANGES = ("add", "add", "add wrongly", "remove", "codes", "password")
ELSEWHERE = ("", "recover", "reset", "not me", "change", "disable", "suspend", "end grace", "wait")
WISHES = {
    "": {},
    "aal2": {"acr_values": AAL2},
    "phr": {"acr_values": PHR},
    "login": {"prompt": "login"},
    "max_age": {"max_age": "0"},
    "none": {"prompt": "none"},
    "none aal2": {"prompt": "none", "acr_values": AAL2},
}


class Actors:
    """Both browsers of a scene, and all acts."""

    def __init__(self, scene: Scene, ground: Ground, observer: Observer) -> None:
        self.scene, self.world, self.observer, self.facts = scene, scene.world, observer, observer.facts
        self.clients = ground.clients
        self.browsers = [Browser(scene, number, observer) for number in (0, 1)]
        self.desk = Desk(scene, observer)
        self._due: list[Issued] = []
        self._seen_codes = 0

    async def close(self) -> None:
        """Closes the browsers."""
        async with AsyncExitStack() as stack:
            for browser in self.browsers:
                stack.push_async_callback(browser.http.aclose)

    # What is typed.

    def password_of(self, who: str, which: str) -> str:
        """The password that somebody types for this person."""
        human = self.facts.people[who]
        others = [other.password for other in self.facts.people.values() if other is not human]
        found = {"right": human.password, "old": human.old_passwords[-1:], "theirs": others[0]}.get(which)
        return str(found[0] if isinstance(found, list) and found else found or "wrong by far 1")

    def totp_of(self, who: str, which: str) -> str:
        """The code that somebody types for this person."""
        human, now = self.facts.people[who], step_at(self.scene.clock.now)
        if which == "theirs":
            human = next(other for other in self.facts.people.values() if other is not human)
        apps = human.lost_apps if which == "old app" else list(human.apps.values())
        if not apps or which == "wrong":
            return wrong_code(list(human.apps.values()), now)
        app = apps[-1]
        step = {"before": now - 1, "ahead": now + 1, "used": app.last}.get(which, now)
        return app.code(step)

    def backup_of(self, who: str, which: str) -> str:
        """The backup code that somebody types for this person."""
        human = self.facts.people[who]
        if which == "theirs":
            human = next(other for other in self.facts.people.values() if other is not human)
        found = human.spent if which == "used" else sorted(human.codes)
        return found[-1] if found and which != "wrong" else "0000-0000-0000-0000"

    # Signing in.

    async def begin(self, number: int, client: str, wish: str) -> None:
        """An application sends the browser here."""
        await self.browsers[number].open(self.world.authorize_url(self.clients[client], **WISHES[wish]))

    async def open(self, number: int, path: str) -> None:
        """Somebody opens a page."""
        await self.browsers[number].open(path)

    async def type_in(self, number: int, who: str, what: str, which: str, *, remember: bool) -> None:
        """Somebody types one thing."""
        if what == "totp":
            await self.totp(number, who, which, remember=remember)
        elif what == "backup":
            await self.backup(number, who, which)
        elif which == "guessed":
            await self.hammer(number, who)
        else:
            await self.password(number, who, which)

    async def password(self, number: int, who: str, which: str) -> None:
        """Somebody types a name and a password."""
        browser = self.browsers[number]
        form = await browser.at("/signin?again=1", "username", "password")
        if form is not None:
            await browser.submit(form, username=who, password=self.password_of(who, which))

    async def hammer(self, number: int, who: str) -> None:
        """Somebody types wrong passwords until the door closes."""
        for _ in range(5):
            await self.password(number, who, "wrong")
        await self.password(number, who, "right")

    async def totp(self, number: int, who: str, which: str, *, remember: bool) -> None:
        """Somebody types a code of an app."""
        browser = self.browsers[number]
        form = await browser.at("/signin/totp", "code")
        if form is not None:
            wish = {"remember": "yes" if remember else ""} if "remember" in form.fields else {}
            await browser.submit(form, code=self.totp_of(who, which), **wish)

    async def backup(self, number: int, who: str, which: str) -> None:
        """Somebody types a backup code."""
        browser = self.browsers[number]
        form = await browser.at("/signin/backup-code", "code")
        if form is not None:
            await browser.submit(form, code=self.backup_of(who, which))

    async def go_in(self, number: int, who: str, second: str, *, remember: bool, meanwhile: str = "") -> None:
        """The person signs in as they should, and does what they are asked for, their second factor being `second`.

        Something may happen elsewhere `meanwhile`, after the password.
        """
        browser = self.browsers[number]
        await self.password(number, who, "right")
        await self.elsewhere(1 - number, who, meanwhile)
        await self._second_step(number, who, second, remember=remember)
        for path, name, value in (("/enrol", "decision", "later"), ("/consent", "decision", "allow")):
            form = find_form(browser.page, name)
            if browser.page is not None and browser.page.url.endswith(path) and form is not None:
                await browser.submit(form, **{name: value})
        if second.startswith("twice"):
            await self.password(1 - number, who, "right")
            await self.type_in(1 - number, who, second.partition(" ")[2], "used", remember=False)

    async def _second_step(self, number: int, who: str, second: str, *, remember: bool) -> None:
        page, human = self.browsers[number].page, self.facts.people[who]
        if page is None or not page.url.endswith("/signin/totp"):
            return
        if "backup" in second and (human.codes or human.spent):
            await self.backup(number, who, "used" if "used" in second else "unused")
        elif second == "used totp":
            await self.totp(number, who, "used", remember=remember)
        elif human.apps:
            now, last = step_at(self.scene.clock.now), next(reversed(human.apps.values())).last
            if last >= now:
                self.scene.clock.move(seconds=30 * (last + 1 - now))
            await self.totp(number, who, "now", remember=remember)

    async def press(self, number: int, path: str, name: str, value: str, **fields: str) -> None:
        """Presses a button of a page, where it is there."""
        browser = self.browsers[number]
        await browser.open(path)
        for form in browser.page.forms if browser.page else ():
            if (name, value) in form.buttons or form.fields.get(name) == value:
                await browser.submit(form, **{name: value}, **fields)
                return

    # What guards the account.

    async def enrol(self, number: int, *, right: bool) -> None:
        """Adds an authenticator app."""
        browser = self.browsers[number]
        form = await browser.at("/enrol/totp", "code", "label")
        key = key_in(browser.page.text) if browser.page else None
        if form is None or key is None:
            return
        now, app = step_at(self.scene.clock.now), App(key[1], 0)
        await browser.submit(form, code=app.code(now) if right else wrong_code([app], now))

    async def change_password(self, number: int, who: str, which: str, new: str) -> None:
        """Changes the password on the account's page."""
        browser = self.browsers[number]
        await browser.open("/account/security")
        form = find_form(browser.page, "password", "password_repeat")
        if form is not None:
            given = {"current": self.password_of(who, which)} if "current" in form.fields else {}
            await browser.submit(form, password=new, password_repeat=new, **given)

    async def change(self, number: int, who: str, what: str, which: str, pause: timedelta, *, both: bool) -> None:
        """Changes what guards an account, its form having lain open for a while; `both`: they are in twice."""
        for each in (1 - number, number) if both else (number,):
            if both or self.observer.live(self.browsers[each].cookies()) is None:
                await self.go_in(each, who, "totp", remember=True)
        self.scene.pause = pause
        match what:
            case "add" | "add wrongly":
                await self.enrol(number, right=what == "add")
            case "remove":
                await self.press(number, "/account/security", "action", "remove")
            case "codes":
                await self.press(number, "/enrol/backup-codes", "action", "make")
            case "password":
                await self.change_password(number, who, which, NEW_PASSWORD + which)
            case _:
                raise AssertionError(f"nobody does {what}")
        if both:
            await self.password(1 - number, who, "right")

    # Getting back in.

    async def mail(self, number: int, who: str, what: str, pick: int, new: str) -> None:
        """Asks for a letter, or uses the digits or a link of one."""
        if what in ("ask", "older"):
            await self.ask_recovery(number, who)
        if what == "ask":
            return
        if what == "older":
            await self.ask_recovery(number, who)
            await self.link(number, 1, "recover", new)
        elif what == "code":
            await self.recovery_code(number)
        else:
            if what == "reset" and pick == 0:
                await self.desk.reset(who, frozenset({"password"}))
            await self.link(number, pick, what, new)

    async def ask_recovery(self, number: int, who: str) -> None:
        """Somebody asks for a letter."""
        form = await self.browsers[number].at("/recover", "username")
        if form is not None:
            await self.browsers[number].submit(form, username=who)

    async def recovery_code(self, number: int) -> None:
        """Somebody types the digits of the newest letter."""
        form = await self.browsers[number].at("/recover/code", "code")
        code = next(reversed(self.facts.mailed), "00000000")
        if form is not None:
            await self.browsers[number].submit(form, code=code)

    async def link(self, number: int, pick: int, kind: str, new: str) -> None:
        """Opens a link, the newest for 0, and sends the form behind it."""
        found = [link for link in reversed(self.facts.links.values()) if link.kind == kind]
        if not found:
            return
        link, browser = found[pick % len(found)], self.browsers[number]
        await browser.open(link.path)
        form = find_form(browser.page, "form_token")
        if form is None or form.action != link.path:
            return
        fields = {"password": new, "password_repeat": new} if "password_repeat" in form.fields else {}
        if "password" in form.fields and not fields:
            fields = {"password": link.owner.password or "none"}
        await browser.submit(form, **fields)

    async def elsewhere(self, number: int, who: str, what: str) -> None:
        """What the person does in the other browser, or an administrator does to them; nothing for an empty text."""
        match what:
            case "recover":
                await self.ask_recovery(number, who)
                await self.link(number, 0, "recover", NEW_PASSWORD)
            case "reset":
                await self.desk.reset(who, frozenset({"password"}))
                await self.link(number, 0, "reset", NEW_PASSWORD)
            case "not me":
                await self.link(number, 0, "not-me", NEW_PASSWORD)
            case "change":
                await self.go_in(number, who, "totp", remember=False)
                await self.change_password(number, who, "right", NEW_PASSWORD)
            case "disable":
                await self.desk.set_state(who, "disabled")
                await self.desk.set_state(who, "active")
            case "suspend":
                await self.desk.set_state(who, "suspended")
            case "end grace":
                await self.desk.end_grace(who)
            case "wait":
                self.scene.clock.move(minutes=31)
            case _:
                assert not what, f"nobody does {what}"

    # Mischief.

    async def resend(self, number: int, pick: int, way: str, who: str, *, loses_answer: bool) -> None:
        """Sends a form that was shown once, the newest for 0, to whichever browser: as it was, empty, or bent."""
        shown = self.observer.pages.shown
        if not shown:
            return
        old = shown[-1 - pick % len(shown)]
        fields = self._filled(old, way, who, pick)
        await self.browsers[number].send(old.action, fields, loses_answer=loses_answer)

    def _filled(self, old: Shown, way: str, who: str, pick: int) -> dict[str, str]:
        token = {"form_token": old.fields.get("form_token", "")}
        if way == "empty":
            return {}
        if way == "token":
            return token
        if way == "swapped":
            other = self.observer.pages.shown[pick % len(self.observer.pages.shown)]
            return {**old.fields, "form_token": other.fields.get("form_token", "")}
        choice = dict([old.choices[pick % len(old.choices)]]) if old.choices else {}
        typed = {
            "username": who,
            "password": self.password_of(who, "right"),
            "current": self.password_of(who, "right"),
            "password_repeat": self.password_of(who, "right"),
            "code": self.backup_of(who, "unused") if "backup" in old.action else self.totp_of(who, "now"),
        }
        filled = {name: typed.get(name, value) for name, value in old.fields.items()}
        return {**(filled if way == "filled" else old.fields), **choice}

    async def fixate(self, number: int, who: str, *, waits: bool) -> None:
        """A thief puts the cookie of a sign-in that they have begun into the other browser.

        After the password there they go on with what they have.
        """
        thief = self.browsers[number]
        await thief.open("/signin")
        flow = thief.cookies().get("flow")
        known = self.facts.flows.get(flow or "")
        if flow is None or known is None or known.proofs:
            return
        self.browsers[1 - number].plant(flow)
        if waits:
            await self.password(1 - number, who, "right")
            for path in ("/signin/totp", "/enrol/totp", "/signin"):
                await thief.open(path)

    # What must hold after each step.

    async def check(self) -> None:
        """Redeems the codes that were given out before the last act, and looks who is signed in where."""
        due, self._due = self._due, self.facts.issued[self._seen_codes :]
        self._seen_codes = len(self.facts.issued)
        for issued in due:
            await self._redeem(issued)
        for browser in self.browsers:
            await self._check_home(browser)

    async def _redeem(self, issued: Issued) -> None:
        answer = Answer(httpx2.Response(303), "", issued.params)
        works = self.facts.is_redeemable(issued, self.scene.clock.now)
        response = await self.world.redeem(self.clients[issued.client], answer)
        assert response.status_code == (200 if works else 400), f"{response.text} for {issued}"
        self.facts.tally["code redeemed" if works else "code refused"] += 1
        if not works:
            return
        body = msgspec.json.decode(response.content, type=dict[str, object])
        for token in (body["access_token"], body["id_token"]):
            claims = claims_of(str(token))
            said = (claims["sub"], claims["acr"], claims["amr"])
            happened = (issued.owner.person.sub, issued.acr, issued.amr)
            assert said == happened, f"the token says {said}, what happened is {happened}"
            first, last = issued.auth_time
            assert first <= int(str(claims["auth_time"])) <= last, f"{claims['auth_time']} is not when it was: {issued}"

    async def _check_home(self, browser: Browser) -> None:
        response = await browser.http.get("/")
        live = self.observer.live(browser.cookies())
        shown = [human for human in self.facts.people.values() if human.name in response.text]
        assert ("You are signed in" in response.text) == bool(shown)
        assert shown == ([live.owner] if live else []), f"browser {browser.number} is in as {shown}, not as {live}"

    async def probe(self) -> None:
        """Asks for a code without a page, in each browser, for each application."""
        for number in (0, 1):
            for client in self.clients:
                await self.begin(number, client, "none")
        await self.check()
        await self.check()


def wrong_code(apps: list[App], now: int) -> str:
    """A code that none of the apps shows about now."""
    near = {app.code(now + ahead) for app in apps for ahead in range(-2, 3)}
    return next(code for code in ("111111", "222222", "333333", "444444", "555555", "666666") if code not in near)
