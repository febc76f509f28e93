"""Services believe the identity headers, so the gateway alone sets them, all of them, every time (S34, S42)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import AccessToken
from ostiary.gateway.identity_headers import (
    EMITTED,
    IDENTITY_HEADERS,
    NOBODY,
    Identities,
    emitted_headers,
    find_lookalike,
)

AT = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def token(sub: str = "usr_1", **claims: object) -> AccessToken:
    return AccessToken(
        iss="https://id.example.com",
        sub=sub,
        aud=("https://api.example.com",),
        exp=AT,
        iat=AT,
        jti="1",
        client_id="cli_app",
        scope=frozenset({"orders:read", "a"}),
        grant=None,
        sid="ses_1",
        auth_time=AT,
        acr="urn:ostiary:aal2",
        amr=("mfa", "pwd"),
        risk=7,
        cnf=None,
        claims=claims,
    )


def test_without_a_token_every_header_is_there_and_empty() -> None:
    """S42"""
    headers = dict(emitted_headers(NOBODY, request_id="r1"))
    assert set(headers) == set(EMITTED)
    assert {name: value for name, value in headers.items() if value} == {b"x-request-id": b"r1"}


def test_a_persons_token_fills_them() -> None:
    headers = dict(
        emitted_headers(
            Identities().of(token(roles=("clerk", "a,b"), groups=("acme/sales",))),
            request_id="r1",
            route="orders",
            service="order-processing",
            internal_token="aa.bb.cc",
            authorization=b"Bearer x",
        )
    )
    assert headers == {
        b"x-user-id": b"usr_1",
        b"x-user-roles": b"clerk,a%2Cb",
        b"x-user-groups": b"acme/sales",
        b"x-client-id": b"cli_app",
        b"x-scopes": b"a orders:read",
        b"x-acr": b"urn:ostiary:aal2",
        b"x-amr": b"mfa pwd",
        b"x-auth-time": str(int(AT.timestamp())).encode(),
        b"x-risk": b"7",
        b"x-session-id": b"ses_1",
        b"x-ostiary-route": b"orders",
        b"x-ostiary-service": b"order-processing",
        b"txn-token": b"aa.bb.cc",
        b"x-request-id": b"r1",
        b"authorization": b"Bearer x",
    }


def test_a_client_in_its_own_name_is_no_user() -> None:
    headers = dict(Identities().of(token(sub="cli_app")))
    assert headers[b"x-user-id"] == b""
    assert headers[b"x-client-id"] == b"cli_app"


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_no_name_breaks_out_of_its_header(sub: str, roles: list[str]) -> None:
    """CR, LF and everything beyond ASCII are percent-encoded. S46"""
    told = sub.encode("utf-8", "ignore").decode()
    for _, value in Identities().of(token(sub=told, roles=tuple(roles))):
        assert all(0x20 <= byte < 0x7F for byte in value)


@pytest.mark.parametrize("name", sorted({name for name in IDENTITY_HEADERS if b"-" in name}))
def test_a_name_with_underscores_is_known_for_what_it_imitates(name: bytes) -> None:
    """Many servers read X_User_Id as X-User-Id. S42"""
    first, _, rest = name.partition(b"-")
    assert find_lookalike([b"accept", name.replace(b"-", b"_")]) == name.replace(b"-", b"_")
    assert find_lookalike([first + b"_" + rest]) == first + b"_" + rest
    assert find_lookalike([name]) is None


@pytest.mark.parametrize("name", [b"x_forwarded_uri", b"x_original-uri", b"x-http_method-override", b"x_ostiary_x"])
def test_what_else_only_proxies_say_cannot_be_imitated(name: bytes) -> None:
    assert find_lookalike([name]) == name


def test_other_names_with_underscores_are_nobodys_concern() -> None:
    assert find_lookalike([b"x_my_header", b"accept", b"user_id"]) is None


def test_what_is_remembered_is_the_tokens_own() -> None:
    """Tokens of different people never share an identity, however many there are."""
    identities, tokens = Identities(size=3), [token(sub=f"usr_{number}") for number in range(10)]
    for _ in range(2):
        for number, each in enumerate(tokens):
            assert dict(identities.of(each))[b"x-user-id"] == f"usr_{number}".encode()
    assert identities.of(tokens[9]) is identities.of(tokens[9])
