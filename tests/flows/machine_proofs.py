"""Proofs as the sign-in machine counts them: what was typed, what it added to, and the session that it opened."""

from __future__ import annotations

from itertools import count

from tests.flows.machine_facts import (
    ATTEMPT_TTL,
    GRACE,
    REMEMBERED,
    SECOND,
    Facts,
    Flow,
    Human,
    Live,
    Made,
    why_no_session,
)
from tests.flows.machine_pages import Pages
from tests.flows.machine_wire import Exchange


class Proofs:
    """Reads the steps of a sign-in into the facts."""

    def __init__(self, facts: Facts, pages: Pages) -> None:
        self._facts, self._pages = facts, pages
        self._lines = count()

    async def password(self, seen: Exchange) -> None:
        """POST /signin"""
        facts, now = self._facts, seen.began
        owner = facts.people.get(seen.form.get("username", ""))
        door = facts.door(owner, seen.before.get("device")) if owner else None
        if seen.status != 303:
            if seen.status == 403 and door is not None:
                was_open = not door.is_closed(now)
                door.add(now)
                if owner is not None and was_open and door.is_closed(now):
                    # Whoever waits for a second step began behind a door that is closed now (S23).
                    facts.end_flows(owner)
            return
        flow = self.flow(seen)
        assert owner is not None, f"let in as nobody: {seen}"
        assert door is not None
        is_right = seen.form.get("password") == owner.password and owner.state == "active"
        assert is_right, f"let in by a wrong password, or into a closed account: {seen}"
        assert not door.is_closed(now), f"let in at a closed door: {seen}"
        door.open()
        flow.owner, flow.proofs, flow.added = owner, [Made("pwd", now)], []
        if facts.remembered.get((seen.before.get("device", ""), owner.login), now) > now:
            flow.proofs.append(Made("device", now))
        self._open(seen, flow, owner)

    async def totp(self, seen: Exchange) -> None:
        """POST /signin/totp"""
        if seen.status != 303:
            return
        owner = self._prover(seen)
        typed = seen.form.get("code", "").replace(" ", "")
        found = [(app, app.find_step(typed, seen.began, seen.ended)) for app in owner.apps.values()]
        taken = next(((app, step) for app, step in found if step is not None), None)
        assert taken is not None, f"a code that is none, or was used: {seen}"
        taken[0].last = taken[1]
        self.prove(seen, owner, "totp", self.flow(seen))
        if seen.form.get("remember") == "yes" and seen.given.get("session"):
            self._facts.remembered[seen.after["device"], owner.login] = seen.began + REMEMBERED

    async def backup_code(self, seen: Exchange) -> None:
        """POST /signin/backup-code"""
        if seen.status != 303:
            return
        owner, code = self._prover(seen), seen.form.get("code", "").upper()
        assert code in owner.codes, f"a backup code that is none, or was used: {seen}"
        owner.codes.remove(code)
        owner.spent.append(code)
        self.prove(seen, owner, "backup_code", self.flow(seen))

    async def put_off(self, seen: Exchange) -> None:
        """POST /enrol"""
        if seen.status != 303:
            return
        self.flow(seen)
        live = self._pages.live(seen.before)
        assert live is not None, f"put off by nobody: {seen}"
        assert live.owner.due is None or live.owner.due > seen.began, f"put off too late: {seen}"
        self._facts.tally["put off"] += 1

    def flow(self, seen: Exchange) -> Flow:
        """The sign-in of a step that was taken: this browser's, not too old, and the form was shown in it."""
        cookie = seen.before.get("flow", "")
        flow = self._facts.flows.get(cookie)
        assert flow is not None, f"a step of no sign-in: {seen}"
        assert seen.began - flow.begun < ATTEMPT_TTL, f"a step of a sign-in that is too old: {seen}"
        self._pages.check_token(seen, cookie)
        return flow

    def _prover(self, seen: Exchange) -> Human:
        """Who proves a second factor: whoever began the sign-in with a password, or is signed in."""
        flow, live = self.flow(seen), self._pages.live(seen.before)
        owner = flow.owner if flow.proofs else live.owner if live else None
        assert owner is not None, f"a second factor of nobody: {seen}"
        assert owner.state == "active", f"a second factor of a closed account: {seen}"
        return owner

    def prove(self, seen: Exchange, owner: Human, method: str, flow: Flow | None) -> None:
        """Adds a proof to the sign-in under way, or else to the session."""
        self._facts.tally[method] += 1
        proof = Made(method, seen.began)
        if flow is not None and flow.proofs:
            flow.proofs.append(proof)
            self._open(seen, flow, owner)
            return
        live = self._pages.live(seen.before)
        assert live is not None, f"a proof that adds to nothing: {seen}"
        assert live.owner is owner, f"a proof that adds to somebody else's session: {seen}"
        added = [*(flow.added if flow else []), proof]
        if flow is not None and not seen.given.get("session"):
            assert seen.given.get("flow"), f"no new cookie after a proof: {seen}"
            flow.added = added
        else:
            self.renew(seen, live, added)

    def _open(self, seen: Exchange, flow: Flow, owner: Human) -> None:
        """The session that the proofs of a sign-in opened, if they did."""
        cookie = seen.given.get("session")
        if not cookie:
            return
        facts, now = self._facts, seen.began
        fault = why_no_session(owner, flow.proofs, now, required=facts.required)
        assert fault is None, f"{fault}, but a session was opened by {flow.proofs}: {seen}"
        before = facts.sessions.pop(seen.before.get("session", ""), None)
        goes_on = before is not None and before.owner is owner and before.ended is None
        line = before.line if before is not None and goes_on else next(self._lines)
        facts.sessions[cookie] = Live(owner, flow.proofs, now, seen.ended, seen.ended, line)
        facts.known.add((seen.after["device"], owner.login))
        methods = {proof.method for proof in flow.proofs}
        facts.tally["session by " + "+".join(sorted(methods))] += 1
        if facts.required and not owner.apps and not methods & SECOND and owner.due is None:
            owner.due = now + GRACE
        flow.proofs = []

    def renew(self, seen: Exchange, live: Live, added: list[Made]) -> None:
        """The session under its new cookie, with more proofs; the old cookie opens nothing."""
        cookie = seen.given.get("session")
        assert cookie, f"no new cookie after a proof: {seen}"
        del self._facts.sessions[seen.before["session"]]
        self._facts.sessions[cookie] = live
        live.proofs += added
