"""Links and codes that people get by mail, read into the facts of the sign-in machine."""

from __future__ import annotations

import re

from base.secret_values import digest
from identity.mail.letter_values import Notice
from tests.flows.machine_facts import LINK_TTL, Facts, Human, Link
from tests.flows.machine_wire import Exchange
from tests.flows.machine_world import Scene
from tests.world import ISSUER

_LETTER_LINKS = {"link": None, "not_me": "not-me", "unlock": "unlock"}
_RECOVERS = re.compile(r"/recover/olk_[\w-]+")


class LinkReader:
    """Notes which links were told to whom, and what came of using one."""

    def __init__(self, scene: Scene, facts: Facts) -> None:
        self._scene, self._facts = scene, facts

    async def read_letters(self, flow: str | None = None) -> None:
        """Opens the new letters. `flow`: the cookie of the sign-in in which one was asked for."""
        for letter in await self._scene.new_letters():
            owner = next(human for human in self._facts.people.values() if letter.to == f"{human.login}@example.com")
            for name, kind in _LETTER_LINKS.items():
                if name in letter.facts:
                    self.add(owner, str(letter.facts[name]).removeprefix(ISSUER), kind or letter.kind, letter.kind)
            if "code" in letter.facts:
                code = str(letter.facts["code"]).replace(" ", "")
                self._facts.mailed[code] = (owner, self._scene.clock.now, flow)

    def add(self, owner: Human, path: str, kind: str, about: str, resets: frozenset[str] = frozenset()) -> None:
        """A link that its person was told; one that is known already stays as it is."""
        newest = next(reversed(owner.apps), None) if about == Notice.FACTOR_ADDED else None
        link = Link(kind, path, owner, self._scene.clock.now, about, newest, resets)
        self._facts.links.setdefault(path, link)

    async def sent(self, seen: Exchange, kind: str) -> None:
        """The form of a link's page was sent."""
        done = {"recover": "/recover/done", "reset": "/reset/done", "unlock": "/signin"}
        if seen.status != 303 or not (seen.location == done.get(kind) or kind == "not-me"):
            return
        link = self._facts.links.get(seen.path)
        assert link is not None, f"a link that nobody was told: {seen}"
        fault = self._why_dead(link, seen)
        assert fault is None, f"{fault}, but it worked: {seen}"
        link.is_spent = True
        self._facts.tally[f"link {kind}"] += 1
        match kind:
            case "recover":
                self._new_password(link.owner, seen)
            case "reset":
                self._reset(link, seen)
            case "not-me":
                await self._not_me(link, seen)
            case "unlock":
                old = seen.before.get("device", "")
                known = self._facts.replaced.get(old, old), link.owner.login
                if known in self._facts.known:
                    self._facts.door(link.owner, known[0]).open()
                self._facts.known.add((seen.after["device"], link.owner.login))
            case _:
                raise AssertionError(f"a link of an unknown kind: {kind}")

    def _why_dead(self, link: Link, seen: Exchange) -> str | None:
        owner = link.owner
        if link.is_spent:
            return "the link was used, or is void"
        if seen.began - link.made > LINK_TTL[link.kind]:
            return "the link is too old"
        if owner.state != "active":
            return "the person is not active"
        if link.kind == "not-me":
            return None
        if any(other.kind == link.kind and other.owner is owner and other.made > link.made for other in self._others()):
            return "there is a newer link"
        replaces = link.kind == "recover" or "password" in link.resets
        return "the password changed since" if replaces and owner.password_since > link.made else None

    def _others(self) -> list[Link]:
        return list(self._facts.links.values())

    def _new_password(self, owner: Human, seen: Exchange) -> None:
        owner.set_password(seen.form["password"], seen.ended)
        self._facts.open_doors(owner)
        self._end(owner, "the password was replaced")

    def _end(self, owner: Human, why: str) -> None:
        self._facts.end_everything(owner, why)
        self._facts.forget_devices(owner)

    def _reset(self, link: Link, seen: Exchange) -> None:
        owner = link.owner
        if "factors" in link.resets:
            owner.lose_apps(*owner.apps)
        if "password" in link.resets:
            self._new_password(owner, seen)
            return
        assert seen.form.get("password") == owner.password, f"factors removed by the link alone: {seen}"
        self._end(owner, "the factors were reset")

    async def _not_me(self, link: Link, seen: Exchange) -> None:
        owner, facts = link.owner, self._facts
        assert _RECOVERS.fullmatch(seen.location), seen
        self._end(owner, "it was not them")
        owner.set_password(None, seen.ended)
        for other in self._others():
            if other.owner is owner and other.kind in ("recover", "reset"):
                other.is_spent = True
        facts.mailed = {code: found for code, found in facts.mailed.items() if found[0] is not owner}
        if link.about == Notice.FACTOR_ADDED and link.app in owner.apps:
            owner.lose_apps(link.app)
        if link.about in (Notice.BACKUP_CODE_USED, Notice.FEW_BACKUP_CODES):
            owner.lose_codes()
        revoked = await self._scene.revoked_devices()
        facts.known = {key for key in facts.known if digest(key[0]) not in revoked}
        self.add(owner, seen.location, "recover", "not_me")

    def typed_code(self, seen: Exchange) -> None:
        """The digits of a recovery letter were typed."""
        if seen.status != 303 or not _RECOVERS.fullmatch(seen.location):
            return
        found = self._facts.mailed.pop(seen.form.get("code", "").replace(" ", ""), None)
        assert found is not None, f"a recovery code that is none, or was used: {seen}"
        owner, made, flow = found
        assert flow == seen.before.get("flow"), f"a recovery code of another browser: {seen}"
        assert owner.state == "active", f"a recovery code of a closed account: {seen}"
        assert owner.password_since <= made, f"a recovery code that is void: {seen}"
        assert seen.began - made <= LINK_TTL["recover"], f"a recovery code that is too old: {seen}"
        self._facts.tally["recovery code"] += 1
        self.add(owner, seen.location, "recover", "code")
