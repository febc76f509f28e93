"""What truly happened, as the sign-in machine remembers it, and the rules restated as briefly as they can be.

Nothing here asks the product: proofs are counted where a right secret was sent, and rights follow from the proofs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from base.secret_values import digest
from identity.factors.totp import TotpParameters, code_at
from identity.person_values import Person
from policy.assurance import AAL1, AAL2

IDLE, ABSOLUTE = timedelta(minutes=30), timedelta(hours=24)
ATTEMPT_TTL = timedelta(minutes=30)
FRESH = timedelta(minutes=10)
GRACE = timedelta(days=7)
REMEMBERED = timedelta(days=30)
LOCKED = timedelta(minutes=15)
CODE_TTL = timedelta(seconds=60)
LINK_TTL = {
    "recover": timedelta(minutes=30),
    "reset": timedelta(days=1),
    "not-me": timedelta(days=7),
    "unlock": timedelta(minutes=30),
}
MOST_FAILURES = 5
SECOND = {"totp", "backup_code"}


@dataclass(frozen=True)
class Made:
    """A proof that a browser made: `pwd`, `totp`, `backup_code`, or `device` where the browser was remembered."""

    method: str
    at: datetime


@dataclass
class App:
    """An authenticator app. Steps up to `last` are used up."""

    secret: bytes
    last: int

    def code(self, step: int) -> str:
        """What it shows in this step."""
        return code_at(self.secret, TotpParameters(), step)

    def find_step(self, code: str, *times: datetime) -> int | None:
        """The unused step near one of the times whose code this is, or None."""
        near = sorted({step_at(at) + ahead for at in times for ahead in (-1, 0, 1)})
        return next((step for step in near if step > self.last and self.code(step) == code), None)


def step_at(at: datetime) -> int:
    """The number of a time's step."""
    return int(at.timestamp()) // 30


@dataclass
class Human:
    """A person as they really are."""

    person: Person
    name: str
    password: str | None
    password_since: datetime
    state: str = "active"
    old_passwords: list[str] = field(default_factory=list)
    apps: dict[str, App] = field(default_factory=dict)
    lost_apps: list[App] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    spent: list[str] = field(default_factory=list)
    due: datetime | None = None

    @property
    def login(self) -> str:
        """The username."""
        return str(self.person.username)

    def set_password(self, password: str | None, at: datetime) -> None:
        """The password is another one, or there is none."""
        if self.password is not None:
            self.old_passwords.append(self.password)
        self.password, self.password_since = password, at

    def lose_apps(self, *ids: str) -> None:
        """These apps are removed; the backup codes go with the last one."""
        self.lost_apps += [self.apps.pop(each) for each in ids]
        if not self.apps:
            self.lose_codes()

    def lose_codes(self) -> None:
        """The backup codes are dead."""
        self.spent += sorted(self.codes)
        self.codes = set()


@dataclass
class Flow:
    """A sign-in under way, known by its cookie: the proofs that have not led to a session yet, and whose they are.

    `added` were made within a session, for an application that wants more than they are.
    """

    begun: datetime
    owner: Human | None = None
    proofs: list[Made] = field(default_factory=list)
    added: list[Made] = field(default_factory=list)
    asked: Asked | None = None

    def forget(self) -> None:
        """What was proven in it is worth nothing."""
        self.owner, self.proofs, self.added = None, [], []


@dataclass
class Live:
    """A session, known by its cookie. It was opened between `opened` and `opened_by`; `line` survives new cookies."""

    owner: Human
    proofs: list[Made]
    opened: datetime
    opened_by: datetime
    seen: datetime
    line: int
    ended: str | None = None

    @property
    def methods(self) -> set[str]:
        """What was proven in it."""
        return {proof.method for proof in self.proofs}

    def is_alive(self, now: datetime) -> bool:
        """Whether it is within its limits and nobody ended it."""
        return (
            self.ended is None
            and self.owner.state == "active"
            and now - self.seen < IDLE
            and now - self.opened < ABSOLUTE
        )


@dataclass(frozen=True)
class Asked:
    """An authorization request: which application, the classes of which one must be met, since when to sign in anew."""

    client: str
    classes: tuple[str, ...]
    sign_in_since: datetime | None


@dataclass
class Link:
    """A link that was told to its person."""

    kind: str
    path: str
    owner: Human
    made: datetime
    about: str = ""
    app: str | None = None
    resets: frozenset[str] = frozenset()
    is_spent: bool = False


@dataclass
class Issued:
    """A code that an application got, what its tokens must say, and the line of the session that it lives in."""

    client: str
    params: dict[str, str]
    owner: Human
    acr: str
    amr: list[str]
    auth_time: tuple[int, int]
    line: int
    at: datetime
    is_withdrawn: bool = False


@dataclass
class Failures:
    """Wrong passwords at one door."""

    times: list[datetime] = field(default_factory=list)
    closed_until: datetime | None = None

    def is_closed(self, now: datetime) -> bool:
        """Whether nothing is looked at here now."""
        return self.closed_until is not None and now < self.closed_until

    def add(self, now: datetime) -> None:
        """One more; at a closed door nothing is counted."""
        if self.is_closed(now):
            return
        if self.closed_until is not None or (self.times and now - self.times[0] >= LOCKED):
            self.open()
        self.times.append(now)
        if len(self.times) >= MOST_FAILURES:
            self.closed_until = now + LOCKED

    def open(self) -> None:
        """They are forgotten."""
        self.times, self.closed_until = [], None


