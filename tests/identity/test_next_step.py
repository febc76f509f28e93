"""The rule that says what comes next in a sign-in, without any I/O."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.signin import next_step as rule
from identity.signin.next_step import weigh
from identity.signin.state import Consent, Enrol, Issue, Prove, Refuse, SignIn, Step
from identity.values import AuthorizeRequest, LiveSession, Proof, SigninAttempt
from policy.assurance import AAL1, AAL2, AAL3, PHR, met_by
from policy.values import Decision, Effect, SigninFacts, SigninRules
from tests.signin_policy import decide

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)
PLAIN = AuthorizeRequest(
    client_id="cli_1", redirect_uri="https://app.example/cb", response_mode="query", scope=("openid",), audience="api"
)
SESSION = LiveSession(b"s" * 16, b"p" * 16, "sub-1", AN_HOUR_AGO, (Proof("pwd", AN_HOUR_AGO),))


def attempt_for(request: AuthorizeRequest | None, **parts: object) -> SigninAttempt:
    attempt = SigninAttempt(b"a" * 16, NOW, NOW + timedelta(minutes=30), request)
    return replace(attempt, **parts)  # type: ignore[arg-type]


def proven(attempt: SigninAttempt, session: LiveSession = SESSION) -> SigninAttempt:
    """The attempt after its person signed in within it."""
    return replace(attempt, person_id=session.person_id, session_id=session.id, proofs=(Proof("pwd", NOW),))


def next_step(
    attempt: SigninAttempt,
    session: LiveSession | None,
    consented: bool,
    now: datetime,
    *,
    factors: frozenset[str] = frozenset({"pwd"}),
    rules: SigninRules = SigninRules(),  # noqa: B008 - frozen
    overdue: bool = False,
) -> Step:
    """The rule, with the built-in policy's word on what counts."""
    methods = weigh(attempt, session, now).methods
    if attempt.decision is None and methods:
        asked = attempt.request.essential_acr or attempt.request.acr_values if attempt.request else ()
        facts = SigninFacts("active", methods, factors, asked_acr=asked, is_overdue=overdue)
        attempt = replace(attempt, decision=decide(facts, rules))
    return rule.next_step(attempt, session, consented, now)


def name_of(step: Step) -> str:
    return step.error if isinstance(step, Refuse) else type(step).__name__


ASKED = {
    "nothing special": ({}, True, "Issue"),
    "not all is allowed yet": ({}, False, "Consent"),
    "prompt=login": ({"prompt": ("login",)}, True, "SignIn"),
    "prompt=select_account": ({"prompt": ("select_account",)}, True, "SignIn"),
    "prompt=consent": ({"prompt": ("consent",)}, True, "Consent"),
    "prompt=login consent": ({"prompt": ("login", "consent")}, True, "SignIn"),
    "prompt=none": ({"prompt": ("none",)}, True, "Issue"),
    "prompt=none, not all is allowed": ({"prompt": ("none",)}, False, "consent_required"),
    "max_age that has passed": ({"max_age": 3599}, True, "SignIn"),
    "max_age that has just not passed": ({"max_age": 3600}, True, "Issue"),
    "max_age=0": ({"max_age": 0}, True, "SignIn"),
    "max_age=0 and prompt=none": ({"max_age": 0, "prompt": ("none",)}, True, "login_required"),
    "a hint for this person": ({"hint_sub": "sub-1"}, True, "Issue"),
    "a hint for another person": ({"hint_sub": "sub-2"}, True, "SignIn"),
    "a hint for another person and prompt=none": ({"hint_sub": "sub-2", "prompt": ("none",)}, True, "login_required"),
    "an essential acr that is met": ({"essential_acr": (AAL1,)}, True, "Issue"),
    "an essential acr that nobody can meet": ({"essential_acr": (AAL3,)}, True, "unmet_authentication_requirements"),
    "an essential acr that is unknown": ({"essential_acr": ("gold",)}, True, "unmet_authentication_requirements"),
    "one of two essential acrs": ({"essential_acr": (AAL2, AAL1)}, True, "Issue"),
    # Who signed in an hour ago must prove themselves before they may add what is missing (S29).
    "an acr for which a factor is missing": ({"acr_values": (AAL2,)}, True, "SignIn"),
    "an acr for which a factor is missing, and prompt=none": (
        {"acr_values": (AAL2,), "prompt": ("none",)},
        True,
        "interaction_required",
    ),
    "an acr that is unknown": ({"acr_values": ("gold",)}, True, "Issue"),
}


