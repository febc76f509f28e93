"""What proven methods amount to: authentication context classes, after NIST SP 800-63B-4 §2.

Methods are ours: `pwd` a password, `totp` a code of an authenticator app, `backup_code`, `mail_code`, `recovery` a
password chosen a moment ago behind a mailed link, `device` a browser that was remembered after a second factor, and
three kinds of passkey, each with the person verified: `passkey` may be copied between devices, `passkey_bound` may not,
`passkey_attested` may not and its maker vouches for it.
"""

AAL1 = "urn:ostiary:aal1"
AAL2 = "urn:ostiary:aal2"
AAL3 = "urn:ostiary:aal3"
# Phishing-resistant (OpenID Connect Extended Authentication Profile ACR Values §2).
PHR = "phr"
KNOWN_ACR = (AAL1, AAL2, AAL3, PHR)

PASSKEYS = frozenset({"passkey", "passkey_bound", "passkey_attested"})
# What a person adds to be asked for; who has one has a second factor.
STRONG = PASSKEYS | {"totp"}
# Proofs that make two factors of a password. A mailed code is none (§3.1.3.1), nor is a browser that was remembered.
SECOND_FACTORS = STRONG | {"backup_code"}


def met_by(methods: frozenset[str]) -> frozenset[str]:
    """The classes that these methods reach together."""
    met: set[str] = set()
    if methods & (PASSKEYS | {"pwd"}):
        met.add(AAL1)
    if methods & PASSKEYS:
        met |= {AAL2, PHR}
    if "pwd" in methods and methods & SECOND_FACTORS:
        met.add(AAL2)
    if "passkey_attested" in methods:
        met.add(AAL3)
    return frozenset(met)


def acr_of(methods: frozenset[str], wanted: tuple[str, ...] = ()) -> str:
    """The class that a token states: the first wanted one that was met, else the highest level."""
    met = met_by(methods)
    return next((acr for acr in wanted if acr in met), max(met & {AAL1, AAL2, AAL3}, default=AAL1))


# RFC 8176 §2.
_AMR = {
    "pwd": ("pwd",),
    "totp": ("otp",),
    "backup_code": ("otp",),
    "mail_code": ("mca",),
    # The mailbox was proven, but before this sign-in.
    "recovery": (),
    "device": (),
    "passkey": ("swk", "user"),
    # That it cannot be copied is its own word, unless its maker vouches for it.
    "passkey_bound": ("swk", "user"),
    "passkey_attested": ("hwk", "user"),
}


def amr_of(methods: frozenset[str]) -> list[str]:
    """The methods by their registered names (RFC 8176), with `mfa` where they were several factors."""
    names = {name for method in methods for name in _AMR[method]}
    if AAL2 in met_by(methods):
        names.add("mfa")
    return sorted(names)
