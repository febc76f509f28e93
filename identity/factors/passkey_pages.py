"""The pages of passkeys."""

from starlette.routing import BaseRoute, Route

from identity.factors import passkey_enrol, passkey_signin
from identity.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Adding a passkey, and signing in with one."""
    enrol, signin = passkey_enrol.PasskeyEnrolPage(services), passkey_signin.PasskeySigninPage(services)
    return [
        Route(passkey_enrol.PATH, enrol.show, methods=["GET"]),
        Route(passkey_enrol.PATH, enrol.submit, methods=["POST"]),
        Route(f"{passkey_enrol.PATH}/options", enrol.options, methods=["POST"]),
        Route(passkey_signin.PATH, signin.show, methods=["GET"]),
        Route(passkey_signin.PATH, signin.submit, methods=["POST"]),
        Route(f"{passkey_signin.PATH}/options", signin.options, methods=["POST"]),
    ]