@pytest.mark.parametrize(("asked", "consented", "expected"), ASKED.values(), ids=ASKED.keys())
def test_what_an_application_asks_of_somebody_signed_in_an_hour_ago(
    asked: dict[str, object], consented: bool, expected: str
) -> None:
    """OpenID Connect Core §3.1.2.1: prompt, max_age, id_token_hint, acr."""
    request = replace(PLAIN, **asked)  # type: ignore[arg-type]
    assert name_of(next_step(attempt_for(request), SESSION, consented, NOW)) == expected


NOT_SIGNED_IN = {
    "nothing special": ({}, "SignIn"),
    "prompt=none": ({"prompt": ("none",)}, "login_required"),
    "prompt=consent": ({"prompt": ("consent",)}, "SignIn"),
    "a hint": ({"hint_sub": "sub-1"}, "SignIn"),
    "an essential acr that can be met": ({"essential_acr": (AAL1,)}, "SignIn"),
    "an essential acr that is unknown": ({"essential_acr": ("gold",)}, "unmet_authentication_requirements"),
}


@pytest.mark.parametrize(("asked", "expected"), NOT_SIGNED_IN.values(), ids=NOT_SIGNED_IN.keys())
def test_what_an_application_asks_of_somebody_who_is_not_signed_in(asked: dict[str, object], expected: str) -> None:
    request = replace(PLAIN, **asked)  # type: ignore[arg-type]
    assert name_of(next_step(attempt_for(request), None, False, NOW)) == expected


@pytest.mark.parametrize("asked", [{"prompt": ("login",)}, {"prompt": ("select_account",)}, {"max_age": 0}])
def test_signing_in_again_is_asked_for_exactly_once(asked: dict[str, object]) -> None:
    attempt = attempt_for(replace(PLAIN, **asked))  # type: ignore[arg-type]
    assert next_step(attempt, SESSION, True, NOW) == SignIn()
    assert next_step(proven(attempt), SESSION, True, NOW + timedelta(minutes=5)) == Issue()


def test_a_proof_counts_only_under_the_session_that_it_made() -> None:
    """S17: when another person signed in meanwhile in another tab, the attempt begins anew."""
    attempt = proven(attempt_for(replace(PLAIN, prompt=("login",))))
    somebody_else = replace(SESSION, id=b"t" * 16, person_id=b"q" * 16, sub="sub-2")
    assert next_step(attempt, somebody_else, True, NOW) == SignIn()
    allowed = replace(attempt, consented=True)
    assert next_step(replace(allowed, request=PLAIN), somebody_else, False, NOW) == Consent()


def test_signing_in_as_another_person_than_the_hint_names_is_refused() -> None:
    attempt = proven(attempt_for(replace(PLAIN, hint_sub="sub-2")))
    step = next_step(attempt, SESSION, True, NOW)
    assert isinstance(step, Refuse)
    assert step.error == "login_required"
    assert "id_token_hint" in step.description


def test_allowing_within_the_attempt_answers_prompt_consent() -> None:
    attempt = replace(proven(attempt_for(replace(PLAIN, prompt=("consent",)))), consented=True)
    assert next_step(attempt, SESSION, True, NOW) == Issue()


def test_a_decision_against_the_sign_in_ends_it() -> None:
    denied = Decision(Effect.DENY, reasons=("risk",))
    step = next_step(proven(attempt_for(PLAIN, decision=denied)), SESSION, True, NOW)
    assert name_of(step) == "access_denied"


