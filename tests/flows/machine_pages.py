"""What was shown where in the sign-in machine: forms, secrets and names, and whether a page may show them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.flows.machine_facts import Facts, Human, Live
from tests.flows.machine_wire import Exchange, Shown, forms_in, key_in
from tests.flows.machine_world import Scene


class Pages:
    """All forms that were shown in a scene, and the secrets by the browser that was shown them."""

    def __init__(self, scene: Scene, facts: Facts) -> None:
        self._scene, self._facts = scene, facts
        self.shown: list[Shown] = []
        # By form token, what it was shown under: cookies of flows and sessions, and lines of sessions.
        self._tokens: dict[str, set[str | int]] = {}
        self._secrets: dict[str, int] = {}
        # By browser and person, the keys that may become an app there.
        self._keys: dict[tuple[int, str], list[bytes]] = {}

    def live(self, cookies: Mapping[str, str]) -> Live | None:
        """The session that a browser with these cookies is in."""
        live = self._facts.sessions.get(cookies.get("session", ""))
        if live is not None and live.ended is None and not live.is_alive(self._scene.clock.now):
            live.ended = "its limits"
        return live if live is not None and live.ended is None else None

    def check_token(self, seen: Exchange, *under: str | int | None) -> None:
        """Cries out where the form of a step was not shown under one of these cookies or lines."""
        places = self._tokens.get(seen.form.get("form_token", ""), set())
        assert places & set(under), f"a form that was not shown here: {seen}"

    def keep_secrets(self, seen: Exchange, secrets: list[str]) -> None:
        """These were shown to this browser, and may never be shown to another one."""
        self._secrets.update(dict.fromkeys(secrets, seen.browser))

    def keys(self, browser: int, owner: Human) -> list[bytes]:
        """The keys of apps that were shown to this person in this browser and are none yet, oldest first."""
        return self._keys.setdefault((browser, owner.login), [])

    def read(self, seen: Exchange) -> None:
        """Takes in a page."""
        owners = self._who_may_be_named(seen)
        for human in self._facts.people.values():
            is_named = human.name in seen.text or f"{human.login}@example.com" in seen.text
            assert not is_named or human in owners, f"{human.name} is named in {seen}"
        for secret, browser in self._secrets.items():
            assert browser == seen.browser or secret not in seen.text, f"another browser's secret in {seen}"
        live = self.live(seen.after)
        for action, fields, choices in forms_in(seen.text):
            self.shown.append(Shown(action, fields, choices))
            places = self._tokens.setdefault(fields.get("form_token", ""), set())
            places |= {cookie for kind, cookie in seen.after.items() if kind != "device"}
            places |= {live.line} if live else set()
        if (key := key_in(seen.text)) is not None:
            self._keep_key(seen, *key, owners)

    def _who_may_be_named(self, seen: Exchange) -> list[Human]:
        """Whoever proved a password in this sign-in, is signed in here, or is meant by the link."""
        found = []
        for cookies in (seen.before, seen.after):
            live, flow = self.live(cookies), self._facts.flows.get(cookies.get("flow", ""))
            found += [live.owner] if live else []
            found += [flow.owner] if flow and flow.owner else []
        link = self._facts.links.get(seen.path)
        return [*found, link.owner] if link else found

    def _keep_key(self, seen: Exchange, shown: str, key: bytes, owners: list[Human]) -> None:
        assert owners, f"a key for nobody: {seen}"
        self.keep_secrets(seen, [shown])
        for owner in owners:
            kept = self.keys(seen.browser, owner)
            if key not in kept:
                kept.append(key)
