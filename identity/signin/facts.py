"""What the policy is told about a sign-in; pure but for the catalogue in memory."""

from datetime import datetime

from identity.services import Services
from identity.signin.destinations import WANT_FRESH
from identity.signin.next_step import Evidence
from identity.values import AuthorizeRequest, LiveSession, SigninAttempt, Standing
from policy.assurance import AAL2, STRONG
from policy.values import SigninFacts
from risk.values import Assessment


def facts_of(
    services: Services, attempt: SigninAttempt, standing: Standing, evidence: Evidence, now: datetime
) -> SigninFacts:
    """The facts of a sign-in in which `evidence` counts."""
    request, methods = attempt.request, evidence.methods
    client = services.catalogue.find_client(request.client_id) if request else None
    assessed = _assessment_of(attempt, evidence.session)
    asked = request.essential_acr or request.acr_values if request else ()
    due = standing.enrol_due_at
    return SigninFacts(
        person_state=standing.state,
        methods=methods,
        factors=standing.factors,
        is_admin=standing.is_admin,
        client_id=request.client_id if request else None,
        required_acr=_required_acr(services, attempt, standing),
        asked_acr=asked,
        is_overdue=not services.settings.enrol_grace or (due is not None and due <= now),
        risk_score=_score_of(assessed, evidence.session),
        thresholds=client.risk_thresholds if client else None,
        refusal=assessed.refusal if assessed else None,
        person=standing.sub,
        memberships=standing.memberships,
        risk_reasons=tuple(reason.signal for reason in assessed.reasons if reason.points) if assessed else (),
        age_s=_age_s(evidence, now),
        is_first_party=client.first_party if client else None,
        scopes=request.scope if request else (),
        at=now,
        whence=attempt.whence,
        knows_device=any(reason.signal == "device_known" for reason in assessed.reasons) if assessed else None,
    )


def _age_s(evidence: Evidence, now: datetime) -> int:
    """How long ago the sign-in was that counts; what has not led to a session is as old as its first proof."""
    session, proofs = evidence.session, evidence.proofs
    began = session.auth_time if session else min((proof.at for proof in proofs), default=now)
    return max(0, int((now - began).total_seconds()))


def _score_of(assessed: Assessment | None, session: LiveSession | None) -> int | None:
    if assessed is not None:
        return assessed.score
    return session.risk if session else None


def _assessment_of(attempt: SigninAttempt, session: LiveSession | None) -> Assessment | None:
    """What was assessed within this attempt, where it is about what counts now; a session knows its own score."""
    return attempt.assessment if session is None or attempt.session_id == session.id else None


def _required_acr(services: Services, attempt: SigninAttempt, standing: Standing) -> tuple[str, ...]:
    if attempt.request is not None:
        return required_acr(services, attempt.request)
    # A page of ours wants fresh proof: where there is a second factor, a remembered browser is not one (S29).
    return (AAL2,) if attempt.destination in WANT_FRESH and standing.factors & STRONG else ()


def required_acr(services: Services, request: AuthorizeRequest) -> tuple[str, ...]:
    """What the application, and each scope that it asks for, must see met."""
    client, api = services.catalogue.find_client(request.client_id), services.catalogue.find_api(request.audience)
    needed = [client.required_acr if client else None]
    needed += [api.scope_acr.get(scope) for scope in request.scope] if api else []
    return tuple(dict.fromkeys(acr for acr in needed if acr is not None))


def is_outdated(evidence: Evidence, standing: Standing) -> bool:
    """Whether proofs that have not led to a session yet were given before everything was revoked, or before the
    password changed."""
    if evidence.session is not None or standing.valid_from is None:
        return False
    return any(proof.at < standing.valid_from for proof in evidence.proofs)
