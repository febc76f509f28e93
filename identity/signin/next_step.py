"""What comes next in a sign-in: the one rule that every page and endpoint asks, without I/O."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from identity.signin.destinations import WANT_FRESH
from identity.signin.state import Consent, Enrol, Issue, Prove, Refuse, SignIn, Step
from identity.values import AuthorizeRequest, LiveSession, Proof, SigninAttempt
from policy.assurance import KNOWN_ACR, PASSKEYS
from policy.values import Decision, Effect

# A sign-in begins with one of these; everything else only adds to it.
PRIMARY = PASSKEYS | {"pwd"}

_NOT_SIGNED_IN = Refuse("login_required", "the person is not signed in, or has to sign in again")
_OTHER_PERSON = Refuse("login_required", "another person signed in than id_token_hint names")
_NOT_ENROLLED = Refuse("interaction_required", "the person has to add a factor first")
_NOT_CONSENTED = Refuse("consent_required", "the person has not allowed all that is asked for")
_UNMET_ACR = Refuse("unmet_authentication_requirements", "what is asked of the authentication cannot be met")
_DENIED = Refuse("access_denied", "the sign-in was denied by policy")
UNUSUAL = Refuse("access_denied", "this sign-in is too unusual, and there is no second factor to prove it with")
TAKEN_OVER = Refuse("access_denied", "this account has to be recovered first")
_AT_RISK = frozenset({"risk_high_unmet", "risk_critical_unmet"})
_REFUSALS = {
    "unmet_acr": _UNMET_ACR,
    "risk_high_unmet": UNUSUAL,
    "risk_critical_unmet": UNUSUAL,
    "address_blocked": Refuse("access_denied", "sign-ins from this address are blocked"),
    "taken_over": TAKEN_OVER,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What counts in an attempt: whose it is, and the proofs. `session` is the one that they rest on, or led to."""

    proofs: tuple[Proof, ...] = ()
    person_id: bytes | None = None
    session: LiveSession | None = None

    @property
    def methods(self) -> frozenset[str]:
        """What is proven; empty unless it begins with what a sign-in must begin with."""
        methods = frozenset(proof.method for proof in self.proofs)
        return methods if methods & PRIMARY else frozenset()


def weigh(attempt: SigninAttempt, session: LiveSession | None, now: datetime) -> Evidence:
    """Which proofs count for `attempt` in a browser whose live session is `session` (S17, S28).

    Proofs that have not led to a session yet stand for themselves, whoever else is signed in here. Proofs given under
    another session than the one alive now are worth nothing. Where the person has to sign in again only proofs of this
    attempt count: each attempt asks once (OpenID Connect Core §3.1.2.1, §3.1.2.3).
    """
    if attempt.proofs and attempt.session_id is None:
        return Evidence(attempt.proofs, attempt.person_id)
    if session is None:
        return Evidence()
    own = attempt.proofs if attempt.session_id == session.id and attempt.person_id == session.person_id else ()
    if must_sign_in_again(attempt, session, now):
        return Evidence(own, session.person_id, session)
    return Evidence((*session.proofs, *own), session.person_id, session)


def must_sign_in_again(attempt: SigninAttempt, session: LiveSession, now: datetime) -> bool:
    """Whether the live session is not enough for this attempt, whatever was proven in it."""
    request = attempt.request
    if request is None:
        return attempt.destination in WANT_FRESH
    if "login" in request.prompt or "select_account" in request.prompt:
        return True
    if request.hint_sub is not None and request.hint_sub != session.sub:
        return True
    if request.max_age is None:
        return False
    # 0 asks always (OpenID Connect Core §3.1.2.1: the same as prompt=login), even within the same clock tick.
    return request.max_age == 0 or now - session.auth_time > timedelta(seconds=request.max_age)


def next_step(
    attempt: SigninAttempt,
    session: LiveSession | None,
    consented: bool,
    now: datetime,
    *,
    fresh_for: timedelta = timedelta(minutes=10),
) -> Step:
    """The next step of `attempt`, for a browser whose live session is `session`.

    `attempt.decision` is the policy's word on what `weigh` found, None where nothing counts. `consented`: whether
    nothing is left to ask the person for (all of it remembered, or a first-party application). Only who began to sign
    in within `fresh_for` may add a factor (S29).
    """
    request = attempt.request
    if request is not None and request.essential_acr and set(KNOWN_ACR).isdisjoint(request.essential_acr):
        return _UNMET_ACR
    evidence = weigh(attempt, session, now)
    if request is not None and "none" in request.prompt:
        # Nobody is there to ask, so what may be put off is put off.
        return _without_a_page(_step_for(replace(attempt, put_off=True), evidence, consented, may_enrol=True))
    may_enrol = any(proof.method in PRIMARY and now - proof.at <= fresh_for for proof in evidence.proofs)
    return _step_for(attempt, evidence, consented, may_enrol=may_enrol)


def _step_for(attempt: SigninAttempt, evidence: Evidence, consented: bool, *, may_enrol: bool) -> Step:
    request, session, decision = attempt.request, evidence.session, attempt.decision
    if not evidence.methods or decision is None:
        return SignIn()
    if request is not None and session is not None and request.hint_sub not in (None, session.sub):
        return _OTHER_PERSON
    if decision.effect is not Effect.ALLOW:
        return _denied(attempt, session, decision)
    for obligation in decision.obligations:
        match obligation.kind:
            case "prove":
                return Prove(obligation.methods)
            case "enrol":
                return Enrol(obligation.methods, may_put_off=False) if may_enrol else SignIn()
            # Once a sign-in, not again at every application that the session opens.
            case "offer" if session is not None and attempt.proofs and not attempt.put_off and may_enrol:
                return Enrol(obligation.methods, may_put_off=True)
    if session is None:
        # What was demanded when the proofs were given has vanished since: they begin anew.
        return SignIn()
    if request is not None and not _has_consented(attempt, session, request, consented):
        return Consent()
    return Issue()


def _denied(attempt: SigninAttempt, session: LiveSession | None, decision: Decision) -> Step:
    if session is not None and attempt.session_id != session.id and _AT_RISK & set(decision.reasons):
        # The session's score, not this browser's of now: whoever signs in again is looked at again (S24).
        return SignIn()
    return next((_REFUSALS[reason] for reason in decision.reasons if reason in _REFUSALS), _DENIED)


def _has_consented(attempt: SigninAttempt, session: LiveSession, request: AuthorizeRequest, consented: bool) -> bool:
    if attempt.consented and attempt.session_id == session.id and attempt.person_id == session.person_id:
        return True
    return consented and "consent" not in request.prompt


def _without_a_page(step: Step) -> Step:
    match step:
        case SignIn() | Prove():
            return _NOT_SIGNED_IN
        case Enrol():
            return _NOT_ENROLLED
        case Consent():
            return _NOT_CONSENTED
        case Issue() | Refuse():
            return step
