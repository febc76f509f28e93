"""How much an emitter may keep. Imports nothing that does I/O."""

from dataclasses import dataclass
from math import isfinite

from ostiary.errors import ConfigurationError

MIN_SPOOL_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitterLimits:
    """How much an emitter may keep, and how long it takes. Bytes and seconds.

    `buffer_events` and `buffer_bytes` bound the memory, `spool_bytes` the disk of one process. `delay_s` is how long
    events gather between two batches, `timeout_s` bounds each step of a request, `close_s` is how long `close` and
    the end of the program wait for the last events.
    """

    buffer_events: int = 10_000
    buffer_bytes: int = 8_388_608
    spool_bytes: int = 67_108_864
    delay_s: float = 0.5
    timeout_s: float = 10
    close_s: float = 5

    def __post_init__(self) -> None:
        if self.buffer_events < 1 or self.buffer_bytes < MIN_SPOOL_BYTES or self.spool_bytes < MIN_SPOOL_BYTES:
            raise ConfigurationError(
                "EmitterLimits: buffer_events must be at least 1, "
                f"buffer_bytes and spool_bytes at least {MIN_SPOOL_BYTES}"
            )
        if not all(isfinite(each) and each >= 0 for each in (self.delay_s, self.timeout_s, self.close_s)):
            raise ConfigurationError("EmitterLimits: delay_s, timeout_s and close_s must be finite and not negative")
        if not self.timeout_s:
            raise ConfigurationError("EmitterLimits: timeout_s must be above 0")
