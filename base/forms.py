"""The one reader of urlencoded text: query strings and form bodies (S11, S48)."""

from collections.abc import Iterator, Mapping
from typing import overload
from urllib.parse import parse_qsl

MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 100
REPEATABLE = frozenset({"resource"})


class FormRefused(ValueError):
    """A form that cannot be read; the message names the field or the limit.

    Where fields were repeated, `repeated` names them and `rest` has the others.
    """

    def __init__(self, message: str, *, repeated: frozenset[str] = frozenset(), rest: "Form | None" = None) -> None:
        super().__init__(message)
        self.repeated = repeated
        self.rest = rest


class Form(Mapping[str, str]):
    """Fields by name, each at most once; an empty value counts as absent (RFC 6749 §3.1, §3.2)."""

    __slots__ = ("_fields", "_lists")

    def __init__(self, fields: dict[str, str], lists: dict[str, list[str]]) -> None:
        self._fields = fields
        self._lists = lists

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    # A Mapping's defaults are of any type; here they are texts.
    @overload  # type: ignore[override]
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    def get(self, name: str, default: str | None = None, /) -> str | None:
        """The value of a field, or `default`. (The inherited one raises and catches KeyError, on every hot request.)"""
        return self._fields.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable field."""
        return self._lists.get(name, [])


def parse_form(text: str | bytes, *, repeatable: frozenset[str] = REPEATABLE) -> Form:
    """The fields of `a=b&c=d`; raises FormRefused for repeated fields, too many of them, or text that is not UTF-8."""
    try:
        decoded = text.decode("ascii") if isinstance(text, bytes) else text
        pairs = parse_qsl(
            decoded, keep_blank_values=False, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        ) if decoded else []  # fmt: skip
    except UnicodeDecodeError:
        raise FormRefused("the form is not urlencoded UTF-8") from None
    except ValueError:
        raise FormRefused(f"the form has more than {MAX_FIELDS} fields") from None
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    repeated: dict[str, None] = {}
    for name, value in pairs:
        if name in repeatable:
            lists.setdefault(name, []).append(value)
        elif name in fields:
            repeated[name] = None
        fields.setdefault(name, value)
    if repeated:
        first = printable(next(iter(repeated)))
        rest = Form({name: value for name, value in fields.items() if name not in repeated}, lists)
        raise FormRefused(f"the parameter {first} is given more than once", repeated=frozenset(repeated), rest=rest)
    return Form(fields, lists)


def printable(text: str, *, limit: int = 64) -> str:
    """A piece of input made fit for an error text: printable ASCII without quotes or backslashes (RFC 6749 §5.2)."""
    kept = "".join(char for char in text[:limit] if " " <= char <= "~" and char not in '"\\')
    return kept if len(text) <= limit else kept + "..."
