"""`ostiary api create|list|delete`."""

from datetime import datetime

import click

from identity import apis
from identity.client_values import Api
from identity.services import Services
from policy.assurance import KNOWN_ACR
from server.commands.frame import ACTOR, Frame, framed, table


@click.group("api")
def command() -> None:
    """APIs: an identifier, which is the audience of tokens, and its scopes."""


@command.command("create")
@click.option("--identifier", required=True, help="An absolute URI, such as https://api.example.com.")
@click.option("--scope", multiple=True, help="A scope of this API; may be given several times.")
@click.option("--name", help="The name that consent pages show.")
@click.option("--scope-acr", multiple=True, metavar="SCOPE=ACR",
              help=f"What whoever is given a scope must have met: {', '.join(KNOWN_ACR)}.")  # fmt: skip
@click.option("--access-token-ttl-s", type=int, help="How long its access tokens live, in seconds.")
@framed
def create(
    frame: Frame,
    identifier: str,
    scope: tuple[str, ...],
    name: str | None,
    scope_acr: tuple[str, ...],
    access_token_ttl_s: int | None,
) -> None:
    """Register an API."""
    needed = _parse_scope_acr(scope_acr)

    async def work(services: Services, now: datetime) -> Api:
        async with services.database.transaction() as db:
            return await apis.create_api(
                db,
                services,
                identifier=identifier,
                scopes=dict.fromkeys(scope, ""),
                name=name,
                access_token_ttl_s=access_token_ttl_s,
                scope_acr=needed,
                now=now,
                actor=ACTOR,
            )

    made = frame.with_services(work)
    frame.answer(_shown(made), f"{made.identifier} is registered")


def _parse_scope_acr(pairs: tuple[str, ...]) -> dict[str, str]:
    # A scope may have `=` in it, a class never does.
    split = [pair.rpartition("=") for pair in pairs]
    if not all(scope and acr for scope, _, acr in split):
        raise click.UsageError("--scope-acr takes SCOPE=ACR, such as payslip:read=urn:ostiary:aal2")
    return {scope: acr for scope, _, acr in split}


@command.command("list")
@framed
def list_apis(frame: Frame) -> None:
    """Every API, oldest first."""

    async def work(services: Services, now: datetime) -> list[Api]:
        async with services.database.reading() as db:
            return await apis.list_apis(db)

    found = frame.with_services(work)
    rows = [(api.identifier, api.name, " ".join(sorted(api.scopes))) for api in found]
    frame.answer({"apis": [_shown(api) for api in found]}, table(rows, empty="No API is registered."))


@command.command("delete")
@click.argument("identifier")
@framed
def delete(frame: Frame, identifier: str) -> None:
    """Remove an API that no application uses."""

    async def work(services: Services, now: datetime) -> None:
        async with services.database.transaction() as db:
            await apis.delete_api(db, services, identifier, now=now, actor=ACTOR)

    frame.with_services(work)
    frame.answer({"deleted": identifier}, f"{identifier} is deleted")


def _shown(api: Api) -> dict[str, object]:
    return {
        "identifier": api.identifier,
        "name": api.name,
        "scopes": sorted(api.scopes),
        "access_token_ttl_s": api.access_token_ttl_s,
        "scope_acr": dict(api.scope_acr),
    }
