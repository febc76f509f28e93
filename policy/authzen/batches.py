"""Several evaluations in one message: their order, and where it ends (OpenID Authorization API 1.0 §7.1.2)."""

import asyncio
from collections.abc import Awaitable, Callable

from policy.authzen.messages import Batch, Evaluation, Malformed
from policy.authzen.replies import Reply, reply_to_fault

# So many are decided before others get their turn.
_AT_ONCE = 25


async def evaluate_batch(batch: Batch, evaluate: Callable[[Evaluation], Awaitable[Reply]]) -> list[Reply]:
    """The replies in the order of the questions, up to the one that ends the message: with `deny_on_first_deny` the
    first denial or fault, with `permit_on_first_permit` the first permit."""
    replies: list[Reply] = []
    for number, item in enumerate(batch.items, 1):
        reply = await _reply(number - 1, item, evaluate)
        replies.append(reply)
        if batch.semantic == "deny_on_first_deny" and not reply["decision"]:
            break
        if batch.semantic == "permit_on_first_permit" and reply["decision"]:
            break
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return replies


async def _reply(
    number: int, item: Evaluation | Malformed, evaluate: Callable[[Evaluation], Awaitable[Reply]]
) -> Reply:
    if isinstance(item, Malformed):
        return reply_to_fault(400, str(item))
    try:
        return await evaluate(item)
    except Malformed as fault:
        return reply_to_fault(400, f"evaluations[{number}].{fault}")
