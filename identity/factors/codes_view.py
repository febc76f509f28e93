"""How the page of backup codes looks: with the codes, in the one answer that tells them, or without."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from identity.accounts import find_person
from identity.factors.backup_codes import find_set
from identity.form_tokens import form_token
from identity.services import Services
from identity.values import Standing

PURPOSE = "backup codes"


@dataclass(frozen=True, slots=True)
class CodesView:
    """`codes` are told only in the answer to the form that made them; `is_kept`: they can still be downloaded."""

    person_id: bytes
    binding: bytes
    codes: tuple[str, ...] = ()
    is_kept: bool = False
    in_signin: bool = False
    pending_authorization: bool = False
    ui_locales: tuple[str, ...] = ()
    fault: str | None = None


async def show_codes(services: Services, request: Request, view: CodesView) -> Response:
    """The page."""
    async with services.database.reading() as db:
        person = await find_person(db, view.person_id)
        kept = await find_set(db, view.person_id)
    return services.pages.render(
        request,
        "factor_backup_codes.html",
        status=200 if view.fault is None else 400,
        pending_authorization=view.pending_authorization,
        own_script=bool(view.codes),
        ui_locales=view.ui_locales,
        person=person,
        codes=view.codes,
        code_set=kept,
        is_kept=view.is_kept,
        in_signin=view.in_signin,
        count=services.settings.backup_codes,
        fault=view.fault,
        form_token=form_token(services.form_key, PURPOSE, view.binding),
    )


def own_locales(standing: Standing) -> tuple[str, ...]:
    """The person's language, where they chose one: it comes before the browser's."""
    return (standing.locale,) if standing.locale else ()
