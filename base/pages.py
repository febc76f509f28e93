"""Pages: templates, translations and static files of the rooms, answered with the headers that every page carries.

A room hands in its folder; `templates/`, `static/` and `locale/<language>.po` in it are found by name. Texts stand in
the templates, in English; a `.po` file translates them.
"""

import hashlib
import io
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.dates import FILTERS
from base.languages import DEFAULT, choose_language

_BASE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served: its name carries a digest of its bytes, so that it may be cached for ever."""

    name: str
    media_type: str
    body: bytes


def page_headers(*, pending_authorization: bool, own_script: bool) -> dict[str, str]:
    """The security headers of a page (S9).

    On pages of a pending authorization `form-action` is left out: Chromium applies it to the whole chain of redirects
    after a form was sent, and would block the way back to the application. The opener policy is left out there too: an
    application that signs in through a popup needs its window afterwards.
    """
    policy = _POLICY + ("; script-src 'self'; connect-src 'self'" if own_script else "")
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy if pending_authorization else policy + "; form-action 'self'",
        # `no-referrer` would make Chromium send `Origin: null` with our own forms.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    if not pending_authorization:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return headers


class Pages:
    """Renders the templates of `folders` (and of `base/`, whose layout they extend); made once."""

    def __init__(self, *, service_name: str, folders: Sequence[Path]) -> None:
        rooms = (*folders, _BASE)
        self._static = {path.name: _load_static(path) for room in rooms for path in _files(room / "static")}
        self._served = {file.name: file for file in self._static.values()}
        languages = {path.stem for room in rooms for path in _files(room / "locale") if path.suffix == ".po"}
        self._translations = {
            language: load_translations([room / "locale" / f"{language}.po" for room in rooms])
            for language in {DEFAULT, *languages}
        }
        self._environments = {
            language: self._make_environment(service_name, rooms, translations)
            for language, translations in self._translations.items()
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that pages can speak."""
        return tuple(sorted(self._environments))

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        pending_authorization: bool = False,
        own_script: bool = False,
        ui_locales: Sequence[str] = (),
        **context: object,
    ) -> Response:
        """A page with its security headers; `ui_locales` are languages that the application asked for."""
        language = self.language_of(request, ui_locales)
        html = self._environments[language].get_template(template).render(language=language, **context)
        headers = page_headers(pending_authorization=pending_authorization, own_script=own_script)
        headers["Content-Language"] = language
        headers["Vary"] = "Accept-Language, Cookie"
        return Response(html, status, headers, "text/html")

    def error(
        self,
        request: Request,
        status: int,
        title: str,
        message: str,
        *,
        ui_locales: Sequence[str] = (),
        retry_after_s: int | None = None,
    ) -> Response:
        """The error page. `title` and `message` are English texts, translated where a translation is known."""
        translations = self._translations[self.language_of(request, ui_locales)]
        page = self.render(
            request,
            "error.html",
            status=status,
            ui_locales=ui_locales,
            # Translated here and not in the template, where a translated text counts as HTML.
            title=translations.gettext(title),
            message=translations.gettext(message),
            request_id=request.scope.get("ostiary.request_id"),
        )
        if retry_after_s is not None:
            page.headers["Retry-After"] = str(retry_after_s)
        return page

    def language_of(self, request: Request, ui_locales: Sequence[str] = ()) -> str:
        """The language in which this request is answered."""
        return choose_language(ui_locales, request.headers.get("accept-language", ""), self._environments)

    def translate(self, language: str, message: str) -> str:
        """An English text in the language, or as it is where no translation is known."""
        return self._translations[language].gettext(message)

    def static_url(self, name: str) -> str:
        """The address of a static file, such as `/static/style-0123456789abcdef.css`."""
        return f"/static/{self._static[name].name}"

    def routes(self) -> list[Route]:
        """The route of the static files."""
        return [Route("/static/{name}", self._serve, methods=["GET"])]

    async def _serve(self, request: Request) -> Response:
        file = self._served.get(request.path_params["name"])
        if file is None:
            return self.error(request, 404, "Page not found", "There is nothing at this address.")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        }
        return Response(file.body, headers=headers, media_type=file.media_type)

    def _make_environment(self, service_name: str, rooms: Sequence[Path], translations: Translations) -> Environment:
        environment = Environment(
            loader=FileSystemLoader([room / "templates" for room in rooms]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
        environment.policies["ext.i18n.trimmed"] = True
        environment.globals.update(service_name=service_name, static=self.static_url)
        environment.filters.update(FILTERS)
        return environment


def load_translations(paths: Sequence[Path]) -> Translations:
    """The translations of the `.po` files that exist, compiled in memory; English texts for what none translates."""
    merged = Translations()
    for path in paths:
        if path.exists():
            with path.open("rb") as source:
                catalogue = read_po(source, locale=path.stem)
            compiled = io.BytesIO()
            write_mo(compiled, catalogue)
            compiled.seek(0)
            merged.merge(Translations(compiled))
    return merged


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _load_static(path: Path) -> StaticFile:
    body = path.read_bytes()
    kinds: Mapping[str, str] = {".js": "text/javascript"}
    media_type = kinds.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    mark = hashlib.sha256(body).hexdigest()[:16]
    return StaticFile(f"{path.stem}-{mark}{path.suffix}", media_type, body)
