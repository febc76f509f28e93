"""`ostiary client create|list|show|update|disable|enable|rotate-secret|delete`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import click

from identity import client_changes, clients, revocation
from identity.client_values import Client
from identity.clients import NewClient
from identity.services import Services
from policy.assurance import KNOWN_ACR
from policy.values import RiskThresholds
from server.client_requests import AskedClient, register
from server.commands.frame import ACTOR, Frame, framed, table

# What an application may have of its own, and the deployment's holds where it has not.
CLEARED: Mapping[str, str] = {
    "post-logout-redirect-uri": "post_logout_redirect_uris",
    "access-token-ttl-s": "access_token_ttl_s",
    "required-acr": "required_acr",
    "risk": "risk_thresholds",
}


@click.group("client")
def command() -> None:
    """Applications."""


@command.command("create")
@click.option("--name", required=True, help="The name that people see.")
@click.option("--redirect-uri", multiple=True, help="Where the browser returns to; may be given several times.")
@click.option("--post-logout-redirect-uri", multiple=True, help="Where the browser returns to after sign-out.")
@click.option("--grant", multiple=True, help="authorization_code, refresh_token, client_credentials, token_exchange.")
@click.option("--scope", multiple=True, help="A scope it may ask for; may be given several times.")
@click.option("--audience", multiple=True, help="An API it may ask tokens for; the first is its default.")
@click.option("--public", is_flag=True, help="It cannot keep a secret (a browser's or a phone's application).")
@click.option("--first-party", is_flag=True, help="Our own application: people are not asked for consent.")
@click.option("--auth-method", help="client_secret_basic (the default), client_secret_post or none.")
@click.option("--require-pkce/--no-require-pkce", default=True, help="Whether PKCE is required.")
@click.option("--rotate-refresh/--no-rotate-refresh", default=True, help="Whether refresh tokens rotate.")
@click.option("--id-token-alg", default="RS256", show_default=True, help="RS256 or ES256.")
@click.option("--access-token-ttl-s", type=int, help="How long its access tokens live, in seconds.")
@click.option("--required-acr", help=f"What whoever signs in must have met: {', '.join(KNOWN_ACR)}.")
@click.option("--risk-notice", type=int, help="Its own score from which a person is told of a sign-in.")
@click.option("--risk-step-up", type=int, help="Its own score from which a second factor is asked for.")
@click.option("--risk-strong", type=int, help="Its own score from which only a passkey or a mailed code will do.")
@framed
def create(
    frame: Frame,
    public: bool,
    auth_method: str | None,
    risk_notice: int | None,
    risk_step_up: int | None,
    risk_strong: int | None,
    **options: object,
) -> None:
    """Register an application; its secret is shown only now.

    Scores rise from 1 to 100; where only some are given, the others are what this deployment has now.
    """
    if public and auth_method not in (None, "none"):
        raise click.UsageError("--public means --auth-method none")
    method = "none" if public else auth_method or "client_secret_basic"
    thresholds = _thresholds(_usual(frame), risk_notice, risk_step_up, risk_strong)
    asked = AskedClient(auth_method=method, risk_thresholds=thresholds, **options)  # type: ignore[arg-type]
    also_made: list[str] = []

    async def work(services: Services, now: datetime) -> clients.CreatedClient:
        async with services.database.transaction() as db:
            return await register(db, services, asked, say=also_made.append, now=now, actor=ACTOR)

    made = frame.with_services(work)
    for words in also_made:
        frame.say(words)
    document = {"client_id": made.client.client_id, "client_secret": made.secret}
    secret = f"\nclient_secret  {made.secret}   (shown only now)" if made.secret else ""
    frame.answer(document, f"client_id      {made.client.client_id}{secret}")


def _usual(frame: Frame) -> RiskThresholds:
    """The deployment's own, for whoever has none."""
    return frame.settings.signin_rules().risk


def _thresholds(
    usual: RiskThresholds, notice: int | None, step_up: int | None, strong: int | None
) -> RiskThresholds | None:
    """What was asked for, completed by what is usual; None where nothing was."""
    if notice is None and step_up is None and strong is None:
        return None
    return RiskThresholds(
        usual.notice if notice is None else notice,
        usual.step_up if step_up is None else step_up,
        usual.strong if strong is None else strong,
    )


@command.command("list")
@framed
def list_clients(frame: Frame) -> None:
    """Every application, oldest first."""

    async def work(services: Services, now: datetime) -> list[Client]:
        async with services.database.reading() as db:
            return await clients.list_clients(db)

    found = frame.with_services(work)
    rows = [(client.client_id, client.name, client.auth_method, " ".join(sorted(client.grants))) for client in found]
    document = {"clients": [clients.shown(client) for client in found]}
    frame.answer(document, table(rows, empty="No application is registered."))


@command.command("show")
@click.argument("client_id")
@framed
def show(frame: Frame, client_id: str) -> None:
    """One application."""

    async def work(services: Services, now: datetime) -> Client:
        async with services.database.reading() as db:
            return await clients.load_client(db, client_id)

    document = clients.shown(frame.with_services(work))
    frame.answer(document, table([(name, str(value)) for name, value in document.items()], empty=""))


