"""For your tests: an issuer with real keys and no server, a feed that misbehaves when told, and recorded events.

Owns: `FakeIssuer` and `RotatingKeys` (metadata, keys, tokens, introspection), `FakeFeed` with `FeedFaults` and `Lie`
(revocations, the lease, and the protocol itself), `RecordedEvents`, and the keys they sign with.
Leaves to others: everything that a server would remember of people and applications.

Install with `pip install ostiary[testing]`. PyJWT signs, and what is revoked is decided here by a few plain lines, so
that what your tests prove does not rest on the code of this SDK that they test.
"""

from ostiary.testing.events import RecordedEvents
from ostiary.testing.faults import FeedFaults, Lie
from ostiary.testing.feed import FakeFeed
from ostiary.testing.issuer import FakeIssuer
from ostiary.testing.keys import FakeKey, make_key
from ostiary.testing.rotating import RotatingKeys

__all__ = [
    "FakeFeed",
    "FakeIssuer",
    "FakeKey",
    "FeedFaults",
    "Lie",
    "RecordedEvents",
    "RotatingKeys",
    "make_key",
]
