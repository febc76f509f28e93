"""Guards made of a guard: `but` may ask for more, and never loses what was asked before."""

from __future__ import annotations

import pytest

from ostiary import Sensitivity, Verifier
from ostiary.fastapi import RequireToken
from ostiary.step_up import AAL2, AAL3, NeededAuthentication
from ostiary.testing import FakeIssuer


@pytest.mark.parametrize(
    ("changed", "acr", "max_age_s"),
    [
        ({"sensitivity": Sensitivity.SENSITIVE}, (AAL2,), 300),
        ({"acr": AAL3}, (AAL3,), 300),
        ({"max_age_s": 0}, (AAL2,), 0),
        ({"acr": (AAL3,), "max_age_s": 60}, (AAL3,), 60),
    ],
)
def test_a_guard_made_of_another_keeps_what_is_not_named(
    changed: dict[str, object], acr: tuple[str, ...], max_age_s: int
) -> None:
    """I6: a careful route that forgot the second factor would fail open."""
    issuer = FakeIssuer()
    whole = RequireToken(Verifier(issuer.issuer, "a"), issuer.issuer, scopes=["read"], acr=AAL2, max_age_s=300)
    needs = whole.but(**changed)._rules.needs  # type: ignore[arg-type]
    assert needs.scopes == ("read",)
    assert needs.authentication == NeededAuthentication(acr, max_age_s)
