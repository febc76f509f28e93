"""A policy decision point with policies of its own, and a service that asks it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from policy.proposals import Activated, Proposal
from policy.starter import PolicySetText, starter_set
from server.policies import make_activating
from tests.server.api.service import Service, open_service
from tests.world import World

SCHEMA = """
namespace Shop {
  entity Document { "owner"?: String, "is_secret"?: Bool };
  action "read", "edit", "print" appliesTo {
    principal: [Ostiary::Person, Ostiary::Service], resource: [Document, Ostiary::Application, Ostiary::Api],
    context: Ostiary::Surroundings
  };
}
"""
POLICIES = """
@id("shop.read")
@keep("20")
permit (principal, action == Shop::Action::"read", resource) unless { resource is Shop::Document && resource has is_secret && resource.is_secret };
@id("shop.editors")
permit (principal in Ostiary::Role::"editor", action == Shop::Action::"edit", resource);
@id("shop.near")
@reason("elsewhere")
@advice("Editing is for people in the office.")
forbid (principal, action == Shop::Action::"edit", resource)
when { context has address && !context.address.isInRange(ip("203.0.113.0/24")) };
@id("shop.printers")
permit (principal is Ostiary::Person, action == Shop::Action::"print", resource)
when {
  context has authentication && context.authentication.classes.contains("urn:ostiary:aal2")
  && context.authentication.age_s < 600 && !(context has risk && context.risk.score > 50)
};
@id("shop.robots")
permit (principal is Ostiary::Service, action == Shop::Action::"edit", resource)
when { context has caller && context.caller has name && context.caller.name == "orders" };
"""  # noqa: E501 - as policies read

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"


@dataclass
class DecisionPoint:
    """What tests ask, and whom it knows: `sub` is an active person's."""

    world: World
    service: Service
    sub: str

    @property
    def http(self) -> httpx2.AsyncClient:
        """The connection of the service that may ask."""
        return self.service.http

    def question(self, action: str = "Shop::read", document: str = "1", **more: object) -> dict[str, object]:
        """An evaluation about the person and a document."""
        return {
            "subject": {"type": "person", "id": self.sub},
            "action": {"name": action},
            "resource": {"type": "Shop::Document", "id": document},
            **more,
        }

    async def ask(self, **question: object) -> dict[str, object]:
        """The answer to one evaluation."""
        return await self.post(EVALUATION, question)

    async def post(self, path: str, message: object) -> dict[str, object]:
        """The document that answers a message."""
        answer = await self.http.post(path, json=message)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        document: dict[str, object] = answer.json()
        return document

    async def evaluations(self, message: object) -> list[dict[str, object]]:
        """The answers to several evaluations; the message has no decision of its own (§7.2)."""
        answer = await self.post(EVALUATIONS, message)
        assert set(answer) == {"evaluations"}
        found = answer["evaluations"]
        assert isinstance(found, list)
        return found


@asynccontextmanager
async def open_decision_point(world: World) -> AsyncIterator[DecisionPoint]:
    """The shipped policies and those above in force, and a service that may ask."""
    shipped = starter_set()
    text = PolicySetText(f"{shipped.policies}\n{POLICIES}", SCHEMA)
    proposal = Proposal(text=text, reason="a test", actor="cli", based_on=0, over_any=True)
    made = await make_activating(world.services).activate(proposal, now=world.clock())
    assert isinstance(made, Activated), made
    await world.services.policies.poll()
    person = await world.person("ada")
    async with open_service(world, "authzen:evaluate", name="gateway") as service:
        yield DecisionPoint(world, service, person.sub)
