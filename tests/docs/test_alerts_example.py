"""The document's check of a webhook believes our messages, and nobody else's."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.alerts.signing import parse_secret, signed_headers
from tests.docs.examples import blocks
from tests.docs.tables import DOCS

NEW, OLD = "whsec_" + "bmV3" * 11, "whsec_" + "b2xk" * 11
BODY = b'{"type":"alert.test"}'


@pytest.fixture(scope="module")
def check() -> Callable[[Mapping[str, str], bytes, str], None]:
    """The document's own function."""
    [block] = [each for each in blocks(DOCS / "alerts.md") if each.file == "check_alert.py"]
    namespace: dict[str, Callable[[Mapping[str, str], bytes, str], None]] = {}
    exec(compile(block.text, str(Path("check_alert.py")), "exec"), namespace)  # noqa: S102
    return namespace["check_alert"]


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    keys = [parse_secret(each) for each in secrets]
    return signed_headers(keys, message_id="msg_1", at=at or datetime.fromtimestamp(time.time(), UTC), body=BODY)


def test_it_believes_a_message_of_ours_also_while_the_secret_changes(
    check: Callable[[Mapping[str, str], bytes, str], None],
) -> None:
    check(signed(NEW), BODY, NEW)
    check(signed(NEW, OLD), BODY, NEW)
    check(signed(NEW, OLD), BODY, OLD)


def test_it_refuses_another_key_another_body_another_id_and_an_old_message(
    check: Callable[[Mapping[str, str], bytes, str], None],
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    for headers, body, secret, words in (
        (signed(OLD), BODY, NEW, "does not fit"),
        (signed(NEW), BODY + b" ", NEW, "does not fit"),
        ({**signed(NEW), "webhook-id": "msg_2"}, BODY, NEW, "does not fit"),
        ({**signed(NEW), "webhook-timestamp": str(int(time.time()) + 1)}, BODY, NEW, "does not fit"),
        (signed(NEW, at=long_ago), BODY, NEW, "too old"),
    ):
        with pytest.raises(ValueError, match=words):
            check(headers, body, secret)
