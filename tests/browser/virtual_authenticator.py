"""Chromium's virtual authenticator, by the DevTools protocol: a device with passkeys that no hand has to touch."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import CDPSession

from tests.browser_fixtures import Visit

# Counts what was asked of the browser, after it was asked: a test touches the authenticator when autofill waits, or it
# would answer that instead of the button.
COUNT_ASKED = """{
    const ask = navigator.credentials.get.bind(navigator.credentials);
    navigator.credentials.get = options => {
        const answer = ask(options);
        const page = document.documentElement.dataset;
        page.asked = Number(page.asked ?? 0) + 1;
        return answer;
    };
}"""


@dataclass
class Device:
    """The virtual authenticator of one page."""

    session: CDPSession
    id: str

    async def tell(self, command: str, **parameters: object) -> None:
        """Sends a command about this authenticator."""
        await self.session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **parameters})

    async def count_credentials(self) -> int:
        """How many passkeys it holds."""
        held = await self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return len(held["credentials"])


async def add_device(visit: Visit) -> Device:
    """Gives the page of a visit an authenticator that verifies its holder and keeps passkeys."""
    await visit.context.add_init_script(COUNT_ASKED)
    session = await visit.context.new_cdp_session(visit.page)
    # Without the browser's own dialogs, which no test can click.
    await session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        # Nobody touches it until a test says so: autofill would answer by itself as soon as the page is there.
        "automaticPresenceSimulation": False,
    }
    added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(session, added["authenticatorId"])


async def touch(device: Device) -> None:
    """Its holder touches it from now on whenever it asks."""
    await device.tell("setAutomaticPresenceSimulation", enabled=True)


async def leave(device: Device) -> None:
    """Nobody touches it from now on."""
    await device.tell("setAutomaticPresenceSimulation", enabled=False)
