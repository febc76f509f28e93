"""The frozen values that the identity rooms pass to each other; pure, so that rules can use them without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from policy.values import Decision, EntityRef, Whence
from risk.values import Assessment

PersonState = Literal["active", "suspended", "disabled", "deleted"]


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that really happened: a method (`policy.assurance`) and when."""

    method: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """An authorization request after every check: client and redirect URI trusted, values parsed.

    `claims` names requested claims by place (`userinfo`, `id_token`); `hint_sub` is the subject of a verified
    `id_token_hint`.
    """

    client_id: str
    redirect_uri: str
    response_mode: Literal["query", "form_post"]
    scope: tuple[str, ...]
    audience: str
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # The scopes that the claims asked for one by one belong to: consent is about them too.
    claim_scopes: tuple[str, ...] = ()
    hint_sub: str | None = None
    # A redirect URI was left out of the request, so the token request may leave it out too (RFC 6749 §4.1.3).
    redirect_uri_given: bool = True

    @property
    def asked_scopes(self) -> tuple[str, ...]:
        """All that the person is asked for."""
        return tuple(dict.fromkeys(self.scope + self.claim_scopes))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules of sign-in must know of a person. `factors` are the methods that they could prove.

    Proofs made before `valid_from` count no more: everything was revoked then, or the password changed. `memberships`
    are their roles, groups and organisations.
    """

    id: bytes
    sub: str
    state: PersonState
    is_admin: bool = False
    factors: frozenset[str] = frozenset()
    enrol_due_at: datetime | None = None
    valid_from: datetime | None = None
    locale: str | None = None
    memberships: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that is alive now: not ended, not idle too long, its person active.

    `cookie_digest` is new after every proof: what forms are bound to (S17). `risk` is the score of now, None where
    nothing was assessed.
    """

    id: bytes
    person_id: bytes
    sub: str
    auth_time: datetime
    proofs: tuple[Proof, ...]
    device_id: bytes | None = None
    standing: Standing | None = None
    keep: bool = False
    cookie_digest: bytes = b""
    risk: int | None = None

    @property
    def methods(self) -> frozenset[str]:
        """What was proven in this session."""
        return frozenset(proof.method for proof in self.proofs)


@dataclass(frozen=True, slots=True)
class SigninAttempt:
    """One sign-in under way, bound to one browser; without `request` it only leads to a session.

    `destination` names a page of ours that wants the person to prove themselves again. `proofs` were made within the
    attempt; `session_id` is the session that they led to, None before. `whence` is the request of now, and not kept.
    """

    id: bytes
    created_at: datetime
    expires_at: datetime
    request: AuthorizeRequest | None = None
    person_id: bytes | None = None
    session_id: bytes | None = None
    proofs: tuple[Proof, ...] = ()
    assessment: Assessment | None = None
    decision: Decision | None = None
    consented: bool = False
    destination: str | None = None
    put_off: bool = False
    keep: bool = False
    finished_at: datetime | None = None
    version: int = 1
    whence: Whence = field(default_factory=Whence)
