"""Token exchange: a service asks for a token in the place of one that it was given (RFC 8693).

The new one lives no longer, may do no more, names who acts, and rests on the same grant and session.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from audit.catalogue import TOKEN_ISSUED
from audit.record import Event
from base.ids import PERSON, show_id
from base.statements import Unit
from identity.client_values import TOKEN_EXCHANGE
from identity.exchanged_tokens import (
    MAX_TXN_CHARS,
    ExchangedToken,
    TokenTooLarge,
    application_of,
    mint_exchanged_access_token,
    mint_txn_token,
)
from identity.oauth.errors import OAuthError
from identity.oauth.exchange_checks import NOT_GOOD, Exchange, check_exchange
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from identity.oauth.person_claims import fit_for_tokens, load_memberships
from identity.oauth.person_tokens import issue_moment
from identity.oauth.token_request import TokenRequest
from identity.oauth.token_state import LiveAccessToken
from identity.policy_facts import load_service, load_subject
from identity.services import Services
from identity.tokens import Minted
from policy.exchange import ExchangeFacts, exchange_question
from policy.values import Entity

TXN_TTL = timedelta(seconds=60)


async def redeem(request: TokenRequest) -> dict[str, object]:
    """The token response for an exchange (RFC 8693 §2.2.1). Raises OAuthError."""
    exchange = await check_exchange(request)
    revision = await _ask_policy(request, exchange)
    minted = _mint(request, exchange, await _load_memberships(request, exchange))
    event = _issued(request, exchange, minted, policy_revision=revision)
    await request.services.database.write(Unit(rows=(await request.services.emitter.row(event, now=request.now),)))
    is_access = exchange.kind == "access_token"
    return {
        "access_token": minted.text,
        "issued_token_type": ACCESS_TOKEN if is_access else TXN_TOKEN,
        "token_type": "Bearer" if is_access else "N_A",
        "expires_in": minted.expires_in_s,
        "scope": " ".join(exchange.scopes),
    }


async def _ask_policy(request: TokenRequest, exchange: Exchange) -> int:
    """The revision of the policies that allow it; raises OAuthError `invalid_target` where they do not (§2.2.2)."""
    services, grant = request.services, exchange.subject.grant
    subject = await _find_subject(services, exchange.subject)
    caller = load_service(services.catalogue, request.client.client_id)
    reason = "subject or caller is gone"
    if subject is not None and caller is not None:
        facts = ExchangeFacts(
            caller=caller,
            application=application_of(exchange.subject.claims),
            audience=exchange.api.identifier,
            scopes=exchange.scopes,
            risk=grant.risk if grant else None,
            acr=exchange.acr,
            amr=tuple(grant.claims["amr"]) if grant else (),
            age_s=max(0, int((request.now - grant.auth_time).total_seconds())) if grant else 0,
        )
        answer = services.policies.engine.decide(exchange_question(subject, facts, request.now))
        if answer.is_allowed:
            return answer.revision
        reason = answer.error or ", ".join(answer.policies) or "by default"
    words = "the policies do not let this client have such a token for this API"
    raise OAuthError("invalid_target", words, reason=f"denied by policy: {reason}")


async def _find_subject(services: Services, subject: LiveAccessToken) -> Entity | None:
    """The person or service of the token, as policies see them now."""
    if subject.grant is None:
        return load_service(services.catalogue, subject.text("sub"))
    return await load_subject(services.database, subject.text("sub"), mail_code=services.settings.has_mail)


async def _load_memberships(request: TokenRequest, exchange: Exchange) -> Mapping[str, list[str]]:
    """The claims `roles` and `groups` as they are now, where the scope says so; a small token has roles where the old
    one was given for them."""
    grant = exchange.subject.grant
    wanted = exchange.scopes if exchange.kind == "access_token" else exchange.subject.scopes & {"roles"}
    if grant is None:
        return {}
    return fit_for_tokens(await load_memberships(request.services.database, grant.person_id, wanted))


def _mint(request: TokenRequest, exchange: Exchange, memberships: Mapping[str, list[str]]) -> Minted:
    """The token; a small one without roles where these would make it too large."""
    services = request.services
    issued_at, expires_at = _lifetime(request, exchange)
    token = ExchangedToken(
        issuer=services.settings.issuer,
        subject=exchange.subject.text("sub"),
        audience=exchange.api.identifier,
        scope=" ".join(exchange.scopes),
        application=application_of(exchange.subject.claims),
        requester=request.client.client_id,
        actors=exchange.actors,
        kept={**_kept(exchange), **memberships},
    )
    mint = mint_exchanged_access_token if exchange.kind == "access_token" else mint_txn_token
    signer = services.keys.signer("ES256")
    try:
        return mint(signer, token, issued_at=issued_at, expires_at=expires_at)
    except TokenTooLarge:
        if memberships:
            return _mint(request, exchange, {})
        words = f"the token would be larger than {MAX_TXN_CHARS} characters: ask for less scope"
        raise OAuthError("invalid_scope", words) from None


def _lifetime(request: TokenRequest, exchange: Exchange) -> tuple[datetime, datetime]:
    """From when until when it lives: never longer than what it stands for."""
    services, client = request.services, request.client
    # What it stands for was issued after everything that its owners had revoked; so is this one.
    own = issue_moment(request.now, client.not_before, services.catalogue.everyone_not_before)
    issued_at = max(own, *(token.issued_at for token in exchange.sources))
    ttl = TXN_TTL
    if exchange.kind == "access_token":
        ttl = exchange.api.token_ttl(client, services.settings.access_token_ttl)
    expires_at = min(issued_at + ttl, *(token.expires_at for token in exchange.sources))
    if expires_at - issued_at < timedelta(seconds=1):
        raise OAuthError("invalid_request", f"subject_token {NOT_GOOD}", reason="subject_token: about to end")
    return issued_at, expires_at


def _kept(exchange: Exchange) -> Mapping[str, object]:
    """What goes over as it is, and what is known of the person's session by now."""
    claims, grant = exchange.subject.claims, exchange.subject.grant
    kept = {name: claims[name] for name in ("grant", "sid", "auth_time") if name in claims}
    if grant is not None:
        kept |= {"acr": exchange.acr, "amr": grant.claims["amr"]}
        kept |= {} if grant.risk is None else {"risk": grant.risk}
    return kept


def _issued(request: TokenRequest, exchange: Exchange, minted: Minted, *, policy_revision: int) -> Event:
    subject, grant, client_id = exchange.subject, exchange.subject.grant, request.client.client_id
    data: dict[str, object] = {
        "grant_type": TOKEN_EXCHANGE,
        "kind": exchange.kind,
        "jti": minted.jti,
        "from_jti": subject.text("jti"),
        "scope": " ".join(exchange.scopes),
        "audience": exchange.api.identifier,
        "kid": minted.kid,
        "via": " ".join(exchange.actors),
    }
    if grant is not None:
        data["grant"] = subject.text("grant")
    return Event(
        type=TOKEN_ISSUED,
        actor=client_id,
        subject=show_id(PERSON, grant.person_id) if grant else subject.text("sub"),
        person=grant.person_id if grant else None,
        client_id=client_id,
        session_id=grant.session_id if grant else None,
        origin=request.origin,
        data=data,
        policy_revision=policy_revision,
    )