@command.command("update")
@click.argument("client_id")
@click.option("--name", help="The name that people see.")
@click.option("--redirect-uri", multiple=True, help="Where the browser returns to; those given replace all.")
@click.option("--post-logout-redirect-uri", multiple=True, help="Likewise, after sign-out.")
@click.option("--first-party/--third-party", default=None, help="Our own application, or one that asks for consent.")
@click.option("--require-pkce/--no-require-pkce", default=None, help="Whether PKCE is required.")
@click.option("--access-token-ttl-s", type=int, help="How long its access tokens live, in seconds.")
@click.option("--required-acr", help=f"What whoever signs in must have met: {', '.join(KNOWN_ACR)}.")
@click.option("--risk-notice", type=int, help="Its own score from which a person is told of a sign-in.")
@click.option("--risk-step-up", type=int, help="Its own score from which a second factor is asked for.")
@click.option("--risk-strong", type=int, help="Its own score from which only a passkey or a mailed code will do.")
@click.option("--clear", multiple=True, type=click.Choice(tuple(CLEARED)), help="What it has of its own no more.")
@framed
def update(
    frame: Frame,
    client_id: str,
    risk_notice: int | None,
    risk_step_up: int | None,
    risk_strong: int | None,
    clear: tuple[str, ...],
    **options: object,
) -> None:
    """Change an application; what is not given stays as it is, and the server follows within a second.

    Where only some scores are given, the others are the application's own, or else what this deployment has now.
    """
    given = _given(options, clear)
    scores = risk_notice, risk_step_up, risk_strong
    if any(score is not None for score in scores) and "risk" in clear:
        raise click.UsageError("--clear risk stands alone: it takes the application's own scores away")
    if not given and all(score is None for score in scores):
        raise click.UsageError("say what is to change, such as --name or --risk-step-up")

    usual = _usual(frame)

    def change(asked: NewClient) -> NewClient:
        own = _thresholds(asked.risk_thresholds or usual, *scores)
        return replace(asked, **given, **({"risk_thresholds": own} if own else {}))  # type: ignore[arg-type]

    async def work(services: Services, now: datetime) -> client_changes.Difference:
        async with services.database.transaction() as db:
            return await client_changes.change_client(db, services, client_id, change, now=now, actor=ACTOR)

    made = frame.with_services(work)
    document = {"client_id": client_id, "before": made.before, "after": made.after}
    rows = [(name, str(made.before[name]), "→", str(after)) for name, after in made.after.items()]
    frame.answer(document, table(rows, empty="Nothing changed."))


def _given(options: Mapping[str, object], clear: tuple[str, ...]) -> dict[str, object]:
    """The fields of a registration that options set or take away, by name."""
    names = {"redirect_uri": "redirect_uris", "post_logout_redirect_uri": "post_logout_redirect_uris"}
    given = {names.get(name, name): value for name, value in options.items() if value not in (None, ())}
    for word in dict.fromkeys(clear):
        if CLEARED[word] in given:
            raise click.UsageError(f"--{word} and --clear {word} exclude each other")
        given[CLEARED[word]] = () if word == "post-logout-redirect-uri" else None
    return given


@command.command("disable")
@click.argument("client_id")
@framed
def disable(frame: Frame, client_id: str) -> None:
    """Close an application: it gets no tokens, and those that it has are refused."""
    _set_disabled(frame, client_id, disabled=True)


@command.command("enable")
@click.argument("client_id")
@framed
def enable(frame: Frame, client_id: str) -> None:
    """Open an application again."""
    _set_disabled(frame, client_id, disabled=False)


def _set_disabled(frame: Frame, client_id: str, *, disabled: bool) -> None:
    async def work(services: Services, now: datetime) -> None:
        async with services.database.transaction() as db:
            await clients.set_client_disabled(db, services, client_id, disabled=disabled, now=now, actor=ACTOR)

    frame.with_services(work)
    document = {"client_id": client_id, "disabled": disabled}
    frame.answer(document, f"{client_id} is {'disabled' if disabled else 'enabled'}")


@command.command("rotate-secret")
@click.argument("client_id")
@click.option("--keep-old-for-s", default=86400, show_default=True, type=click.IntRange(0, 31536000),
              help="Seconds that the old secrets go on working.")  # fmt: skip
@framed
def rotate_secret(frame: Frame, client_id: str, keep_old_for_s: int) -> None:
    """Make a new secret; the old ones work for a while longer."""

    async def work(services: Services, now: datetime) -> str:
        async with services.database.transaction() as db:
            keep = timedelta(seconds=keep_old_for_s)
            return await clients.rotate_secret(db, services, client_id, keep_old_for=keep, now=now, actor=ACTOR)

    secret = frame.with_services(work)
    frame.answer({"client_id": client_id, "client_secret": secret}, f"client_secret  {secret}   (shown only now)")


@command.command("delete")
@click.argument("client_id")
@framed
def delete(frame: Frame, client_id: str) -> None:
    """Remove an application; its tokens stop working at once."""

    async def work(services: Services, now: datetime) -> None:
        async with services.database.transaction() as db:
            await clients.load_client(db, client_id)
            await revocation.revoke_client(db, services, client_id, why="client_deleted", now=now, actor=ACTOR)
            await clients.delete_client(db, services, client_id, now=now, actor=ACTOR)

    frame.with_services(work)
    frame.answer({"deleted": client_id}, f"{client_id} is deleted")
