"""The schema that policies are written against: ours, and beside it a deployment's own."""

from pathlib import Path

_OURS = Path(__file__).parent / "ostiary.cedarschema"


def schema_text(own_schema: str = "") -> str:
    """Cedar schema text: our namespace, and after it `own_schema`, whose namespaces are the deployment's own.

    Whether they fit together is found out by whoever parses them.
    """
    ours = _OURS.read_text("utf-8")
    return f"{ours}\n{own_schema}" if own_schema.strip() else ours
