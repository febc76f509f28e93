"""A follower on a bad network: whatever is lost, doubled, reordered or set back, it is never too lenient."""

from collections import Counter
from dataclasses import dataclass
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ostiary.feed_lease import Connection, Lease, LeaseState
from ostiary.feed_lines import FeedHead, parse_entry
from ostiary.feed_log import FeedLog, Step
from tests.sdk.feed_model import BEGAN, ISSUER, ModelLog, Snapshot, entry_line, make_token, naively_refused

DAY_S = 86_400
KIDS = ("k0", "k1")
TOKENS = [
    make_token(jti=jti, grant=f"g{n}", sid=f"s{n}", sub=sub, client_id=client, iat=BEGAN + iat)
    for n, (jti, sub, client, iat) in enumerate(product(("t0", "t1"), ("u0", "u1"), ("c0", "c1"), (0, 30, 300)))
]
SUBJECTS = {
    "token": ["t0", "t1"],
    "grant": ["g0", "g5"],
    "session": ["s1", "s9"],
    "person": ["u0", "u1"],
    "client": ["c0"],
    "everyone": ["*"],
    "key": ["k1"],
    "facts": ["u0", "u1"],
    "policy": ["rev_1"],
    "of the future": ["x"],
}


FATES = st.sampled_from(["arrives", "arrives", "arrives", "doubled", "lost", "overtakes"])
REACHED = {"head good", "head snapshot", "entries good", "snapshot good", "restored", "refused", "forged", "flowed"}


@dataclass(frozen=True)
class Known:
    """What the log said at a moment."""

    lines: tuple[bytes, ...]
    wall_s: float
    read_at: float


@dataclass(frozen=True)
class Message:
    """Something on its way: entries, a head or a snapshot, on one connection."""

    on: Connection
    lines: tuple[bytes, ...] = ()
    head: FeedHead | None = None
    snapshot: Snapshot | None = None
    known: Known | None = None


