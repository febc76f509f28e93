"""What guards an account, read into the facts of the sign-in machine: factors, backup codes, password, sessions."""

from __future__ import annotations

import re

from base.secret_values import digest
from tests.flows.machine_facts import App, Facts, Human, Live, Made, why_not_fresh
from tests.flows.machine_pages import Pages
from tests.flows.machine_proofs import Proofs
from tests.flows.machine_wire import Exchange
from tests.flows.machine_world import Scene

_CODES = re.compile(r"<li><code>([0-9A-Z-]+)</code></li>")


class Account:
    """Reads the forms of enrolment and of the account pages into the facts."""

    def __init__(self, scene: Scene, facts: Facts, pages: Pages, proofs: Proofs) -> None:
        self._scene, self._facts, self._pages, self._proofs = scene, facts, pages, proofs

    async def enrol_totp(self, seen: Exchange) -> None:
        """POST /enrol/totp: an app was added where a session went on under a new cookie."""
        if not seen.given.get("session"):
            return
        live = self._pages.live(seen.before)
        # Only a sign-in that goes on, or ends, by it gives the browser another flow cookie.
        flow = self._facts.flows.get(seen.before.get("flow", "")) if "flow" in seen.given else None
        owner = flow.owner if flow and flow.proofs else live.owner if live else None
        assert owner is not None, f"an app of nobody: {seen}"
        self._pages.check_token(seen, seen.before.get("flow"), live.line if live else None)
        proofs = [*(flow.proofs + flow.added if flow else []), *(live.proofs if live and live.owner is owner else [])]
        self._check_fresh(seen, owner, proofs)
        owner.apps[await self._scene.newest_app()] = self._take_app(seen, owner)
        self._facts.tally["enrolled"] += 1
        self._proofs.prove(seen, owner, "totp", flow)
        self._take_codes(seen, owner)

    def _take_app(self, seen: Exchange, owner: Human) -> App:
        """The app whose code was typed: its key was shown to this person in this browser."""
        typed, keys = seen.form.get("code", ""), self._pages.keys(seen.browser, owner)
        for key in reversed(keys):
            app = App(key, 0)
            step = app.find_step(typed, seen.began, seen.ended)
            if step is not None:
                keys.remove(key)
                app.last = max(each for each in range(step, step + 3) if app.code(each) == typed)
                return app
        raise AssertionError(f"an app that showed no code: {seen}")

    def _check_fresh(self, seen: Exchange, owner: Human, proofs: list[Made]) -> None:
        fault = why_not_fresh(owner, proofs, seen.began)
        assert fault is None, f"{fault}, but {seen} was done with {proofs}"

    def _take_codes(self, seen: Exchange, owner: Human) -> None:
        codes = _CODES.findall(seen.text)
        if not codes:
            return
        owner.lose_codes()
        owner.codes = set(codes)
        assert owner.codes.isdisjoint(owner.spent), "a backup code comes back"
        self._pages.keep_secrets(seen, codes)

    async def backup_codes(self, seen: Exchange) -> None:
        """POST /enrol/backup-codes: the codes are in the page."""
        if seen.status != 200 or not _CODES.search(seen.text):
            return
        live = self._pages.live(seen.before)
        assert live is not None, f"backup codes for nobody: {seen}"
        assert live.owner.apps, f"backup codes without a factor: {seen}"
        self._pages.check_token(seen, live.line)
        self._check_fresh(seen, live.owner, live.proofs)
        self._take_codes(seen, live.owner)
        self._facts.tally["codes made"] += 1

    async def security(self, seen: Exchange) -> None:
        """POST /account/security"""
        if seen.status != 303 or not seen.location.startswith("/account/security?done="):
            return
        live = self._session_of(seen)
        if seen.location.endswith("removed"):
            self._check_fresh(seen, live.owner, live.proofs)
            live.owner.lose_apps(seen.form["factor"])
            self._facts.forget_devices(live.owner)
            self._facts.tally["removed"] += 1
        elif seen.location.endswith("forgotten"):
            kept = await self._scene.remembering_devices()
            for key in [key for key in self._facts.remembered if digest(key[0]) not in kept]:
                del self._facts.remembered[key]

    async def change_password(self, seen: Exchange) -> None:
        """POST /account/security/password"""
        if seen.status != 303 or "done=password" not in seen.location:
            return
        live, facts = self._session_of(seen), self._facts
        owner = live.owner
        if owner.apps or owner.password is None:
            self._check_fresh(seen, owner, live.proofs)
        assert owner.password in (None, seen.form.get("current")), f"the old password was not proven: {seen}"
        added = [Made("pwd", seen.began)] if owner.password is not None else []
        owner.set_password(seen.form["password"], seen.ended)
        facts.end_sessions(owner, "the password changed", but=live)
        facts.end_flows(owner)
        facts.forget_devices(owner)
        facts.door(owner, seen.before.get("device")).open()
        self._proofs.renew(seen, live, added)
        facts.tally["password changed"] += 1

    def _session_of(self, seen: Exchange) -> Live:
        """The session of an account form that was obeyed: alive, and the form was shown under this very cookie."""
        live = self._pages.live(seen.before)
        assert live is not None, f"an account page of nobody: {seen}"
        self._pages.check_token(seen, seen.before.get("session"))
        return live

    async def consent(self, seen: Exchange) -> None:
        """POST /consent"""
        if seen.status != 303 or seen.form.get("decision") != "allow":
            return
        flow, live = self._proofs.flow(seen), self._pages.live(seen.before)
        assert live is not None, f"allowed by nobody: {seen}"
        assert flow.asked is not None, f"nothing was asked: {seen}"
        self._facts.consents.add((live.owner.login, flow.asked.client))
        self._facts.tally["consent"] += 1

    async def withdraw(self, seen: Exchange) -> None:
        """POST /account/apps"""
        if seen.status == 303 and "done=withdrawn" in seen.location:
            live = self._session_of(seen)
            client = self._facts.clients[seen.form["client"]]
            self._facts.consents.discard((live.owner.login, client))
            for issued in self._facts.issued:
                issued.is_withdrawn |= issued.owner is live.owner and issued.client == client
            self._facts.tally["withdrawn"] += 1

    async def sign_out(self, seen: Exchange) -> None:
        """POST /oauth/logout"""
        live = self._facts.sessions.get(seen.before.get("session", ""))
        if live is not None and seen.given.get("session") == "" and seen.status < 400:
            live.ended = "signed out"

    async def end_sessions(self, seen: Exchange) -> None:
        """POST /account/sessions"""
        if seen.status != 303 or not (seen.location == "/" or "done=" in seen.location):
            return
        live, facts = self._session_of(seen), self._facts
        facts.tally["ended others"] += 1
        if seen.form.get("action") == "end_others":
            facts.end_sessions(live.owner, "ended from elsewhere", but=live)
            return
        ended = await self._scene.ended_sessions()
        for cookie, other in facts.sessions.items():
            if digest(cookie) in ended and other.owner is live.owner:
                other.ended = "ended from elsewhere"
