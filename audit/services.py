"""What the audit rooms work with; made once by the composition root."""

from dataclasses import dataclass

from audit.emit import Emitter
from audit.ledger.notes import LedgerKey
from audit.settings import AuditSettings
from base.clock import Clock
from base.database import Database
from base.outbound import Outbound
from base.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditServices:
    """One deployment's parts. `key` signs the ledger's checkpoints."""

    settings: AuditSettings
    database: Database
    emitter: Emitter
    sealer: Sealer
    clock: Clock
    key: LedgerKey
    outbound: Outbound
