"""Reads every exchange into the facts, and cries out where the server did what the facts do not allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from policy.assurance import AAL2
from tests.flows.machine_account import Account
from tests.flows.machine_facts import Asked, Facts, Flow, Issued, Live, tokens_say, why_no_code
from tests.flows.machine_links import LinkReader
from tests.flows.machine_pages import Pages
from tests.flows.machine_proofs import Proofs
from tests.flows.machine_wire import Exchange
from tests.flows.machine_world import Scene
from tests.world import CALLBACK

_LINKS = ("recover", "reset", "not-me", "unlock")


class Observer:
    """One scene's exchanges, in their order."""

    def __init__(self, scene: Scene, facts: Facts) -> None:
        self._scene, self.facts, self.log = scene, facts, list[str]()
        self.pages, self.links = Pages(scene, facts), LinkReader(scene, facts)
        proofs = Proofs(facts, self.pages)
        account = Account(scene, facts, self.pages, proofs)
        self._posts: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "/signin": proofs.password,
            "/signin/totp": proofs.totp,
            "/signin/backup-code": proofs.backup_code,
            "/enrol": proofs.put_off,
            "/enrol/totp": account.enrol_totp,
            "/enrol/backup-codes": account.backup_codes,
            "/consent": account.consent,
            "/oauth/logout": account.sign_out,
            "/account/sessions": account.end_sessions,
            "/account/security": account.security,
            "/account/security/password": account.change_password,
            "/account/apps": account.withdraw,
        }

    def live(self, cookies: Mapping[str, str]) -> Live | None:
        """The session that a browser with these cookies is in."""
        return self.pages.live(cookies)

    async def saw(self, seen: Exchange) -> None:
        """Takes in one exchange."""
        self.log.append(str(seen))
        live = self.live(seen.before)
        if live is not None:
            live.seen = seen.ended
        if seen.method == "POST":
            await self._take_post(seen)
            if seen.before.get("device"):
                await self._follow_device(seen.before["device"], seen.given.get("device"))
        else:
            assert not seen.given.get("session"), f"a session by a GET: {seen}"
        flow = self.facts.flows.get(seen.before.get("flow", ""))
        self._follow_flow(seen)
        await self.links.read_letters(seen.before.get("flow"))
        self.pages.read(seen)
        self._read_code(seen, flow)

    async def _follow_device(self, old: str, new: str | None) -> None:
        """A browser goes on under another device cookie. Where it lost the answer with the one before, that is forgiven
        for a while; later the cookie counts as copied, and nobody is known by it."""
        facts = self.facts
        current = facts.replaced.get(old, old)
        if current != old:
            facts.forget_cookies(await self._scene.revoked_devices())
        if new:
            facts.follow_device(current, new)
            facts.replaced[old] = new

    async def _take_post(self, seen: Exchange) -> None:
        kind, _, token = seen.path[1:].partition("/")
        if seen.path in self._posts:
            await self._posts[seen.path](seen)
        elif seen.path == "/recover/code":
            self.links.typed_code(seen)
        elif kind in _LINKS and token:
            await self.links.sent(seen, kind)
        else:
            assert not seen.given.get("session"), f"a session by another form: {seen}"

    def _follow_flow(self, seen: Exchange) -> None:
        """After a step a sign-in goes on under a new cookie, or is over; else a new cookie is that of a new one."""
        flows, new = self.facts.flows, seen.given.get("flow")
        if new is None:
            return
        goes_on = seen.method == "POST" and (seen.path.startswith("/signin") or seen.path == "/enrol")
        goes_on |= seen.path == "/enrol/totp" and bool(seen.given.get("session"))
        flow = flows.pop(seen.before.get("flow", ""), None) if goes_on or not new else None
        if new:
            flows[new] = flow or Flow(seen.began)
            if seen.path == "/oauth/authorize":
                flows[new].asked = self._asked(seen)

    def _asked(self, seen: Exchange) -> Asked:
        query = seen.query
        anew = query.get("prompt") == "login" or query.get("max_age") == "0"
        classes = tuple(query.get("acr_values", "").split())
        return Asked(self.facts.clients[query["client_id"]], classes, seen.began if anew else None)

    def _read_code(self, seen: Exchange, flow: Flow | None) -> None:
        """Whether the application may have this code; what its tokens must say is kept for whoever redeems it."""
        if not seen.location.startswith(CALLBACK) or "code=" not in seen.location:
            return
        asked = self._asked(seen) if seen.path == "/oauth/authorize" else flow.asked if flow else None
        live = self.live(seen.after)
        assert asked is not None, f"a code that nobody asked for: {seen}"
        assert live is not None, f"a code for nobody: {seen}"
        fault = why_no_code(live, asked, seen.ended, required=self.facts.required)
        assert fault is None, f"{fault}, but {asked.client} got a code with {live.proofs}: {seen}"
        allowed = asked.client != "asking" or (live.owner.login, asked.client) in self.facts.consents
        assert allowed, f"a code without consent: {seen}"
        acr, amr = tokens_say(live.methods)
        times = int(live.opened.timestamp()), int(live.opened_by.timestamp())
        params = dict(parse_qsl(urlsplit(seen.location).query))
        issued = Issued(asked.client, params, live.owner, acr, amr, times, live.line, seen.ended)
        self.facts.issued.append(issued)
        self.facts.tally["code for " + ("aal2" if acr == AAL2 else "aal1")] += 1
