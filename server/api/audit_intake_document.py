"""What the API's document says of a batch: read from the very types that parse one."""

import msgspec

from audit.intake.schema import EXPECTED, MAX_EVENTS, SentEvent
from server.api.idempotency import HEADER


def _schema() -> dict[str, object]:
    _, components = msgspec.json.schema_components([SentEvent], ref_template="#/components/schemas/{name}")
    event = components["SentEvent"]
    properties = event["properties"]
    told = {name: {**properties[name], "description": EXPECTED[name]} for name in properties}
    return {**event, "title": "An event as its sender tells it", "properties": told}


def _body() -> dict[str, object]:
    events = {"type": "array", "items": _schema(), "minItems": 1, "maxItems": MAX_EVENTS}
    batch = {"type": "object", "properties": {"events": events}, "required": ["events"], "additionalProperties": False}
    return {"required": True, "content": {"application/json": {"schema": batch}}}


BATCH: dict[str, object] = {"requestBody": _body(), "parameters": [HEADER]}
