"""An evidence bundle over a kept log, and ways to change one."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from audit.evidence.making import EvidenceRequest, make_evidence
from audit.evidence.manifest import MANIFEST, NOTE, FileFacts, Manifest, parse_manifest, sign_manifest
from audit.evidence.verify import EvidenceVerdict, verify_evidence
from audit.ledger.notes import LedgerKey
from audit.reports.forms import Form
from audit.reports.model import Period
from audit.verification.held import checkpoints_of
from server.reporting import report_sections
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.world import World

Files = dict[str, bytes]


@dataclass
class Evidence:
    """A log, and the bundle over the period between its second checkpoint and its fourth."""

    log: KeptLog
    path: Path
    manifest: Manifest

    @property
    def kept(self) -> Path:
        """The checkpoints that somebody outside kept."""
        return self.log.audit.settings.checkpoint_file

    def files(self) -> Files:
        """What is in the bundle."""
        return unpack(self.path.read_bytes())

    def check(self, data: bytes | Files | None = None, *, vkey: str | None = None) -> EvidenceVerdict:
        """The verdict of somebody who holds the key, over other bytes where some are given."""
        if isinstance(data, dict):
            data = pack(data)
        key = vkey or self.log.audit.key.vkey
        return verify_evidence(io.BytesIO(self.path.read_bytes() if data is None else data), vkey=key)

    def signed(self, files: Files, signer: LedgerKey | None = None, /, **changed: object) -> Files:
        """The files under a manifest of what they are now, signed: what only the key's owner could do."""
        found = parse_manifest(files[MANIFEST])
        facts = {
            name: FileFacts(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in files.items()
            if name not in (MANIFEST, NOTE)
        }
        manifest = msgspec.structs.replace(found, files=facts, **changed)
        return {
            **files,
            MANIFEST: msgspec.json.encode(manifest, order="sorted"),
            NOTE: sign_manifest(manifest, signer or self.log.audit.key).encode(),
        }


async def make(
    log: KeptLog,
    path: Path,
    since: datetime,
    until: datetime,
    *,
    personal: bool = False,
    forms: frozenset[Form] = frozenset({Form.HTML}),
    leads_outside: bool = True,
) -> Manifest:
    """Writes a bundle, which leads to every checkpoint outside."""
    audit = log.audit
    kept = checkpoints_of(audit.settings.checkpoint_file, vkey=audit.key.vkey, origin=audit.key.name)
    against = kept if leads_outside else ()
    asked = EvidenceRequest(
        period=Period(since, until), forms=forms, with_personal=personal, against=against, made_by="cli", version="0"
    )
    now = log.world.clock()
    return await make_evidence(audit, report_sections(), asked, path, now=now, told=lambda _, __: None)


async def middle_of(log: KeptLog) -> tuple[datetime, datetime]:
    """From before the 101st event until behind the 430th: between two checkpoints that lie minutes apart."""
    at = [body["at"] for body in await log.world.events()]
    middles = [datetime.fromtimestamp((at[place - 1] + at[place]) / 2e6, tz=UTC) for place in (100, 430)]  # type: ignore[operator]
    return middles[0], middles[1]


async def evidence_of(world: World, folder: Path, *, personal: bool = False) -> Evidence:
    """A log of 640 events, and the evidence of its middle."""
    log = await keep_log(world)
    since, until = await middle_of(log)
    world.clock.move(minutes=5)
    path = folder / "evidence.zip"
    return Evidence(log, path, await make(log, path, since, until, personal=personal))


def unpack(data: bytes) -> Files:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files, as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()
