"""How a session looked when it began and when it was last seen, as its row keeps it: sealed, bound to the session."""

from dataclasses import dataclass

import msgspec

from base.sealing import SealBroken, Sealer
from risk.sighting import Sighting
from risk.signals.credentials import PASSWORD_BREACHED
from risk.values import Assessment

_AAD = b"session seen "


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment, the look that it is about, and the address that it came from."""

    assessment: Assessment
    sighting: Sighting
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Both looks of one session: when it began, and when it was last seen, from `address`.

    `checked_s`: when it was last assessed (seconds since 1970), which need not be when it was last seen. `proven_at`:
    the score at which its person last proved something. `is_breached`: with a password that is known from a breach.
    """

    began: Sighting
    last: Sighting
    address: str | None = None
    checked_s: float = 0.0
    # A row of before these were kept: nobody knows, so nothing was proven at any score.
    proven_at: int = 0
    is_breached: bool = False


def seen_first(assessed: Assessed) -> Seen:
    """Both looks of a session that begins, or begins anew, with this sighting."""
    sighting, assessment = assessed.sighting, assessed.assessment
    is_breached = any(each.signal == PASSWORD_BREACHED for each in assessment.reasons)
    return Seen(sighting, sighting, assessed.address, sighting.at_s, assessment.score, is_breached)


_decoder = msgspec.json.Decoder(Seen)


def seal_seen(sealer: Sealer, session_id: bytes, seen: Seen) -> bytes:
    """What the column `sessions.seen` holds."""
    return sealer.seal(msgspec.json.encode(seen), aad=_AAD + session_id)


def open_seen(sealer: Sealer, session_id: bytes, sealed: bytes | None) -> Seen | None:
    """What `seal_seen` sealed; None where there is nothing that this version can read."""
    if sealed is None:
        return None
    try:
        return _decoder.decode(sealer.unseal(sealed, aad=_AAD + session_id))
    except (SealBroken, msgspec.MsgspecError):
        return None
