"""What the API gives an outsider is enough to check the log without believing the server."""

from __future__ import annotations

import base64

import pytest

from audit.ledger.keeping import LedgerKeeping
from audit.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.ledger.notes import parse_checkpoint, verify_note
from tests.server.api.service import EVENTS, Service, check_problem

pytestmark = pytest.mark.anyio
CHECKPOINTS, PROOF = "/api/v1/audit/checkpoints", "/api/v1/audit/proof"


def digests(values: object) -> list[bytes]:
    assert isinstance(values, list)
    return [base64.b64decode(value) for value in values]


async def test_an_event_its_proof_and_a_signed_checkpoint_fit_together(service: Service) -> None:
    audit = service.world.services.audit
    await service.send(*(service.event() for _ in range(20)))
    keeping = LedgerKeeping(audit)
    await keeping.number()
    await keeping.sign()
    newest = (await service.get(CHECKPOINTS)).json()["checkpoints"][0]
    signed = parse_checkpoint(verify_note(newest["note"], audit.key.vkey))
    assert (signed.size, base64.b64encode(signed.root).decode()) == (newest["size"], newest["root"])
    found = (await service.found(name="order.refunded"))[3]
    event = (await service.get(f"{EVENTS}/{found['id']}")).json()
    proof = (await service.get(PROOF, seq=event["seq"], size=signed.size)).json()
    leaf = leaf_hash(event["body"].encode())
    assert base64.b64decode(proof["leaf"]) == leaf
    assert verify_inclusion(leaf, event["seq"], signed.size, digests(proof["proof"]), signed.root)
    assert not verify_inclusion(leaf, event["seq"] - 1, signed.size, digests(proof["proof"]), signed.root)


async def test_an_older_log_is_proven_to_begin_the_newer_one(service: Service) -> None:
    keeping = LedgerKeeping(service.world.services.audit)
    await service.send(*(service.event() for _ in range(9)))
    await keeping.number()
    told = (await service.get(PROOF, from_=5)).json()
    old, new = base64.b64decode(told["from_root"]), base64.b64decode(told["to_root"])
    assert told["to"] >= 9
    assert verify_consistency(5, old, told["to"], new, digests(told["proof"]))
    assert not verify_consistency(5, new, told["to"], old, digests(told["proof"]))


async def test_checkpoints_come_by_pages(service: Service) -> None:
    sizes = []
    for _ in range(3):
        await service.send(service.event())
        keeping = LedgerKeeping(service.world.services.audit)
        await keeping.number()
        await keeping.stop()
        sizes.append((await service.get(CHECKPOINTS, limit=1)).json()["checkpoints"][0]["size"])
    first = (await service.get(CHECKPOINTS, limit=2)).json()
    second = (await service.get(CHECKPOINTS, limit=2, after=first["next"])).json()
    assert [each["size"] for each in first["checkpoints"] + second["checkpoints"]] == sizes[::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    "asked", [{}, {"seq": 0, "from_": 1}, {"seq": 0, "to": 1}, {"from_": 1, "size": 1}, {"size": 1}]
)
async def test_a_proof_is_of_one_kind(service: Service, asked: dict[str, int]) -> None:
    check_problem(await service.get(PROOF, **asked), 400, "seq and size, or from and to")


async def test_what_is_not_in_the_log_yet_has_no_proof(service: Service) -> None:
    await LedgerKeeping(service.world.services.audit).number()
    check_problem(await service.get(PROOF, seq=0, size=10**6), 400, "at most the log's size")
    check_problem(await service.get(PROOF, from_=2, to=1), 400, "from: expected 1 to 1")