def test_without_an_application_a_session_is_all_there_is_to_reach() -> None:
    assert next_step(attempt_for(None), None, False, NOW) == SignIn()
    assert next_step(attempt_for(None), SESSION, False, NOW) == Issue()


requests = st.builds(
    replace,
    st.just(PLAIN),
    prompt=st.lists(st.sampled_from(["login", "consent", "select_account"]), unique=True).map(tuple)
    | st.just(("none",)),
    max_age=st.none() | st.sampled_from([0, 1, 3600, 10_000]),
    hint_sub=st.none() | st.sampled_from(["sub-1", "sub-2"]),
    essential_acr=st.sampled_from([(), (AAL1,), (AAL2,), (AAL2, AAL1)]),
)
sessions = st.none() | st.builds(
    replace,
    st.just(SESSION),
    auth_time=st.integers(0, 20_000).map(lambda seconds: NOW - timedelta(seconds=seconds)),
)


@given(requests, sessions, st.booleans())
def test_prompt_none_never_shows_a_page(
    request: AuthorizeRequest, session: LiveSession | None, consented: bool
) -> None:
    silent = replace(request, prompt=("none",))
    step = next_step(attempt_for(silent), session, consented, NOW)
    assert isinstance(step, Issue | Refuse)


FACTORS = [frozenset({"pwd"}), frozenset({"pwd", "totp"}), frozenset({"pwd", "totp", "passkey", "backup_code"})]


@dataclass
class Walk:
    """A person who does as the pages say, one step at a time."""

    attempt: SigninAttempt
    session: LiveSession | None
    consented: bool
    factors: frozenset[str]
    rules: SigninRules
    overdue: bool
    seen: list[type[Step]] = field(default_factory=list)

    def step(self) -> Step:
        """What comes next."""
        step = next_step(
            self.attempt,
            self.session,
            self.consented,
            NOW,
            factors=self.factors,
            rules=self.rules,
            overdue=self.overdue,
        )
        self.seen.append(type(step))
        return step

    def prove(self, method: str) -> None:
        """A proof; the session begins, or goes on, when nothing is left to demand."""
        pending = () if method == "pwd" else weigh(self.attempt, self.session, NOW).proofs
        made = (*pending, Proof(method, NOW))
        request = self.attempt.request
        asked = request.essential_acr or request.acr_values if request else ()
        methods = frozenset(proof.method for proof in made)
        facts = SigninFacts("active", methods, self.factors, asked_acr=asked, is_overdue=self.overdue)
        left = decide(facts, self.rules)
        self.attempt = replace(self.attempt, person_id=SESSION.person_id, proofs=made, session_id=None, decision=None)
        if all(obligation.kind == "offer" for obligation in left.obligations):
            self.session = replace(SESSION, auth_time=NOW, proofs=made)
            self.attempt = replace(self.attempt, session_id=self.session.id)

    def do(self, step: Step) -> bool:
        """Does what the step asks; False where it asks for nothing."""
        match step:
            case SignIn():
                self.prove("pwd")
            case Prove(methods):
                self.prove(methods[0])
            case Enrol(may_put_off=True):
                self.attempt = replace(self.attempt, put_off=True)
            case Enrol(methods):
                self.factors |= {methods[-1]}
                self.prove(methods[-1])
            case Consent():
                assert self.session is not None
                owner = {"person_id": self.session.person_id, "session_id": self.session.id}
                self.attempt = replace(self.attempt, consented=True, **owner)  # type: ignore[arg-type]
                self.consented = True
            case _:
                return False
        return True


walks = st.builds(
    Walk,
    requests.map(attempt_for),
    sessions,
    st.booleans(),
    st.sampled_from(FACTORS),
    st.builds(SigninRules, st.booleans()),
    st.booleans(),
)


