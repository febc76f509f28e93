"""What `ostiary doctor` looks at: each check says what it found and what to do next. Nothing is left changed."""

import asyncio
import http.client
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from base.errors import NotReady, StorageUnavailable
from server.certificates import certificate_faults
from server.doctor_alerts import check_alerts
from server.doctor_ledger import check_ledger
from server.doctor_places import check_places
from server.master_key import FILE_NAME, load_master_keys
from server.settings import Settings
from server.sockets import close_sockets, open_sockets, spelled_out

MAX_CLOCK_DIFFERENCE_S = 5.0
# Docker's and Podman's.
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, whether it is right, and in words what was found."""

    check: str
    ok: bool
    words: str


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a start would stumble over them."""
    findings = [_python(), _packages(), *_data_dir(settings), *_issuer(settings), *_tls(settings)]
    findings += _ports(settings)
    findings += asyncio.run(_asynchronous(settings))
    findings += _breached(settings)
    findings.append(_proxies(settings))
    findings += [Finding("places", ok, words) for ok, words in check_places(settings)]
    findings.append(Finding("ledger", *check_ledger(settings)))
    findings.append(Finding("alerts", *check_alerts(settings)))
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, f"Python {version}" + ("" if ok else ": expected 3.11 or newer; install it"))


def _packages() -> Finding:
    """The installed versions against the locked ones, where the list of those is at hand."""
    locked = Path(__file__).parent.parent / "constraints.txt"
    if not locked.exists():
        return Finding("packages", True, "installed without a list of locked versions beside it")
    wrong = sorted(_differences(locked.read_text()))
    if wrong:
        return Finding("packages", False, f"not the locked versions: {', '.join(wrong[:5])}; run scripts/serve once")
    return Finding("packages", True, "the locked versions are installed")


def _differences(locked: str) -> Iterator[str]:
    for line in locked.splitlines():
        name, equals, version = line.partition(";")[0].strip().partition("==")
        if not equals or name.startswith("#"):
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            # What only the tests need is locked, too, and not installed by `scripts/serve`.
            continue
        if installed != version:
            yield f"{name} {installed} (locked: {version})"


def _data_dir(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    if not folder.exists():
        parent = next(above for above in folder.parents if above.exists())
        ok = _can_write(parent)
        words = (
            f"{folder} will be made" if ok else f"{folder} cannot be made: give this user the right to write {parent}"
        )
        yield Finding("data folder", ok, words)
        return
    if not _can_write(folder):
        yield Finding("data folder", False, f"{folder} cannot be written: give this user the right to write there")
    elif stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield Finding("data folder", False, f"{folder} is open to other users: run `chmod 700 {folder}`")
    else:
        yield Finding("data folder", True, f"{folder} is ours alone")


def _can_write(folder: Path) -> bool:
    """Tried, not asked: rights alone say nothing about a read-only file system, or about a file where a folder goes."""
    try:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder):
            return True
    except OSError:
        return False


def _issuer(settings: Settings) -> Iterator[Finding]:
    outside = [str(address) for address in settings.listen if not address.is_loopback]
    if settings.issuer.startswith("http://"):
        if outside and _in_container():
            yield Finding("issuer", True, f"{settings.issuer}, which is for one machine alone: publish the container's"
                          " port on 127.0.0.1 only")  # fmt: skip
            return
        if outside and not settings.trusted_proxies:
            yield Finding("issuer", False, f"{settings.issuer} is plain http, yet the server listens on {outside[0]}:"
                          " set OSTIARY_ISSUER to https and OSTIARY_TLS_CERT, or listen on loopback")  # fmt: skip
            return
    elif not settings.tls_cert and not settings.trusted_proxies:
        yield Finding("issuer", False, f"{settings.issuer} is https, but nothing here speaks TLS: set OSTIARY_TLS_CERT"
                      " and OSTIARY_TLS_KEY, or name the proxy that does by OSTIARY_TRUSTED_PROXIES")  # fmt: skip
        return
    yield Finding("issuer", True, settings.issuer)


def _in_container() -> bool:
    # In a container every address must be listened on; who can reach it is decided by how its port is published.
    return any(mark.exists() for mark in CONTAINER_MARKS)


def _tls(settings: Settings) -> Iterator[Finding]:
    if not settings.tls_cert or not settings.tls_key:
        return
    faults = certificate_faults(settings.tls_cert, settings.tls_key, settings.issuer, now=datetime.now(UTC))
    for fault in faults:
        yield Finding("certificate", False, fault)
    if not faults:
        yield Finding("certificate", True, f"{settings.tls_cert} fits its key, the issuer and today's date")


def _ports(settings: Settings) -> Iterator[Finding]:
    asked = [("OSTIARY_LISTEN", address) for address in spelled_out(settings.listen)]
    asked += [("OSTIARY_OPS_LISTEN", address) for address in spelled_out(settings.ops_listen)]
    running = _answers_health(settings)
    for setting, address in asked:
        try:
            close_sockets(open_sockets([address], setting=setting))
        except NotReady as fault:
            if running:
                yield Finding("port", True, f"{address} is in use by the running Ostiary")
            elif ":" in address.host and "no address" in str(fault):
                yield Finding("port", True, f"{address} is left out: this machine has no IPv6")
            else:
                yield Finding("port", False, str(fault))
        else:
            yield Finding("port", True, f"{address} is free")