def why_no_session(owner: Human, proofs: list[Made], now: datetime, *, required: bool) -> str | None:
    """Why these proofs open no session of theirs now, or None: the whole rule."""
    methods = {proof.method for proof in proofs}
    if owner.state != "active":
        return "the person is not active"
    if "pwd" not in methods:
        return "no password was proven"
    overdue = required and owner.due is not None and owner.due <= now
    if (owner.apps or overdue) and not methods & (SECOND | {"device"}):
        return "no second factor was proven"
    return None


def why_no_code(live: Live, asked: Asked, now: datetime, *, required: bool) -> str | None:
    """Why the application may get no code in this session, or None."""
    if not live.is_alive(now):
        return f"the session is over: {live.ended}"
    fault = why_no_session(live.owner, live.proofs, now, required=required)
    if fault is not None:
        return fault
    met = {AAL1, AAL2} if live.methods & SECOND else {AAL1}
    if asked.classes and not met & set(asked.classes):
        return f"{asked.classes} is asked for"
    if asked.client == "strong" and AAL2 not in met:
        return "the application requires aal2"
    if asked.sign_in_since is not None and live.opened_by < asked.sign_in_since:
        return "the person did not sign in again"
    return None


def why_not_fresh(owner: Human, proofs: list[Made], now: datetime) -> str | None:
    """Why these proofs do not allow changing what guards the account, or None."""
    recent = {proof.method for proof in proofs if now - proof.at <= FRESH}
    if "pwd" not in recent:
        return "no password was proven just now"
    if owner.apps and not recent & SECOND:
        return "no second factor was proven just now"
    return None


def tokens_say(methods: set[str]) -> tuple[str, list[str]]:
    """The `acr` and `amr` of tokens after these methods."""
    has_second = bool(methods & SECOND)
    names = {"pwd"} | ({"otp", "mfa"} if has_second else set())
    return (AAL2 if has_second else AAL1), sorted(names)


@dataclass
class Facts:
    """All that is so. `clients` are the names of the applications by their ids."""

    people: dict[str, Human]
    clients: dict[str, str]
    required: bool = False
    flows: dict[str, Flow] = field(default_factory=dict)
    sessions: dict[str, Live] = field(default_factory=dict)
    remembered: dict[tuple[str, str], datetime] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    # By a device cookie the one that was handed out last in its place.
    replaced: dict[str, str] = field(default_factory=dict)
    failures: dict[tuple[str, str | None], Failures] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    mailed: dict[str, tuple[Human, datetime, str | None]] = field(default_factory=dict)
    consents: set[tuple[str, str]] = field(default_factory=set)
    issued: list[Issued] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)

    def end_sessions(self, owner: Human, why: str, *, but: Live | None = None) -> None:
        """The person's sessions are over."""
        for live in self.sessions.values():
            if live.owner is owner and live is not but and live.ended is None:
                live.ended = why

    def end_flows(self, owner: Human) -> None:
        """Sign-ins of the person that were under way have to begin anew."""
        for flow in self.flows.values():
            if flow.owner is owner:
                flow.forget()

    def is_redeemable(self, issued: Issued, now: datetime) -> bool:
        """Whether the code still works: in time, not withdrawn, its session alive."""
        lives = (live for live in self.sessions.values() if live.line == issued.line)
        return not issued.is_withdrawn and now - issued.at < CODE_TTL and any(live.is_alive(now) for live in lives)

    def forget_devices(self, owner: Human) -> None:
        """No browser stands in for a second factor of theirs."""
        self.remembered = {key: until for key, until in self.remembered.items() if key[1] != owner.login}

    def end_everything(self, owner: Human, why: str) -> None:
        """Nothing that was proven or opened until now counts."""
        self.end_sessions(owner, why)
        self.end_flows(owner)

    def follow_device(self, old: str, new: str) -> None:
        """Whoever was known in a browser by one cookie is known there by the new one alone."""
        self.remembered = {(new if key[0] == old else key[0], key[1]): at for key, at in self.remembered.items()}
        self.known = {(new if device == old else device, login) for device, login in self.known}
        self.failures = {(key[0], new if key[1] == old else key[1]): found for key, found in self.failures.items()}

    def forget_cookies(self, revoked: set[bytes]) -> None:
        """Nobody is known any more by a device cookie with one of these digests."""
        self.remembered = {key: at for key, at in self.remembered.items() if digest(key[0]) not in revoked}
        self.known = {key for key in self.known if digest(key[0]) not in revoked}

    def door(self, owner: Human, device: str | None) -> Failures:
        """Where wrong passwords of this person are counted in a browser: apart, where they signed in before."""
        is_known = device is not None and (device, owner.login) in self.known
        return self.failures.setdefault((owner.login, device if is_known else None), Failures())

    def open_doors(self, owner: Human) -> None:
        """Wrong passwords until now are forgotten."""
        self.failures = {key: found for key, found in self.failures.items() if key[0] != owner.login}
