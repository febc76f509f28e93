"""Our server as its operators start it: a database, applications and people in it, and the process on its core."""

import asyncio
import base64
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.own_people import OwnPeople, add_own_people
from benchmarks.processes import Program, free_port, start, wait_for
from identity.accounts import create_person
from identity.apis import add_scopes
from identity.clients import NewClient, create_client
from identity.passwords import set_password
from identity.person_values import NewPerson
from identity.services import Services
from migrations.run import upgrade
from server.composition import open_services
from server.master_key import load_master_keys, prepare_data_dir
from server.settings import Settings, load_settings

DatabaseKind = Literal["sqlite", "postgresql"]

API = "https://api.example.com"
API_SCOPES = ("orders:read", "orders:write")
CALLBACK = "https://app.example.com/callback"
PASSWORD = "a quiet harbour at dusk 7"
PEOPLE = 96
# One address makes every sign-in of a benchmark, which the product's own limits would rightly stop.
UNLIMITED = {"OSTIARY_RATE__PER_ADDRESS": "1000000", "OSTIARY_RATE__PER_NETWORK": "1000000"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An application's id and secret."""

    client_id: str
    secret: str

    @property
    def basic(self) -> str:
        """What follows `Basic` in the Authorization header."""
        return base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()

    @property
    def form(self) -> str:
        """The form text of client_secret_post; ids and secrets need no escaping."""
        return f"client_id={self.client_id}&client_secret={self.secret}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running server: `service` asks for itself, `web` signs people in, `follower` reads the feed
    and asks for decisions.

    People are called `person0` and so on.
    """

    kind: DatabaseKind
    program: Program
    port: int
    service: Credentials
    web: Credentials
    follower: Credentials
    own: OwnPeople

    @property
    def url(self) -> str:
        """The server's address, by number: what `localhost` means should not be looked up while measuring."""
        return f"http://127.0.0.1:{self.port}"


def start_deployment(kind: DatabaseKind, folder: Path, database_url: str | None = None) -> Deployment:
    """A new deployment in `folder`, on the embedded database or on an empty PostgreSQL one."""
    folder.mkdir(parents=True)
    port = free_port()
    environment = {
        "OSTIARY_DATA_DIR": str(folder / "data"),
        "OSTIARY_LISTEN": f"127.0.0.1:{port}",
        "OSTIARY_OPS_LISTEN": f"127.0.0.1:{free_port()}",
        **UNLIMITED,
    }
    if database_url is not None:
        environment["OSTIARY_DATABASE_URL"] = database_url
        environment["OSTIARY_MASTER_KEY"] = base64.b64encode(os.urandom(32)).decode()
    service, web, follower, own = asyncio.run(_fill(environment))
    program = start(
        f"the server on {kind}",
        [sys.executable, "-m", "server.cli", "serve"],
        log=folder / "log",
        environment=environment,
    )
    try:
        wait_for(program, f"http://127.0.0.1:{port}/.well-known/openid-configuration")
    except BaseException:
        program.stop()
        raise
    return Deployment(kind, program, port, service, web, follower, own)


async def _fill(environment: Mapping[str, str]) -> tuple[Credentials, Credentials, Credentials, OwnPeople]:
    settings: Settings = load_settings(environ=environment).settings
    prepare_data_dir(settings.data_dir)
    master_keys = load_master_keys(settings)
    await asyncio.to_thread(upgrade, settings.database)
    async with open_services(settings, master_keys) as services:
        now = services.clock()
        hashed = await services.hashes.hash(PASSWORD)
        async with services.database.transaction() as db:
            await add_scopes(db, services, identifier=API, scopes=API_SCOPES, now=now, actor="cli")
            service = await _register(db, services, now, auth_method="client_secret_basic")
            web = await _register(db, services, now, auth_method="client_secret_post")
            made = await create_client(
                db,
                services,
                NewClient(name="Follower", grants=("client_credentials",), scopes=("feed:read", "authzen:evaluate")),
                now=now,
                actor="cli",
            )
            follower = Credentials(made.client.client_id, made.secret or "")
        async with services.database.transaction() as db:
            for number in range(PEOPLE):
                new = NewPerson(username=f"person{number}", email=f"person{number}@example.com", name="Ada Byron")
                person_id = await create_person(db, services, new, now=now, actor="cli", via="cli")
                await set_password(db, services, person_id, hashed, why="created", now=now, actor="cli")
        own = await add_own_people(services, hashed)
    return service, web, follower, own


async def _register(db: AsyncConnection, services: Services, now: datetime, *, auth_method: str) -> Credentials:
    web = auth_method == "client_secret_post"
    new = NewClient(
        name="Orders",
        grants=("authorization_code", "refresh_token") if web else ("client_credentials",),
        auth_method=auth_method,
        redirect_uris=(CALLBACK,) if web else (),
        scopes=("openid",) if web else (),
        apis={API: API_SCOPES},
        first_party=True,
        id_token_alg="ES256",
    )
    made = await create_client(db, services, new, now=now, actor="cli")
    return Credentials(made.client.client_id, made.secret or "")