def _answers_health(settings: Settings) -> bool:
    for address in spelled_out(settings.ops_listen)[:1]:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=1)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().read(1024) == b'{"status":"ok"}'
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
    return False


async def _asynchronous(settings: Settings) -> list[Finding]:
    findings = [*await asyncio.to_thread(_database, settings)]
    if all(finding.ok for finding in findings):
        findings += await _in_database(settings)
    if settings.redis_url:
        findings.append(await _redis(settings.redis_url))
    findings.append(await _mail(settings))
    return findings


def _database(settings: Settings) -> Iterator[Finding]:
    from migrations.run import HEAD, current_revision

    url = settings.database
    if not _is_made(settings):
        yield Finding("database", True, "the embedded database will be made at the first start")
        return
    try:
        revision = current_revision(url)
    except (StorageUnavailable, sqlite3.Error) as failure:
        yield Finding(
            "database", False, f"does not answer ({str(failure).splitlines()[0]}): check OSTIARY_DATABASE_URL"
        )
        return
    if revision == HEAD:
        yield Finding("database", True, f"answers, at revision {revision}")
    else:
        yield Finding("database", False, f"is at revision {revision}, expected {HEAD}: run `ostiary migrate`")


def _is_made(settings: Settings) -> bool:
    url = settings.database
    return not url.startswith("sqlite") or Path(url.removeprefix("sqlite:///")).exists()


async def _in_database(settings: Settings) -> list[Finding]:
    """The master key against what it sealed, and the clock against the database's."""
    from base.database import Database
    from server.doctor_database import clock_difference_s, count_unopened
    from server.doctor_feed import check_feed

    if not _is_made(settings):
        return []
    try:
        keys = load_master_keys(settings, may_make=False)
    except NotReady as fault:
        return [Finding("master key", False, str(fault))]
    database = Database(settings.database)
    try:
        unopened = await count_unopened(database, keys)
        difference_s = await clock_difference_s(database)
        told = Finding("feed", *await check_feed(database, datetime.now(UTC)))
    except StorageUnavailable as failure:
        return [Finding("database", False, f"does not answer: {failure}")]
    finally:
        await database.close()
    where = "OSTIARY_MASTER_KEY" if settings.master_key else str(settings.data_dir / FILE_NAME)
    return [_key_finding(where, unopened), _clock_finding(difference_s), told]


def _key_finding(where: str, unopened: int) -> Finding:
    if unopened:
        words = f"{where} does not open {unopened} stored keys: put the key that made them into the list"
        return Finding("master key", False, words)
    return Finding("master key", True, f"{where} opens every stored key")


def _clock_finding(difference_s: float) -> Finding:
    if abs(difference_s) > MAX_CLOCK_DIFFERENCE_S:
        words = f"this machine's clock and the database's differ by {difference_s:.0f} s: set both by NTP"
        return Finding("clock", False, words)
    return Finding("clock", True, "agrees with the database's")


async def _mail(settings: Settings) -> Finding:
    from server.doctor_mail import check_mail
    from server.mail_sending import find_server

    server = find_server(settings)
    if server is not None:
        ok, words = await check_mail(server.address, server.sender, issuer=settings.issuer)
        return Finding("mail", ok, words)
    if settings.has_mail:
        return Finding("mail", True, "no mail server is set: letters can be read at /demo/mail")
    return Finding("mail", True, "no mail server is set: nobody can reset a password alone; set OSTIARY_SMTP_URL")


async def _redis(url: str) -> Finding:
    from base.cache import CacheUnavailable, RedisStore

    store = RedisStore(url)
    try:
        await store.ping()
    except CacheUnavailable as failure:
        return Finding("redis", False, f"does not answer ({failure}): check OSTIARY_REDIS_URL, or start Redis")
    finally:
        await store.close()
    return Finding("redis", True, "answers")


def _breached(settings: Settings) -> Iterator[Finding]:
    from identity.breached import BreachedList, InvalidBreachedList

    path = settings.password.breached_file
    if path is None:
        return
    try:
        with BreachedList(path):
            yield Finding("breached passwords", True, f"{path} is readable and sorted")
    except (OSError, InvalidBreachedList) as error:
        yield Finding("breached passwords", False, f"OSTIARY_PASSWORD__BREACHED_FILE: {error}")


def _proxies(settings: Settings) -> Finding:
    everyone = [str(network) for network in settings.trusted_proxies if network.prefixlen == 0]
    if everyone:
        return Finding("proxies", False, f"OSTIARY_TRUSTED_PROXIES holds {everyone[0]}, so that anyone can claim any"
                       " address: name the proxies' own networks")  # fmt: skip
    named = ", ".join(str(network) for network in settings.trusted_proxies)
    return Finding("proxies", True, named or "none is trusted: addresses are those of the connections")
