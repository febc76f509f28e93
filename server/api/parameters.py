"""Parameters of the API's addresses: each at most once, none unknown, every value right before anything uses it."""

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from base.forms import FormRefused, parse_form
from server.api.problems import Problem, wrong_field

MAX_LIMIT = 200
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Visible = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Parameters(BaseModel):
    """Parameters of one address; one that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paging(Parameters):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="how many at most")] = 50
    after: Annotated[str | None, Field(max_length=200, description="`next` of the page before")] = None


async def only_once(request: Request) -> None:
    """Refuses a query string that names a parameter twice, or is no urlencoded UTF-8 (S11)."""
    try:
        parse_form(request.scope["query_string"], repeatable=frozenset())
    except FormRefused as refused:
        errors = [{"field": name[:64], "expected": "once"} for name in sorted(refused.repeated)]
        raise Problem(400, str(refused), errors=errors) from None


def parse_moment(field: str, text: str | None) -> datetime | None:
    """The instant of an RFC 3339 text; raises Problem."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, _Moment)
    except msgspec.ValidationError:
        raise wrong_field(field, "RFC 3339 with an offset, such as 2026-11-22T20:00:00Z") from None
