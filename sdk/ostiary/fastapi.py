"""The guard for FastAPI, as a dependency that shows in the OpenAPI document. Needs the package `fastapi`."""

from collections.abc import Collection

from fastapi import HTTPException
from fastapi.openapi.models import OpenIdConnect
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from ostiary.bearer import GUARD_ERRORS, BearerMissing, Refusal, parse_bearer, refusal_document, refusal_for
from ostiary.discovery import METADATA_PATH
from ostiary.failure_policy import Sensitivity
from ostiary.guard_rules import parse_needs, parse_rules
from ostiary.resource_metadata import ResourceMetadata
from ostiary.values import AccessToken
from ostiary.verifier import Verifier


class TokenRefused(HTTPException):
    """What FastAPI makes the answer of: the status and headers of every guard here, the document under `detail`."""

    def __init__(self, refusal: Refusal, headers: list[tuple[bytes, bytes]]) -> None:
        # FastAPI writes another body around the document, of another length.
        told = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
        super().__init__(refusal.status, detail=refusal_document(refusal), headers=told)


class RequireToken(SecurityBase):
    """A dependency that gives the proven token, or refuses: `Annotated[AccessToken, Security(signed_in)]`.

    Scopes of one route stand in `Security(signed_in, scopes=["orders:write"])`, a better sign-in in a guard of its own:
    `signed_in.but(acr=AAL2, max_age_s=300, sensitivity=Sensitivity.SENSITIVE)`. The OpenAPI document points to the
    issuer's metadata. Works for HTTP and for WebSockets before they are accepted; only the ASGI guard
    (`ostiary.asgi.RequireToken` by `add_middleware`) closes them, and streams, when the token stops holding.
    """

    def __init__(
        self,
        verifier: Verifier,
        issuer: str,
        *,
        scopes: Collection[str] = (),
        acr: str | Collection[str] = (),
        max_age_s: int | None = None,
        sensitivity: Sensitivity = Sensitivity.ORDINARY,
        realm: str = "api",
        metadata: ResourceMetadata | None = None,
        scheme_name: str = "Ostiary",
    ) -> None:
        self._verifier = verifier
        self._issuer = issuer
        self._rules = parse_rules(
            scopes=scopes, exempt=(), acr=acr, max_age_s=max_age_s, realm=realm, metadata=metadata
        )
        self._sensitivity = sensitivity
        # What FastAPI reads to describe the security scheme.
        self.model = OpenIdConnect(openIdConnectUrl=issuer.rstrip("/") + METADATA_PATH)
        self.scheme_name = scheme_name

    def but(
        self,
        *,
        acr: str | Collection[str] | None = None,
        max_age_s: int | None = None,
        sensitivity: Sensitivity | None = None,
    ) -> "RequireToken":
        """The same guard with other demands on the sign-in, or another sensitivity, for single routes.

        What is not named stays as it is: asking for more care never drops a demand.
        """
        own = self._rules.needs.authentication
        return RequireToken(
            self._verifier,
            self._issuer,
            scopes=self._rules.needs.scopes,
            acr=acr if acr is not None else (own.acr if own is not None else ()),
            max_age_s=max_age_s if max_age_s is not None else (own.max_age_s if own is not None else None),
            sensitivity=sensitivity or self._sensitivity,
            realm=self._rules.realm,
            metadata=self._rules.metadata,
            scheme_name=self.scheme_name,
        )

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> AccessToken:
        """The token of this request; TokenRefused otherwise."""
        try:
            raw = parse_bearer(connection.headers.raw)
            token = await self._verifier.verify(raw, sensitivity=self._sensitivity)
            self._rules.needs.check(token, self._verifier)
            parse_needs(scopes=security_scopes.scopes).check(token, self._verifier)
        except BearerMissing as error:
            raise self._refused(error.refusal) from error
        except GUARD_ERRORS as error:
            raise self._refused(refusal_for(error)) from error
        return token

    def _refused(self, refusal: Refusal) -> TokenRefused:
        return TokenRefused(refusal, self._rules.answer(refusal)[0])
