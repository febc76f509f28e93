"""The pages of this room."""

from starlette.routing import BaseRoute, Route

from identity.factors import passkey_pages
from identity.factors.code_page import BACKUP_CODE, TOTP, CodePage
from identity.factors.codes_page import PATH, CodesPage
from identity.factors.mail_code_page import MailCodePage
from identity.factors.totp_page import TotpPage
from identity.services import Services
from identity.signin.paths import PROVING


def routes(services: Services) -> list[BaseRoute]:
    """Proving a factor within a sign-in, and adding one."""
    pages: dict[str, CodePage] = {
        PROVING["totp"]: CodePage(services, TOTP),
        PROVING["backup_code"]: CodePage(services, BACKUP_CODE),
        PROVING["mail_code"]: MailCodePage(services),
    }
    totp, codes = TotpPage(services), CodesPage(services)
    return [
        *(Route(path, page.show, methods=["GET"]) for path, page in pages.items()),
        *(Route(path, page.submit, methods=["POST"]) for path, page in pages.items()),
        Route("/enrol/totp", totp.show, methods=["GET"]),
        Route("/enrol/totp", totp.submit, methods=["POST"]),
        Route(PATH, codes.show, methods=["GET"]),
        Route(PATH, codes.submit, methods=["POST"]),
        Route(f"{PATH}/download", codes.download, methods=["POST"]),
        *passkey_pages.routes(services),
    ]
