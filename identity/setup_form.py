"""The form of the first administrator: what was typed, and what must be looked at again."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from base.forms import Form
from identity.names import InvalidName, normalise_email, normalise_username
from identity.password_rules import ENGLISH, PasswordRefused, PasswordRules, check_password
from identity.services import Services

MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field, in English words to be translated; `{number}` in them is filled afterwards."""

    words: str
    number: int | None = None


Faults = Mapping[str, list[Fault]]


@dataclass(frozen=True, slots=True)
class SetupForm:
    """What was typed; the passwords are never shown again."""

    username: str = ""
    email: str = ""
    name: str = ""
    password: str = field(default="", repr=False)
    password_repeat: str = field(default="", repr=False)


MISSING = Fault("must be filled in")
NOT_THE_SAME = Fault("The two passwords are not the same.")
NAME_TOO_LONG = Fault("must be printable text of at most {number} characters", MAX_NAME)


def parse_setup_form(form: Form) -> SetupForm:
    """The fields, empty where they are missing."""
    return SetupForm(
        username=form.get("username", "").strip(),
        email=form.get("email", "").strip(),
        name=form.get("name", "").strip(),
        password=form.get("password", ""),
        password_repeat=form.get("password_repeat", ""),
    )


async def find_faults(
    services: Services, asked: SetupForm, *, needed: Collection[str] = ("username", "email")
) -> dict[str, list[Fault]]:
    """Every fault by field, in the order of the form; empty where the account can be made."""
    faults: dict[str, list[Fault]] = {}
    for name, value, check in (
        ("username", asked.username, normalise_username),
        ("email", asked.email, normalise_email),
    ):
        try:
            if value:
                check(value)
            elif name in needed:
                faults[name] = [MISSING]
        except InvalidName as invalid:
            faults[name] = [Fault(invalid.fault.text)]
    if len(asked.name) > MAX_NAME or not asked.name.isprintable():
        faults["name"] = [NAME_TOO_LONG]
    context = [asked.username, asked.email, asked.name]
    return faults | await find_password_faults(services, asked.password, asked.password_repeat, context)


async def find_password_faults(
    services: Services, password: str, password_repeat: str, context: Sequence[str]
) -> dict[str, list[Fault]]:
    """What is wrong with a new password that was typed twice, by field (S20); `context` is what people know of them."""
    # The estimate takes up to 50 ms for a hostile text.
    found = await asyncio.to_thread(_find_password_faults, services, password, context)
    if found:
        return {"password": found}
    return {} if password == password_repeat else {"password_repeat": [NOT_THE_SAME]}


def say_faults(services: Services, language: str, faults: Faults) -> dict[str, list[str]]:
    """The faults in the language of the page."""
    translate = services.pages.translate
    return {
        name: [translate(language, fault.words).format(number=fault.number) for fault in found]
        for name, found in faults.items()
    }


def _find_password_faults(services: Services, password: str, context: Sequence[str]) -> list[Fault]:
    settings = services.settings
    rules = PasswordRules(min_length=settings.password_min_length)
    known = [*context, settings.service_name]
    try:
        check_password(password, rules=rules, context=known, breached=services.breached)
    except PasswordRefused as refused:
        return [Fault(ENGLISH[reason.code], reason.number) for reason in refused.reasons]
    return []
