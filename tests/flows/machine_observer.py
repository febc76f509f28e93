"""Reads every exchange into the facts, and cries out where the server did what the facts do not allow."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from base.secret_values import digest
from policy.assurance import AAL2
from tests.flows.machine_facts import (
    ATTEMPT_TTL,
    GRACE,
    REMEMBERED,
    SECOND,
    App,
    Asked,
    Facts,
    Flow,
    Human,
    Issued,
    Live,
    Made,
    tokens_say,
    why_no_code,
    why_no_session,
    why_not_fresh,
)
from tests.flows.machine_links import LinkReader
from tests.flows.machine_wire import Exchange, Shown, forms_in, key_in
from tests.flows.machine_world import Scene
from tests.world import CALLBACK

_CODES = re.compile(r"<li><code>([0-9A-Z-]+)</code></li>")
_LINKS = ("recover", "reset", "not-me", "unlock")


class Observer:
    """The facts of one scene and all forms that were shown in it."""

    def __init__(self, scene: Scene, facts: Facts, clients: Mapping[str, str]) -> None:
        self.scene, self.facts = scene, facts
        self.shown: list[Shown] = []
        self.log: list[str] = []
        self._clients = {client_id: name for name, client_id in clients.items()}
        self._lines = count()
        # By form token, the cookies under which it was shown: of flows, of sessions, and lines of sessions.
        self._tokens: dict[str, set[str | int]] = {}
        # By secret, the browser that was shown it; by browser and person, the keys that may become an app.
        self._secrets: dict[str, int] = {}
        self._keys: dict[tuple[int, str], list[bytes]] = {}
        self.links = LinkReader(scene, facts)
        self._posts: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "/signin": self._password,
            "/signin/totp": self._totp,
            "/signin/backup-code": self._backup_code,
            "/enrol": self._put_off,
            "/enrol/totp": self._enrol_totp,
            "/enrol/backup-codes": self._backup_codes,
            "/consent": self._consent,
            "/oauth/logout": self._sign_out,
            "/account/sessions": self._end_sessions,
            "/account/security": self._security,
            "/account/security/password": self._change_password,
            "/account/apps": self._withdraw,
        }

    async def saw(self, seen: Exchange) -> None:
        """Takes in one exchange."""
        self.log.append(str(seen))
        live = self.live(seen.before)
        if live is not None:
            live.seen = seen.ended
        if seen.method == "POST":
            kind, _, token = seen.path[1:].partition("/")
            if seen.path in self._posts:
                await self._posts[seen.path](seen)
            elif kind in _LINKS and token and token != "code":
                await self.links.sent(seen, kind)
            elif seen.path == "/recover/code":
                self.links.typed_code(seen)
        else:
            assert "session" not in seen.given or not seen.given["session"], f"a session by GET: {seen}"
        flow = self.facts.flows.get(seen.before.get("flow", ""))
        self._take_flow(seen)
        await self.links.read_letters(seen.before.get("flow"))
        self._read_page(seen)
        self._read_code(seen, flow)

    def live(self, cookies: Mapping[str, str]) -> Live | None:
        """The session that a browser with these cookies is in."""
        live = self.facts.sessions.get(cookies.get("session", ""))
        if live is not None and live.ended is None and not live.is_alive(self.scene.clock.now):
            live.ended = "its limits"
        return live if live is not None and live.ended is None else None

    # Proofs.

    async def _password(self, seen: Exchange) -> None:
        facts, now = self.facts, seen.began
        owner = facts.people.get(seen.form.get("username", ""))
        door = facts.door(owner, seen.before.get("device")) if owner else None
        if seen.status != 303:
            if seen.status == 403 and door is not None:
                door.add(now)
            return
        flow = self._flow(seen)
        assert owner is not None and door is not None, seen
        assert seen.form.get("password") == owner.password and owner.state == "active", f"let in: {seen}"
        assert not door.is_closed(now), f"let in at a closed door: {seen}"
        door.open()
        flow.owner, flow.proofs, flow.consented = owner, [Made("pwd", now)], set()
        if facts.remembered.get((seen.before.get("device", ""), owner.login), now) > now:
            flow.proofs.append(Made("device", now))
        self._open(seen, flow)

    async def _totp(self, seen: Exchange) -> None:
        if seen.status != 303:
            return
        owner = self._prover(seen)
        typed = seen.form.get("code", "").replace(" ", "")
        found = [(app, app.find_step(typed, seen.began, seen.ended)) for app in owner.apps.values()]
        taken = next(((app, step) for app, step in found if step is not None), None)
        assert taken is not None, f"a code that is none, or was used: {seen}"
        taken[0].last = taken[1] or 0
        self._prove(seen, owner, "totp", self._flow(seen))
        if seen.form.get("remember") == "yes" and seen.given.get("session"):
            self.facts.remembered[seen.after["device"], owner.login] = seen.began + REMEMBERED

    async def _backup_code(self, seen: Exchange) -> None:
        if seen.status != 303:
            return
        owner, code = self._prover(seen), seen.form.get("code", "").upper()
        assert code in owner.codes, f"a backup code that is none, or was used: {seen}"
        owner.codes.remove(code)
        owner.spent.add(code)
        self._prove(seen, owner, "backup_code", self._flow(seen))

    def _prover(self, seen: Exchange) -> Human:
        """Who proves a second factor: whoever began the sign-in with a password, or is signed in."""
        flow, live = self._flow(seen), self.live(seen.before)
        owner = flow.owner if flow.proofs else live.owner if live else None
        assert owner is not None and owner.state == "active", f"a second factor of nobody: {seen}"
        return owner

    def _prove(self, seen: Exchange, owner: Human, method: str, flow: Flow | None) -> None:
        """Adds a proof to the sign-in under way, or else to the session."""
        self.facts.tally[method] += 1
        proof = Made(method, seen.began)
        if flow is not None and flow.proofs:
            flow.proofs.append(proof)
            self._open(seen, flow)
            return
        live = self.live(seen.before)
        assert live is not None and live.owner is owner, seen
        self._renew(seen, live, proof)

    def _open(self, seen: Exchange, flow: Flow) -> None:
        """The session that the proofs of a sign-in opened, if they did."""
        cookie, owner = seen.given.get("session"), flow.owner
        if not cookie or owner is None:
            return
        facts, now = self.facts, seen.began
        fault = why_no_session(owner, flow.proofs, now, required=facts.required)
        assert fault is None, f"{fault}, but a session was opened by {flow.proofs}: {seen}"
        before = facts.sessions.pop(seen.before.get("session", ""), None)
        is_same = before is not None and before.owner is owner and before.ended is None
        line = before.line if before is not None and is_same else next(self._lines)
        facts.sessions[cookie] = Live(owner, flow.proofs, now, seen.ended, seen.ended, line)
        facts.known.add((seen.after["device"], owner.login))
        methods = {proof.method for proof in flow.proofs}
        facts.tally["session by " + "+".join(sorted(methods))] += 1
        if facts.required and not owner.apps and not methods & SECOND and owner.due is None:
            owner.due = now + GRACE
        flow.proofs = []

    def _renew(self, seen: Exchange, live: Live, proof: Made | None) -> None:
        """The session under its new cookie, with one more proof."""
        cookie = seen.given.get("session")
        assert cookie, f"the same cookie after a proof: {seen}"
        self.facts.sessions.pop(seen.before["session"], None)
        self.facts.sessions[cookie] = live
        if proof is not None:
            live.proofs.append(proof)

    def _flow(self, seen: Exchange) -> Flow:
        """The sign-in of a step that was taken: this browser's, not too old, and the form was shown in it."""
        flow = self.facts.flows.get(seen.before.get("flow", ""))
        assert flow is not None, f"a step of no sign-in: {seen}"
        assert seen.began - flow.begun < ATTEMPT_TTL, f"a step of a sign-in that is too old: {seen}"
        self._check_token(seen, seen.before.get("flow"))
        return flow

    def _check_token(self, seen: Exchange, *under: str | int | None) -> None:
        places = self._tokens.get(seen.form.get("form_token", ""), set())
        assert places & set(under), f"a form that was not shown here: {seen}"

    def _take_flow(self, seen: Exchange) -> None:
        """Follows the flow cookie: after a step it is the same sign-in under a new one, else a new sign-in."""
        facts, old, new = self.facts, seen.before.get("flow", ""), seen.given.get("flow")
        if new is None:
            return
        is_step = seen.method == "POST" and (seen.path.startswith("/signin") or seen.path in ("/enrol", "/enrol/totp"))
        is_over = not new
        flow = facts.flows.pop(old, None) if is_over or (is_step and self._went_on(seen)) else None
        if new:
            facts.flows[new] = flow or Flow(seen.began)
            if seen.path == "/oauth/authorize":
                facts.flows[new].asked = self._asked(seen)

    def _went_on(self, seen: Exchange) -> bool:
        return seen.path != "/enrol/totp" or bool(seen.given.get("session"))

    # What guards the account.

    async def _enrol_totp(self, seen: Exchange) -> None:
        if not seen.given.get("session"):
            return
        live = self.live(seen.before)
        # Only a sign-in that goes on, or ends, by it gives the browser another flow cookie.
        flow = self.facts.flows.get(seen.before.get("flow", "")) if "flow" in seen.given else None
        owner = flow.owner if flow and flow.proofs else live.owner if live else None
        assert owner is not None, f"an app of nobody: {seen}"
        self._check_token(seen, seen.before.get("flow"), live.line if live else None)
        proofs = [*(flow.proofs if flow else []), *(live.proofs if live and live.owner is owner else [])]
        self._check_fresh(seen, owner, proofs)
        typed = seen.form.get("code", "")
        apps = [App(key, 0) for key in self._keys.get((seen.browser, owner.login), [])]
        found = [(app, app.find_step(typed, seen.began, seen.ended)) for app in apps]
        app, step = next((pair for pair in reversed(found) if pair[1] is not None), (None, None))
        assert app is not None and step is not None, f"an app that showed no code: {seen}"
        app.last = max(each for each in range(step, step + 3) if app.code(each) == typed)
        self._keys[seen.browser, owner.login] = [key for key in self._keys[seen.browser, owner.login] if key != app.secret]
        owner.apps[await self.scene.newest_app()] = app
        self.facts.tally["enrolled"] += 1
        self._prove(seen, owner, "totp", flow)
        if codes := _CODES.findall(seen.text):
            self._new_codes(seen, owner, codes)

    def _check_fresh(self, seen: Exchange, owner: Human, proofs: list[Made]) -> None:
        fault = why_not_fresh(owner, proofs, seen.began)
        assert fault is None, f"{fault}, but {seen} was done with {proofs}"

    def _new_codes(self, seen: Exchange, owner: Human, codes: list[str]) -> None:
        owner.lose_codes()
        owner.codes = set(codes)
        assert not owner.codes & owner.spent, "a backup code comes back"
        self._secrets.update(dict.fromkeys(codes, seen.browser))

    async def _backup_codes(self, seen: Exchange) -> None:
        codes = _CODES.findall(seen.text)
        live = self.live(seen.before)
        if seen.status != 200 or not codes:
            return
        assert live is not None, f"backup codes for nobody: {seen}"
        self._check_token(seen, live.line, seen.before.get("flow"))
        self._check_fresh(seen, live.owner, live.proofs)
        assert live.owner.apps, f"backup codes without a factor: {seen}"
        self._new_codes(seen, live.owner, codes)
        self.facts.tally["codes made"] += 1

    async def _put_off(self, seen: Exchange) -> None:
        if seen.status != 303:
            return
        self._flow(seen)
        live = self.live(seen.before)
        assert live is not None, f"put off by nobody: {seen}"
        assert live.owner.due is None or live.owner.due > seen.began, f"put off too late: {seen}"
        self.facts.tally["put off"] += 1

    async def _security(self, seen: Exchange) -> None:
        if seen.status != 303 or not seen.location.startswith("/account/security?done="):
            return
        live = self._account(seen)
        if seen.location.endswith("removed"):
            self._check_fresh(seen, live.owner, live.proofs)
            live.owner.lose_apps(seen.form["factor"])
            self.facts.forget_devices(live.owner)
            self.facts.tally["removed"] += 1
        elif seen.location.endswith("forgotten"):
            kept = await self.scene.remembering_devices()
            for key in [key for key in self.facts.remembered if digest(key[0]) not in kept]:
                del self.facts.remembered[key]

    async def _change_password(self, seen: Exchange) -> None:
        if seen.status != 303 or "done=password" not in seen.location:
            return
        live, facts, owner = self._account(seen), self.facts, self._account(seen).owner
        if owner.apps or owner.password is None:
            self._check_fresh(seen, owner, live.proofs)
        assert owner.password in (None, seen.form.get("current")), f"the old password was not proven: {seen}"
        proof = Made("pwd", seen.began) if owner.password is not None else None
        owner.set_password(seen.form["password"], seen.ended)
        facts.end_sessions(owner, "the password changed", but=live)
        facts.end_flows(owner)
        facts.forget_devices(owner)
        facts.door(owner, seen.before.get("device")).open()
        self._renew(seen, live, proof)
        facts.tally["password changed"] += 1

    def _account(self, seen: Exchange) -> Live:
        """The session of an account form that was obeyed: alive, and the form was shown under this very cookie."""
        live = self.live(seen.before)
        assert live is not None, f"an account page of nobody: {seen}"
        self._check_token(seen, seen.before.get("session"))
        return live

    # The rest of a session's life.

    async def _consent(self, seen: Exchange) -> None:
        if seen.status != 303 or seen.form.get("decision") != "allow":
            return
        flow, live = self._flow(seen), self.live(seen.before)
        assert live is not None and flow.asked is not None, f"allowed by nobody: {seen}"
        self.facts.consents.add((live.owner.login, flow.asked.client))
        self.facts.tally["consent"] += 1

    async def _withdraw(self, seen: Exchange) -> None:
        if seen.status == 303 and "done=withdrawn" in seen.location:
            live = self._account(seen)
            self.facts.consents.discard((live.owner.login, self._clients[seen.form["client"]]))
            self.facts.tally["withdrawn"] += 1

    async def _sign_out(self, seen: Exchange) -> None:
        live = self.facts.sessions.get(seen.before.get("session", ""))
        if live is not None and seen.given.get("session") == "" and seen.status < 400:
            live.ended = "signed out"

    async def _end_sessions(self, seen: Exchange) -> None:
        if seen.status != 303 or not (seen.location == "/" or "done=" in seen.location):
            return
        live, facts = self._account(seen), self.facts
        if seen.form.get("action") == "end_others":
            facts.end_sessions(live.owner, "ended from elsewhere", but=live)
            facts.tally["ended others"] += 1
            return
        ended = await self.scene.ended_sessions()
        for cookie, other in facts.sessions.items():
            if digest(cookie) in ended and other.owner is live.owner:
                other.ended = "ended from elsewhere"

    # Pages and codes.

    def _read_page(self, seen: Exchange) -> None:
        owners = self._named(seen)
        for human in self.facts.people.values():
            is_named = human.name in seen.text or f"{human.login}@example.com" in seen.text
            assert not is_named or human in owners, f"{human.name} is named in {seen}"
        for secret, browser in self._secrets.items():
            assert browser == seen.browser or secret not in seen.text, f"another browser's secret in {seen}"
        live = self.live(seen.after)
        for action, fields, choices in forms_in(seen.text):
            self.shown.append(Shown(seen.browser, action, fields, choices, len(self.shown)))
            places = self._tokens.setdefault(fields.get("form_token", ""), set())
            places |= {cookie for kind, cookie in seen.after.items() if kind != "device"}
            places |= {live.line} if live else set()
        if (key := key_in(seen.text)) is not None:
            self._keep_key(seen, *key, owners)

    def _named(self, seen: Exchange) -> list[Human]:
        """Whom a page may name: whoever proved a password here, is signed in here, or is meant by the link."""
        found = [live.owner for cookies in (seen.before, seen.after) if (live := self.live(cookies))]
        for cookies in (seen.before, seen.after):
            flow = self.facts.flows.get(cookies.get("flow", ""))
            found += [flow.owner] if flow and flow.owner else []
        link = self.facts.links.get(seen.path)
        return [*found, link.owner] if link else found

    def _keep_key(self, seen: Exchange, shown: str, key: bytes, owners: list[Human]) -> None:
        assert owners, f"a key for nobody: {seen}"
        self._secrets[shown] = seen.browser
        for owner in owners:
            kept = self._keys.setdefault((seen.browser, owner.login), [])
            if key not in kept:
                kept.append(key)

    def _asked(self, seen: Exchange) -> Asked:
        query = seen.query
        anew = query.get("prompt") == "login" or query.get("max_age") == "0"
        classes = tuple(query.get("acr_values", "").split())
        return Asked(self._clients[query["client_id"]], classes, seen.began if anew else None, seen.began)

    def _read_code(self, seen: Exchange, flow: Flow | None) -> None:
        """Whether the application may have this code; what its tokens must say is kept for whoever redeems it."""
        if not seen.location.startswith(CALLBACK) or "code=" not in seen.location:
            return
        asked = self._asked(seen) if seen.path == "/oauth/authorize" else flow.asked if flow else None
        live = self.live(seen.after)
        assert asked is not None and live is not None, f"a code for nobody: {seen}"
        fault = why_no_code(live, asked, seen.ended, required=self.facts.required)
        assert fault is None, f"{fault}, but {asked.client} got a code with {live.proofs}: {seen}"
        allowed = asked.client != "asking" or (live.owner.login, asked.client) in self.facts.consents
        assert allowed, f"a code without consent: {seen}"
        acr, amr = tokens_say(live.methods)
        times = int(live.opened.timestamp()), int(live.opened_by.timestamp())
        params = dict(parse_qsl(urlsplit(seen.location).query))
        self.facts.issued.append(Issued(asked.client, params, str(live.owner.person.sub), acr, amr, times))
        self.facts.tally["code for " + ("aal2" if acr == AAL2 else "aal1")] += 1

