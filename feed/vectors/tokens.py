"""What the log means for tokens, and what a late feed means for requests."""

from feed.vectors.log import CLIENT, GRANT, ISSUER, JTI, KEY_ID, OTHER_SESSION, PERSON, SESSION, SUSPENDED, T0

_KID = "es256-2026-11"


def bad_lines() -> list[dict[str, str]]:
    """Lines that are no entries, each with the reason in words."""
    good = '"kind":"grant","subject":"g","at":1,"expires":2'
    dated = '"subject":"s","at":1,"expires":2'
    cases = {
        "not JSON": "seq 1",
        "not an object": "[1]",
        "cut off": '{"seq":1,' + good,
        "no number": "{" + good + "}",
        "number 0": '{"seq":0,' + good + "}",
        "a number as text": '{"seq":"1",' + good + "}",
        "a number as true": '{"seq":true,' + good + "}",
        "no kind": '{"seq":1,"subject":"g","at":1,"expires":2}',
        "no subject": '{"seq":1,"kind":"grant","at":1,"expires":2}',
        "a subject that is a number": '{"seq":1,"kind":"grant","subject":5,"at":1,"expires":2}',
        "no `at`": '{"seq":1,"kind":"grant","subject":"g","expires":2}',
        "no `expires`": '{"seq":1,"kind":"grant","subject":"g","at":1}',
        "person without `not_before`": '{"seq":1,"kind":"person",' + dated + "}",
        "client without `not_before`": '{"seq":1,"kind":"client",' + dated + "}",
        "everyone without `not_before`": '{"seq":1,"kind":"everyone",' + dated + "}",
        "facts without `facts`": '{"seq":1,"kind":"facts",' + dated + "}",
        "suspended as text": '{"seq":1,"kind":"facts",' + dated + ',"facts":{"suspended":"yes"}}',
        "a risk above 100": '{"seq":1,"kind":"facts",' + dated + ',"facts":{"risk":101}}',
    }
    return [{"why": why, "line": line} for why, line in cases.items()]


def token_cases() -> list[dict[str, object]]:
    """Tokens against the log's first `after` entries: the kind that refuses each, or null, and newer facts."""
    return [
        _case("before anything was revoked", 0, None),
        _case("of nobody that the log speaks of", 12, None),
        _case("of the ended grant", 1, "grant", grant=GRANT),
        _case("revoked itself", 2, "token", jti=JTI),
        _case("before its revocation was known", 1, None, jti=JTI),
        _case("of the ended session", 3, "session", sid=SESSION),
        _case("of a person, issued in the very second of not-before", 4, "person", sub=PERSON, iat=T0),
        _case("of a person, issued earlier", 12, "person", sub=PERSON, iat=T0 - 1),
        _case("of a person, issued a second later", 12, None, sub=PERSON, iat=T0 + 1),
        _case("of a client, issued in the very second of not-before", 5, "client", client_id=CLIENT, iat=T0),
        _case("of a client, issued a second later", 5, None, client_id=CLIENT, iat=T0 + 1),
        _case("of a client's token, exchanged by another one", 5, "client", azp=CLIENT, iat=T0),
        _case("exchanged by a client", 5, "client", act={"sub": CLIENT}, iat=T0),
        _case("exchanged by a client before others did", 5, "client", act={"sub": "cli_1", "act": {"sub": CLIENT}}),
        _case("exchanged a second later", 5, None, azp=CLIENT, act={"sub": CLIENT}, iat=T0 + 1),
        _case("signed by the withdrawn key", 6, "key", kid=KEY_ID),
        _case("of a suspended person", 7, "facts", sub=SUSPENDED),
        _case("of a suspended person, issued after that", 11, "facts", sub=SUSPENDED, iat=T0 + 100),
        _case("of a person who is suspended no more", 12, None, sub=SUSPENDED),
        _case("with newer facts about its session", 8, None, sid=OTHER_SESSION, risk=85, acr="urn:ostiary:aal1"),
        _case("issued in the second of the facts", 8, None, sid=OTHER_SESSION, iat=T0),
        _case("issued after the facts", 8, None, sid=OTHER_SESSION, iat=T0 + 1, risk=10),
        _case("issued in the very second of everyone's not-before", 11, "everyone", iat=T0 - 3600),
        _case("issued a second after everyone's not-before", 11, None, iat=T0 - 3599),
    ]


