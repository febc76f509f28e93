"""What `audit/` must be told; the composition root fills it from the server's settings."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How long events are kept, and where the log's statements go."""

    issuer: str
    service_name: str
    # None: for ever.
    retention: timedelta | None
    # 0: no limit.
    max_events: int
    archive_dir: Path | None
    checkpoint_file: Path
    checkpoint_dir: Path | None
    checkpoint_url: str | None
    checkpoint_every: timedelta
    erasure_journal: Path
