"""What comes next in a sign-in: the one rule that every page and endpoint asks, without I/O."""

from dataclasses import replace
from datetime import datetime, timedelta

from identity.signin.state import Consent, Issue, Refuse, SignIn, Step
from identity.values import AAL1, AuthorizeRequest, LiveSession, SigninAttempt, acr_of
from policy.values import Effect

# What a person can reach here by signing in; grows with the factors.
REACHABLE_ACR = frozenset({AAL1})

_NOT_SIGNED_IN = Refuse("login_required", "the person is not signed in, or has to sign in again")
_OTHER_PERSON = Refuse("login_required", "another person signed in than id_token_hint names")
_NOT_CONSENTED = Refuse("consent_required", "the person has not allowed all that is asked for")
_UNMET_ACR = Refuse("unmet_authentication_requirements", "the essential acr cannot be met")
_DENIED = Refuse("access_denied", "the sign-in was denied by policy")


def next_step(attempt: SigninAttempt, session: LiveSession | None, consented: bool, now: datetime) -> Step:
    """The next step of `attempt`, for a browser whose live session is `session`.

    `consented`: whether nothing is left to ask the person for (all of it remembered, or a first-party application).
    A proof made within this attempt counts as signing in again, however the application asked for that: each attempt
    asks once (OpenID Connect Core §3.1.2.1, §3.1.2.3).
    """
    if attempt.decision is not None and attempt.decision.effect is not Effect.ALLOW:
        return _DENIED
    attempt = _belonging_to(session, attempt)
    request = attempt.request
    if request is None:
        return SignIn() if session is None else Issue()
    if request.essential_acr and not _may_meet(request, session):
        return _UNMET_ACR
    step = _step_for(request, attempt, session, consented, now)
    if "none" in request.prompt:
        return _without_a_page(step)
    return step


def _belonging_to(session: LiveSession | None, attempt: SigninAttempt) -> SigninAttempt:
    """The attempt without proofs and consent that were given under another session than the one alive now (S17)."""
    if session is not None and attempt.session_id == session.id and attempt.person_id == session.person_id:
        return attempt
    return replace(attempt, proofs=(), consented=False)


def _may_meet(request: AuthorizeRequest, session: LiveSession | None) -> bool:
    reachable = set(REACHABLE_ACR)
    if session is not None:
        reachable.add(_acr_now(session))
    return not reachable.isdisjoint(request.essential_acr)


def _acr_now(session: LiveSession) -> str:
    return acr_of(frozenset(proof.method for proof in session.proofs))


def _step_for(
    request: AuthorizeRequest, attempt: SigninAttempt, session: LiveSession | None, consented: bool, now: datetime
) -> Step:
    if session is None:
        return SignIn()
    if not attempt.proofs and _must_sign_in_again(request, session, now):
        return SignIn()
    if request.hint_sub is not None and request.hint_sub != session.sub:
        return _OTHER_PERSON
    if not attempt.consented and (not consented or "consent" in request.prompt):
        return Consent()
    return Issue()


def _must_sign_in_again(request: AuthorizeRequest, session: LiveSession, now: datetime) -> bool:
    if "login" in request.prompt or "select_account" in request.prompt:
        return True
    if request.hint_sub is not None and request.hint_sub != session.sub:
        return True
    if request.essential_acr and _acr_now(session) not in request.essential_acr:
        return True
    if request.max_age is None:
        return False
    # 0 asks always (OpenID Connect Core §3.1.2.1: the same as prompt=login), even within the same clock tick.
    return request.max_age == 0 or now - session.auth_time > timedelta(seconds=request.max_age)


def _without_a_page(step: Step) -> Step:
    match step:
        case SignIn():
            return _NOT_SIGNED_IN
        case Consent():
            return _NOT_CONSENTED
        case Issue() | Refuse():
            return step
