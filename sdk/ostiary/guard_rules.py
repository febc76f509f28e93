"""What a guard asks of every request, checked once: the same for every framework. No I/O, no framework."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from ostiary.bearer import Refusal, response_parts
from ostiary.errors import ConfigurationError, InsufficientScope
from ostiary.resource_metadata import ResourceMetadata
from ostiary.step_up import NeededAuthentication, parse_needed
from ostiary.values import AccessToken


class AuthenticationJudge(Protocol):
    """What `Verifier` and `SyncVerifier` have in common for those who already hold a proven token."""

    def require_authentication(
        self, token: AccessToken, *, acr: str | Collection[str] = (), max_age_s: int | None = None
    ) -> AccessToken:
        """The token again, if its sign-in was strong and fresh enough."""
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """The scopes and the sign-in that a request needs; neither where both are empty."""

    scopes: tuple[str, ...]
    authentication: NeededAuthentication | None

    def any(self) -> bool:
        """Whether anything is needed at all."""
        return bool(self.scopes) or self.authentication is not None

    def are_met_by_scopes(self, token: AccessToken) -> bool:
        """Whether nothing but scopes is needed, and the token has them all; False says nothing: `check` does."""
        return self.authentication is None and token.scope.issuperset(self.scopes)

    def check(self, token: AccessToken, judge: AuthenticationJudge) -> None:
        """Raise InsufficientScope, or else InsufficientAuthentication: no better sign-in brings a missing scope."""
        if self.scopes and not token.scope.issuperset(self.scopes):
            raise InsufficientScope(self.scopes)
        if self.authentication is not None:
            needed = self.authentication
            judge.require_authentication(token, acr=needed.acr, max_age_s=needed.max_age_s)


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What a whole guard asks, whom it lets pass without a token, and how it presents itself when it refuses."""

    needs: Needs
    exempt: frozenset[str]
    realm: str
    metadata: ResourceMetadata | None

    def answer(self, refusal: Refusal) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body of a refusal."""
        return response_parts(refusal, realm=self.realm, metadata_url=self.metadata.url if self.metadata else None)

    def serves(self, path: str) -> bool:
        """Whether the guard itself answers this path, by the metadata document."""
        return self.metadata is not None and path == self.metadata.path


def parse_needs(
    *, scopes: Collection[str] = (), acr: str | Collection[str] = (), max_age_s: int | None = None
) -> Needs:
    """The checked needs; ConfigurationError for what no token could meet."""
    if isinstance(scopes, str):
        raise ConfigurationError("scopes must be a list of strings")
    return Needs(tuple(scopes), parse_needed(acr=acr, max_age_s=max_age_s))


def parse_rules(
    *,
    scopes: Collection[str],
    exempt: Collection[str],
    acr: str | Collection[str],
    max_age_s: int | None,
    realm: str,
    metadata: ResourceMetadata | None,
) -> GuardRules:
    """The checked rules of a guard, or ConfigurationError naming what is wrong."""
    if isinstance(exempt, str):
        raise ConfigurationError("exempt must be a list of strings")
    if not all(path.startswith("/") for path in exempt):
        raise ConfigurationError("exempt must name exact paths that begin with /")
    needs = parse_needs(scopes=scopes, acr=acr, max_age_s=max_age_s)
    return GuardRules(needs, frozenset(exempt), realm, metadata)
