"""What proven methods amount to."""

import pytest

from policy.assurance import AAL1, AAL2, AAL3, PHR, acr_of, amr_of, met_by

LEVELS = {
    "pwd": {AAL1},
    "pwd totp": {AAL1, AAL2},
    "pwd backup_code": {AAL1, AAL2},
    # Neither a mailed code nor a remembered browser is a second factor (NIST SP 800-63B-4 §3.1.3.1).
    "pwd mail_code": {AAL1},
    "pwd device": {AAL1},
    "pwd device mail_code": {AAL1},
    "totp": set(),
    "totp backup_code": set(),
    "passkey": {AAL1, AAL2, PHR},
    "passkey_bound": {AAL1, AAL2, PHR},
    "passkey_attested": {AAL1, AAL2, AAL3, PHR},
    "pwd passkey": {AAL1, AAL2, PHR},
    "": set(),
}


@pytest.mark.parametrize(("methods", "met"), LEVELS.items())
def test_the_levels_that_methods_reach(methods: str, met: set[str]) -> None:
    """S28: `acr` states what really happened."""
    assert met_by(frozenset(methods.split())) == met


@pytest.mark.parametrize(
    ("methods", "wanted", "acr"),
    [
        ("pwd", (), AAL1),
        ("pwd totp", (), AAL2),
        ("passkey", (), AAL2),
        ("passkey", (PHR,), PHR),
        ("passkey_attested", (), AAL3),
        ("pwd totp", (AAL1,), AAL1),
        ("pwd totp", (PHR, AAL2), AAL2),
        ("pwd", (AAL2, "gold"), AAL1),
    ],
)
def test_a_token_states_the_wanted_class_that_was_met_or_else_the_highest_level(
    methods: str, wanted: tuple[str, ...], acr: str
) -> None:
    assert acr_of(frozenset(methods.split()), wanted) == acr


@pytest.mark.parametrize(
    ("methods", "names"),
    [
        ("pwd", ["pwd"]),
        ("pwd totp", ["mfa", "otp", "pwd"]),
        ("pwd backup_code", ["mfa", "otp", "pwd"]),
        ("pwd mail_code", ["mca", "pwd"]),
        ("pwd device", ["pwd"]),
        ("passkey", ["mfa", "swk", "user"]),
        ("passkey_bound", ["mfa", "swk", "user"]),
        ("passkey_attested", ["hwk", "mfa", "user"]),
    ],
)
def test_methods_are_told_by_their_registered_names(methods: str, names: list[str]) -> None:
    """RFC 8176 §2"""
    assert amr_of(frozenset(methods.split())) == names