def _case(
    name: str,
    after: int,
    refused_by: str | None,
    *,
    kid: str = _KID,
    risk: int | None = None,
    acr: str | None = None,
    **claims: object,
) -> dict[str, object]:
    own: dict[str, object] = {
        "iss": ISSUER,
        "sub": "0c0f6f2e6c3b4d11",
        "aud": "https://orders.example.com",
        "client_id": "cli_0199a3c14b2effff",
        "jti": "A1b2C3d4E5f6G7h8I9j0Kw",
        "grant": "grt_0199a3c14b2e7000800000000000ffff",
        "sid": "ses_0199a3c14b2e7000800000000000ffff",
        "iat": T0 - 60,
        "exp": T0 + 3600,
        "acr": "urn:ostiary:aal2",
        "risk": 10,
        **claims,
    }
    then = {"refused_by": refused_by}
    # What holds for the request: the token's own values, or the newer ones.
    effective = {"risk": own["risk"] if risk is None else risk, "acr": acr or own["acr"]}
    return {"name": name, "after": after, "kid": kid, "claims": own, "expect": {**then, **effective}}


def lease_cases() -> list[dict[str, object]]:
    """Own monotonic seconds, and what the lease is then. `up` and `boot` are a head's; it agreed with the follower."""
    here, there = "6f1e0a55c3d29b84", "aa00bb11cc22dd33"
    told: dict[str, list[dict[str, object]]] = {
        "lost before the first head": [_look(100.0, "lost")],
        "the first head counts from the question": [
            _ask(100.0), _heard(103.0, 5000, here), _look(104.9, "fresh"), _look(105.0, "stale"),
            _look(159.9, "stale"), _look(160.0, "lost"),
        ],
        "heads keep it fresh": [
            _ask(100.0), _heard(100.2, 5000, here), _heard(101.2, 6000, here), _look(105.9, "fresh"),
            _look(106.0, "stale"),
        ],
        "a head that was held up is as old as it is": [
            _ask(100.0), _heard(100.2, 5000, here), _heard(130.0, 6000, here), _look(130.0, "stale"),
            _look(161.0, "lost"),
        ],
        "a server's clock that runs fast makes nothing newer than its arrival": [
            _ask(100.0), _heard(100.2, 5000, here), _heard(101.2, 95_000, here), _look(106.1, "fresh"),
            _look(106.2, "stale"),
        ],
        "another process on the same connection cannot be measured": [
            _ask(100.0), _heard(100.2, 5000, here), _heard(104.0, 900_000, there), _look(105.0, "stale"),
        ],
        "a new connection measures anew": [
            _ask(100.0), _heard(100.2, 5000, here), _ask(110.0), _heard(110.1, 70, there), _look(114.9, "fresh"),
            _look(115.0, "stale"),
        ],
        "an old head on a new connection vouches for nothing": [
            _ask(100.0), _heard(100.2, 5000, here), _ask(110.0), _heard(110.1, 5000, here), _look(110.1, "stale"),
        ],
    }  # fmt: skip
    return [{"name": name, "steps": steps} for name, steps in told.items()]


def _ask(now: float) -> dict[str, object]:
    return {"do": "ask", "now": now}


def _heard(now: float, up: int, boot: str) -> dict[str, object]:
    return {"do": "head", "now": now, "up": up, "boot": boot}


def _look(now: float, state: str) -> dict[str, object]:
    return {"do": "look", "now": now, "expect": state}


def decisions() -> list[dict[str, object]]:
    """What is done with a token that is proven and that nothing known refuses."""
    found = []
    for sensitivity, state, runs_to_exp, with_introspection, without in (
        ("sensitive", "fresh", False, "accept", "accept"),
        ("sensitive", "stale", False, "introspect", "unavailable"),
        ("sensitive", "lost", False, "introspect", "unavailable"),
        ("ordinary", "fresh", False, "accept", "accept"),
        ("ordinary", "stale", False, "accept_and_introspect", "accept"),
        ("ordinary", "lost", False, "introspect", "unavailable"),
        ("low", "fresh", False, "accept", "accept"),
        ("low", "stale", False, "accept_and_introspect", "accept"),
        ("low", "lost", False, "introspect", "unavailable"),
        ("low", "stale", True, "accept", "accept"),
        ("low", "lost", True, "accept", "accept"),
        ("ordinary", "lost", True, "introspect", "unavailable"),
        ("sensitive", "stale", True, "introspect", "unavailable"),
    ):
        for can, action in ((True, with_introspection), (False, without)):
            asked = {"sensitivity": sensitivity, "state": state, "low_runs_to_exp": runs_to_exp}
            found.append({**asked, "can_introspect": can, "action": action})
    return found
