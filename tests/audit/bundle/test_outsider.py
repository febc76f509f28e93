"""What docs/audit.md tells outsiders to do, done with nothing of ours: the formats are as they are described there."""

from __future__ import annotations

import base64
import gzip
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.bundle.making import BundleRange
from tests.audit.bundle.test_verify import make
from tests.audit.verification.kept_log import keep_log
from tests.world import World

pytestmark = pytest.mark.anyio


def signed_text(note: str, key: str) -> list[str]:
    """The lines of a note, after its signature was verified as the document says."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)[1:]
    assert sha256(f"{name}\n\x01".encode() + public).digest()[:4].hex() == key_id
    text, line = note.rsplit("\n\n", 1)
    signature = base64.b64decode(line.removeprefix(f"— {name} "))
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], (text + "\n").encode())
    return text.split("\n")


def cover_sizes(begin: int, end: int) -> list[int]:
    """The sizes of the fewest complete subtrees over a range."""
    sizes = []
    while begin < end:
        size = 1
        while begin % (2 * size) == 0 and begin + 2 * size <= end:
            size *= 2
        sizes.append(size)
        begin += size
    return sizes


def put_together(parts: list[tuple[int, bytes]]) -> bytes:
    """The root over subtrees, each (size, hash), from left to right."""
    joined: list[tuple[int, bytes]] = []
    for part in parts:
        joined.append(part)
        while len(joined) > 1 and joined[-1][0] == joined[-2][0]:
            (size, right), (_, left) = joined.pop(), joined.pop()
            joined.append((2 * size, sha256(b"\x01" + left + right).digest()))
    root = joined.pop()[1]
    while joined:
        root = sha256(b"\x01" + joined.pop()[1] + root).digest()
    return root


@pytest.mark.parametrize("asked", [BundleRange(), BundleRange(37, 512), BundleRange(599, 600)])
async def test_an_outsider_checks_a_bundle_by_the_document_alone(world: World, asked: BundleRange) -> None:
    """S45"""
    log = await keep_log(world)
    header, *lines = [json.loads(line) for line in gzip.decompress(await make(log, asked, personal=True)).splitlines()]
    origin, size, root, _time = signed_text(header["checkpoint"], header["key"])
    assert origin == header["origin"] == header["key"].split("+")[0]

    end = header["first"] + header["count"]
    parts = list(zip(cover_sizes(0, header["first"]), map(bytes.fromhex, header["left"]), strict=True))
    for seq, line in enumerate(lines, header["first"]):
        leaf = sha256(b"\x00" + line["body"].encode()).digest()
        assert (line["seq"], line["hash"]) == (seq, leaf.hex())
        parts.append((1, leaf))
    parts += zip(cover_sizes(end, int(size)), map(bytes.fromhex, header["right"]), strict=True)
    assert put_together(parts) == base64.b64decode(root)


async def test_an_outsider_checks_personal_fields_by_the_document_alone(world: World) -> None:
    """S47"""
    log = await keep_log(world)
    _, *lines = [json.loads(line) for line in gzip.decompress(await make(log, personal=True)).splitlines()]
    checked = 0
    for line in lines:
        body, opened = json.loads(line["body"]), line["opened"]
        assert json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False) == line["body"]
        salt = bytes.fromhex(opened.pop("salt"))
        assert len(salt) == 16
        for name, value in opened.items():
            written = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
            digest = sha256(salt + name.encode() + b"\0" + written).hexdigest()
            assert digest == body["hidden"][name]
            checked += 1
    assert checked > 300
    assert any("place" in line["opened"] and "risk_reasons" in line["opened"] for line in lines)