class FollowerOnABadNetwork(RuleBasedStateMachine):
    """Server, network and follower; the follower's monotonic clock is the true time."""

    tally: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.server = ModelLog()
        self.true_s = 50.0
        self.own_wall_s = float(BEGAN)
        self.boots = 0
        self.is_cut = False
        self.wire: list[Message] = []
        self.disk: tuple[bytes, Known] | None = None
        self.start_again(with_disk=False)

    @rule(with_disk=st.booleans())
    def start_again(self, *, with_disk: bool) -> None:
        """The follower's process starts anew."""
        self.log, self.lease = FeedLog(ISSUER), Lease()
        self.known: Known | None = None
        self.wire, self.step, self.sent = [], Step.SNAPSHOT, 0
        self.stream: Connection | None = None
        self.heard_at = float("-inf")
        if with_disk and self.disk is not None:
            self.log.restore(self.disk[0])
            self.known, self.step = self.disk[1], Step.GAP
            self.tally["restored"] += 1

    @rule(data=st.data(), kind=st.sampled_from(sorted(SUBJECTS)))
    def revoke(self, data: st.DataObject, kind: str) -> None:
        """Something changes at the server."""
        subject = data.draw(st.sampled_from(SUBJECTS[kind]))
        more: dict[str, object] = {}
        if kind in ("person", "client", "everyone"):
            more["not_before_s"] = int(self.server.wall_s)
        if kind == "facts":
            more["facts"] = data.draw(st.sampled_from([{"suspended": True}, {"suspended": False}, {"risk": 90}]))
        self.server.append(kind, subject, **more)

    @rule(seconds=st.sampled_from([0.05, 1.0, 7.0, 61.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.true_s += seconds
        self.own_wall_s += seconds
        self.server.wall_s += seconds
        self.server.up_s += seconds

    @rule(days=st.sampled_from([-1, 1]))
    def set_own_clock(self, days: int) -> None:
        self.own_wall_s += days * DAY_S

    @rule()
    def restart_server(self) -> None:
        self.boots += 1
        self.server.boot, self.server.up_s, self.stream = f"boot-{self.boots}", 3.0, None

    @rule()
    def begin_epoch(self) -> None:
        self.server.begin_epoch([parse_entry(line) for line in self.server.in_force()])

    @rule(lost=st.integers(1, 4))
    def roll_back(self, lost: int) -> None:
        """An old backup without a new epoch: an operator's mistake."""
        self.server.roll_back(max(0, self.server.seq - lost))

    @rule(is_cut=st.sampled_from([False, False, True]))
    def cut(self, *, is_cut: bool) -> None:
        self.is_cut, self.stream = is_cut, None

    @precondition(lambda self: not self.is_cut and self.log.epoch is not None)
    @rule(kinds=st.lists(st.sampled_from(sorted(SUBJECTS)), max_size=4), data=st.data(), fates=st.lists(FATES))
    def tell(self, data: st.DataObject, kinds: list[str], fates: list[str]) -> None:
        """Something changes, and the stream, begun where the follower is, sends it and a head."""
        if self.stream is None:
            self.stream, self.sent = self.lease.connection(self.true_s), self.log.seq
            self.pass_time(0.05)
        for kind in kinds:
            self.revoke(data, kind)
        if self.log.epoch != self.server.epoch or self.sent > self.server.seq:
            self.stream, self.step = None, Step.SNAPSHOT
            return
        self.wire += [Message(self.stream, lines=(line,)) for line in self.server.lines[self.sent :]]
        self.sent = self.server.seq
        self.wire.append(Message(self.stream, head=self.server.head(), known=self.known_now()))
        self.deliver(data, fates)

    @precondition(lambda self: not self.is_cut)
    @rule()
    def fetch(self) -> None:
        """What the last step asked for is asked; the answer is on its way."""
        on = self.lease.connection(self.true_s)
        self.pass_time(0.05)
        is_there = self.log.epoch == self.server.epoch and self.log.seq <= self.server.seq
        if self.step is Step.SNAPSHOT or not is_there:
            self.wire.append(Message(on, snapshot=self.server.snapshot(), known=self.known_now()))
            return
        self.wire.append(Message(on, lines=tuple(self.server.lines[self.log.seq :])))
        self.wire.append(Message(on, head=self.server.head(), known=self.known_now()))

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), fates=st.lists(FATES, min_size=1, max_size=6))
    def deliver(self, data: st.DataObject, fates: list[str]) -> None:
        """Some of what is on its way arrives, in order or not, once, twice or never."""
        for fate in fates[: len(self.wire)]:
            place = data.draw(st.integers(0, len(self.wire) - 1)) if fate == "overtakes" else 0
            message = self.wire[place] if fate == "doubled" else self.wire.pop(place)
            if fate != "lost":
                self.receive(message)

    @precondition(lambda self: self.log.epoch is not None)
    @rule(facts=st.sampled_from([None, {"suspended": False, "risk": 0}]), subject=st.sampled_from(["u0", "u1"]))
    def forge(self, facts: dict[str, object] | None, subject: str) -> None:
        """A line that the server never wrote."""
        line = entry_line(self.log.seq + 1, "facts" if facts else "policy", subject, facts=facts)
        assert self.log.take_entries([line]) is Step.GOOD
        self.tally["forged"] += 1

    @precondition(lambda self: not self.is_cut)
    @rule()
    def flow(self) -> None:
        """For a while the network is as it should be."""
        self.wire = []
        for _ in range(4):
            self.fetch()
            while self.wire:
                self.receive(self.wire.pop(0))
            if self.step is Step.GOOD:
                break
        self.tally["flowed"] += 1
        self.save()

    @rule()
    def save(self) -> None:
        document = self.log.as_document()
        if document is not None:
            assert self.known is not None
            self.disk = (document, self.known)

    def known_now(self) -> Known:
        return Known(tuple(self.server.lines), self.server.wall_s, self.true_s)

    def receive(self, message: Message) -> None:
        version, seq = self.log.revocations.version, (self.log.epoch, self.log.seq)
        if message.head is not None:
            self.step = self.log.take_head(message.head, at=self.own_wall_s)
            self.vouch(message, message.head)
        elif message.snapshot is not None:
            self.step = self.log.take_snapshot(message.snapshot.head, message.snapshot.lines, at=self.own_wall_s)
            if self.log.chain == message.snapshot.head.chain:
                self.vouch(message, message.snapshot.head)
        else:
            self.step = self.log.take_entries(message.lines)
        kind = "head" if message.head else "snapshot" if message.snapshot else "entries"
        self.tally[f"{kind} {self.step}"] += 1
        assert self.log.revocations.version > version or seq == (self.log.epoch, self.log.seq)

    def vouch(self, message: Message, head: FeedHead) -> None:
        known = message.known
        assert known is not None
        message.on.heard(head, self.true_s, agrees=self.step is Step.GOOD)
        if self.step is Step.GOOD:
            wall_s = max(known.wall_s, self.known.wall_s if self.known else 0)
            self.known = Known(known.lines, wall_s, known.read_at)
            self.heard_at = max(self.heard_at, known.read_at)

    @invariant()
    def never_accepts_what_the_last_vouched_state_refuses(self) -> None:
        if self.known is None:
            return
        for token, kid in product(TOKENS, KIDS):
            if naively_refused(self.known.lines, token, kid, wall_s=self.known.wall_s):
                assert self.log.revocations.refusal(token, kid) is not None
                self.tally["refused"] += 1

    @invariant()
    def never_believes_to_know_more_recent_things_than_it_does(self) -> None:
        assert self.lease.age_s(self.true_s) >= self.true_s - self.heard_at - 0.002

    def teardown(self) -> None:
        """Messages flow again: a few answers later the follower knows exactly what the server knows."""
        self.is_cut, self.step = False, Step.SNAPSHOT if self.log.epoch is None else Step.GAP
        self.flow()
        server = self.server
        assert (self.log.epoch, self.log.seq, self.log.chain) == (server.epoch, server.seq, server.chains[-1])
        assert self.lease.state(self.true_s) is LeaseState.FRESH
        for token, kid in product(TOKENS, KIDS):
            is_refused = self.log.revocations.refusal(token, kid) is not None
            if is_refused != naively_refused(server.lines, token, kid, wall_s=server.wall_s):
                # What has ended may be remembered for longer, never for shorter.
                assert is_refused
                assert naively_refused(server.lines, token, kid, wall_s=0)


def test_a_follower_is_never_too_lenient_and_catches_up_when_messages_flow() -> None:
    """S18 in the SDK, under loss, doubles, disorder, partition, restart, new epochs, roll-back and clock jumps."""
    tally: Counter[str] = Counter()
    machine = type("Counted", (FollowerOnABadNetwork,), {"tally": tally})
    chosen = settings(max_examples=400, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(machine, settings=chosen)
    never = sorted(REACHED - tally.keys())
    assert not never, f"the machine came never to {never}: {tally}"