@given(walks)
def test_every_flow_ends_and_issues_only_what_was_proven(walk: Walk) -> None:
    """S28: no combination asks twice, and nothing is issued without a session and all that was asked for."""
    step = walk.step()
    while len(walk.seen) < 8 and walk.do(step):
        step = walk.step()
    assert isinstance(step, Issue | Refuse), walk.seen
    assert walk.seen.count(SignIn) <= 1
    assert walk.seen.count(Consent) <= 1
    if isinstance(step, Refuse):
        return
    session, request = walk.session, walk.attempt.request
    assert session is not None
    assert request is not None
    assert walk.consented
    assert request.hint_sub in (None, session.sub)
    assert not request.essential_acr or met_by(session.methods) & set(request.essential_acr)
    assert walk.factors == {"pwd"} or AAL2 in met_by(session.methods)
    assert not (walk.rules.mfa_required and walk.overdue) or AAL2 in met_by(session.methods)
    if request.max_age is not None and SignIn not in walk.seen:
        assert NOW - session.auth_time <= timedelta(seconds=request.max_age)


def test_a_second_factor_is_asked_for_before_there_is_a_session() -> None:
    """S28: the password alone stays on the attempt."""
    attempt = replace(proven(attempt_for(PLAIN)), session_id=None)
    assert next_step(attempt, None, True, NOW, factors=FACTORS[1]) == Prove(("totp",))
    # Whoever else is signed in here changes nothing about it.
    other = replace(SESSION, id=b"t" * 16, person_id=b"q" * 16, sub="sub-2")
    assert next_step(attempt, other, True, NOW, factors=FACTORS[1]) == Prove(("totp",))


def test_a_factor_is_added_only_right_after_a_sign_in() -> None:
    """S29: a session left open is not enough to add one's own factor."""
    request = replace(PLAIN, acr_values=(PHR,))
    assert next_step(attempt_for(request), SESSION, True, NOW) == SignIn()
    attempt = replace(proven(attempt_for(request)), session_id=None)
    assert next_step(attempt, SESSION, True, NOW) == Enrol(("passkey",), may_put_off=False)


def test_who_has_a_second_factor_proves_it_before_adding_another() -> None:
    """S29: a stolen password is not enough to add a passkey of one's own."""
    attempt = replace(proven(attempt_for(replace(PLAIN, acr_values=(PHR,)))), session_id=None)
    assert next_step(attempt, None, True, NOW, factors=FACTORS[1]) == Prove(("totp",))


def test_an_enrolment_can_be_put_off_until_it_is_overdue() -> None:
    rules = SigninRules(mfa_required=True)
    fresh = replace(SESSION, auth_time=NOW, proofs=(Proof("pwd", NOW),))
    attempt = proven(attempt_for(PLAIN))
    assert next_step(attempt, fresh, True, NOW, rules=rules) == Enrol(("passkey", "totp"), may_put_off=True)
    assert next_step(replace(attempt, put_off=True), fresh, True, NOW, rules=rules) == Issue()
    late = next_step(replace(attempt, put_off=True), fresh, True, NOW, rules=rules, overdue=True)
    assert late == Enrol(("passkey", "totp"), may_put_off=False)


def test_a_remembered_browser_is_no_second_factor_for_an_application_that_asks() -> None:
    """S28: it stands in for the deployment's own wish only."""
    proofs = (Proof("pwd", NOW), Proof("device", NOW))
    session = replace(SESSION, auth_time=NOW, proofs=proofs)
    assert next_step(attempt_for(PLAIN), session, True, NOW, factors=FACTORS[1]) == Issue()
    asked = attempt_for(replace(PLAIN, acr_values=(AAL2,)))
    assert next_step(asked, session, True, NOW, factors=FACTORS[1]) == Prove(("totp",))


def test_the_rule_is_free_of_io() -> None:
    """Neither web nor database nor HTTP client is loaded with it, also not through another module."""
    forbidden = ("starlette", "sqlalchemy", "redis", "httpx2")
    program = f"import sys, identity.signin.next_step; print([name for name in {forbidden} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
