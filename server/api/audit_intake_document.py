"""What the API's document says of a batch: read from the very types that parse one."""

import msgspec

from audit.intake.schema import EXPECTED, MAX_EVENTS, SentEvent


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


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    "description": "One a batch: sent again with the same body, it gets the same answer for two days.",
}
BATCH: dict[str, object] = {"requestBody": _body(), "parameters": [_KEY]}
