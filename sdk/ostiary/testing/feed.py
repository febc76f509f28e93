"""A feed for tests: revoke with one call, lose the connection with another."""

import time
from collections.abc import Callable, Mapping
from math import inf
from types import TracebackType
from typing import Self

from ostiary.failure_policy import FailurePolicy
from ostiary.feed import FeedStats
from ostiary.feed_lease import Lease, LeaseState
from ostiary.feed_lines import parse_head
from ostiary.feed_log import FeedLog, Step
from ostiary.revocations import Revocations
from ostiary.testing.answering import FakeTransport, Receive, Scope, Send, serve
from ostiary.testing.faults import FeedFaults
from ostiary.testing.feed_server import FeedServer
from ostiary.testing.issuer import Claims, FakeIssuer
from ostiary.testing.log import FakeLog, digest_of

EVERYONE = "*"


class FakeFeed:
    """The feed of a `FakeIssuer`, in both of its parts.

    **In the place of `Feed`**: `Verifier(…, transport=fake.transport(), feed=fake_feed)`. What is revoked is obeyed
    by the very next request, `become(LeaseState.STALE)` cuts the verifier off (what is revoked from then on reaches it
    only with `become(LeaseState.FRESH)`), and the issuer's introspection knows all of it at once. No thread, no wait.

    **As the server**, to test a `Feed`: `Feed(fake.issuer, …, transport=fake_feed.transport())`, or served, being an
    ASGI application. It speaks the protocol of docs/feed.md, asks for a token with the scope `feed:read`, and
    misbehaves as `faults` says. `heartbeat_s=None` leaves heartbeats to `beat()`. `acknowledged` tells epoch and
    number by follower, `left` who said goodbye, `requests` the paths that were asked for.

    `entry_ttl_s` is how long entries stay. Safe between threads.
    """

    def __init__(
        self,
        issuer: FakeIssuer | None = None,
        *,
        entry_ttl_s: int = 3600,
        failure_policy: FailurePolicy | None = None,
        heartbeat_s: float | None = 1.0,
        seed: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fake_issuer = issuer or FakeIssuer()
        self._entry_ttl_s = entry_ttl_s
        self._policy = failure_policy or FailurePolicy()
        self._log = FakeLog(self.issuer)
        self._server = FeedServer(self.fake_issuer, self._log, heartbeat_s=heartbeat_s, seed=seed, monotonic=monotonic)
        self._follower = FeedLog(self.issuer)
        self._age_s = 0.0
        self._lease = Lease()
        self._lease.vouched_at = inf
        self._listeners: list[Callable[[], None]] = []
        self.fake_issuer.record = self._log
        self._follow()

    # ------------------------------------------------------------- what happens at the issuer

    def revoke_token(self, jti: str) -> None:
        """Refuse this one token."""
        self._publish("token", jti)

    def revoke_grant(self, grant: str) -> None:
        """Refuse every token of a grant."""
        self._publish("grant", grant)

    def revoke_session(self, sid: str) -> None:
        """Refuse every token of a session."""
        self._publish("session", sid)

    def revoke_person(self, sub: str, *, not_before: int | None = None) -> None:
        """Refuse a person's tokens that were issued in this second or before (None: now)."""
        self._publish("person", sub, not_before=self._second(not_before))

    def revoke_client(self, client_id: str, *, not_before: int | None = None) -> None:
        """Refuse a client's tokens that were issued in this second or before (None: now)."""
        self._publish("client", client_id, not_before=self._second(not_before))

    def revoke_everyone(self, *, not_before: int | None = None) -> None:
        """Refuse all tokens that were issued in this second or before (None: now)."""
        self._publish("everyone", EVERYONE, not_before=self._second(not_before))

    def revoke_key(self, kid: str) -> None:
        """Refuse every token that this key signed, whatever the key set still says."""
        self._publish("key", kid)

    def facts(self, subject: str, **facts: object) -> None:
        """What is newly known of a person (`sub`) or session (`sid`): `suspended`, `risk` (0 to 100), `acr`."""
        self._publish("facts", subject, facts=facts)

    def new_policy(self, revision: str) -> None:
        """Another revision of the policies is active; refuses nothing."""
        self._publish("policy", revision)

    def publish(self, kind: str, subject: str, **more: object) -> None:
        """An entry of any kind, with any members: for what a newer server might say."""
        self._publish(kind, subject, **more)

    # ------------------------------------------------------------- in the place of Feed

    @property
    def issuer(self) -> str:
        """Whose feed it is; `fake_issuer` is the issuer itself."""
        return self.fake_issuer.issuer

    @property
    def revocations(self) -> Revocations:
        """What a verifier with this feed knows to be revoked."""
        return self._follower.revocations

    def become(self, state: LeaseState) -> None:
        """Make what the verifier knows fresh, stale or lost. Only while fresh does it hear of revocations."""
        ages = {LeaseState.FRESH: 0.0, LeaseState.STALE: self._policy.fresh_for_s, LeaseState.LOST: inf}
        self.become_old(ages[state])

    def become_old(self, age_s: float) -> None:
        """As `become`, with an age of your own, for bounds of your own."""
        self._age_s = age_s
        self._lease.vouched_at = -inf if age_s > 0 else inf
        if self.state() is LeaseState.FRESH:
            self._follow()
        self._tell_listeners()

    @property
    def stats(self) -> FeedStats:
        """How things stand, as `Feed` tells it."""
        known = self._follower
        return FeedStats(
            epoch=known.epoch,
            seq=known.seq,
            acknowledged=known.seq,
            state=self.state(),
            age_s=self._age_s,
            entries=len(known.revocations),
            connections=1,
            is_polling=False,
            last_error="" if self.state() is LeaseState.FRESH else "the fake feed was told to be away",
        )

    def age_s(self, now: float | None = None) -> float:
        """How old the verifier's knowledge is; time does not pass by itself, so `now` is for the likeness only."""
        return self._age_s

    def lease_by(self, monotonic: Callable[[], float]) -> Lease:
        """As of `Feed`, by any clock: vouched for at every moment, or, with an age of its own, at none."""
        return self._lease

    def state(self, now: float | None = None) -> LeaseState:
        """Fresh, stale or lost, by the failure policy that was given."""
        return self._policy.state(self._age_s)

    def start(self) -> None:
        """Nothing: there is no thread."""

    def wait_ready(self, timeout_s: float = 10) -> bool:
        """Whether what is known may be built upon; never waits."""
        return self.state() is not LeaseState.LOST

    async def until_ready(self, timeout_s: float = 10) -> bool:
        """`wait_ready` for an event loop."""
        return self.wait_ready(timeout_s)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change of what is known; returns a function that ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def close(self, timeout_s: float = 2) -> None:
        """Breaks every open stream."""
        self._server.cut()

    async def aclose(self, timeout_s: float = 2) -> None:
        """`close` for an event loop."""
        self.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------- as the server

    @property
    def faults(self) -> FeedFaults:
        """How the way to followers misbehaves; set another at any time."""
        return self._server.faults

    @faults.setter
    def faults(self, faults: FeedFaults) -> None:
        with self._server.lock:
            self._server.faults = faults
            gate = self._server.gate
            gate.delay_s, gate.piece_bytes = faults.delay_s, faults.piece_bytes

    @property
    def epoch(self) -> str:
        """The epoch of the log."""
        return self._log.epoch

    @property
    def seq(self) -> int:
        """The number of the last entry."""
        return self._log.seq

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The lines of the log, from number 1 of this epoch on."""
        return tuple(self._log.lines)

    @property
    def acknowledged(self) -> Mapping[str, tuple[str, int]]:
        """Epoch and number up to which each follower says that all is in force."""
        return self._server.acknowledged

    @property
    def left(self) -> frozenset[str]:
        """The followers that said goodbye."""
        return frozenset(self._server.left)

    @property
    def requests(self) -> list[str]:
        """The paths that followers asked for."""
        return self._server.requests

    @property
    def streams(self) -> int:
        """How many streams are open."""
        with self._server.lock:
            return sum(not stream.is_closed for stream in self._server.streams)

    def transport(self) -> FakeTransport:
        """A way to this feed and its issuer for everything that takes a `transport`, without a network."""
        return FakeTransport(self._server.answer)

    def beat(self) -> None:
        """Send every stream a head now, and lines that were kept back."""
        self._server.tell()

    def cut(self) -> None:
        """Break every open stream now."""
        self._server.cut()

    def hold(self) -> None:
        """Keep back what streams should deliver, heads too, until `release`: a way that is slow, not broken."""
        self._server.gate.is_held = True

    def release(self) -> None:
        """Deliver what was held, as it was said then."""
        self._server.gate.is_held = False
        self.beat()

    def go_silent(self) -> None:
        """Be there and say nothing: streams stay open without heads, requests are answered with 503."""
        self._server.is_silent = True

    def go_down(self) -> None:
        """Be gone: streams break, connections fail. The issuer has a `go_down` of its own."""
        self._server.is_down = True
        self._server.cut()

    def come_back(self) -> None:
        """Answer again."""
        self._server.is_down = self._server.is_silent = False
        self.beat()

    def restart(self) -> None:
        """Be another process over the same log: streams break, heads have another `boot`."""
        self._server.restart()

    def begin_epoch(self, *, keeps: bool = True) -> None:
        """Begin another epoch, as after a restored backup; what was revoked is told again where it `keeps`."""
        with self._server.lock:
            self._log.begin_epoch(keeps=keeps)
        self._announce()

    def roll_back(self, count: int) -> None:
        """Forget the last entries and go on in the same epoch, as no good server does."""
        with self._server.lock:
            self._log.roll_back(count)
        self._announce()

    def forget_before(self, seq: int) -> None:
        """Have only the entries after this number: a delta from further back is answered with 410."""
        with self._server.lock:
            self._log.reaches_back_to = min(seq, self._log.seq)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the feed with its issuer is an ASGI application."""
        await serve(self._server.answer, scope, receive, send)

    # ------------------------------------------------------------- inside

    def _second(self, not_before: int | None) -> int:
        return int(self.fake_issuer.clock()) if not_before is None else not_before

    def _publish(self, kind: str, subject: str, **more: object) -> None:
        now = self.fake_issuer.clock()
        entry: Claims = {
            "kind": kind,
            "subject": subject,
            "at": int(now * 1000),
            "expires": int(now) + self._entry_ttl_s,
            **more,
        }
        with self._server.lock:
            self._log.append(entry)
        self._announce()

    def _announce(self) -> None:
        self._server.tell()
        if self.state() is LeaseState.FRESH:
            self._follow()
            self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _follow(self) -> None:
        """Let the verifier know all of the log, as a `Feed` would: the next entries, or a snapshot."""
        with self._server.lock:
            known, now = self._follower, self.fake_issuer.clock()
            head = parse_head(self._server.head_claims(), issuer=self.issuer)
            if known.epoch == head.epoch:
                known.take_entries(self._log.lines[known.seq :])
                if known.take_head(head, at=now) is Step.GOOD:
                    return
            lines = self._log.in_force(now)
            more = {"count": len(lines), "digest": digest_of(lines)}
            full = parse_head({**self._server.head_claims(), **more}, issuer=self.issuer)
            known.take_snapshot(full, lines, at=now)
