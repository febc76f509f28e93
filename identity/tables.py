"""Who: people and what proves them, devices, sessions, grants, applications and APIs.

`version` counts changes of a row for `ETag` and `If-Match`; every statement that changes the row raises it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from base.tables import Digest, Id, Instant, JsonText, metadata


def _owner(target: str, *, nullable: bool = False, name: str = "person_id") -> Column[bytes]:
    return Column(name, Id, ForeignKey(f"{target}.id", ondelete="CASCADE"), nullable=nullable)


people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sub", String(64), nullable=False, unique=True),
    Column("username", String(64)),
    Column("username_key", String(128), unique=True),
    Column("state", String(16), nullable=False),
    Column("is_admin", Boolean, nullable=False),
    # Standard claims (OpenID Connect Core §5.1), the mail address apart.
    Column("profile", JsonText, nullable=False),
    # Tokens issued at or before this second are refused.
    Column("not_before", Instant),
    # Until then a second factor may be put off; set when one was first demanded.
    Column("enrol_due_at", Instant),
    # The person asked for the account to be deleted then.
    Column("delete_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Index(None, "delete_at"),
)

emails = Table(
    "emails",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("people"),
    Column("address", String(254), nullable=False),
    Column("address_key", String(254), nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("verified_at", Instant),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("person_id", "address_key"),
    # A verified address belongs to one person; anyone may claim an unverified one.
    Index(
        "uq_emails_verified",
        "address_key",
        unique=True,
        sqlite_where=text("verified_at IS NOT NULL"),
        postgresql_where=text("verified_at IS NOT NULL"),
    ),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("people"),
    Column("kind", String(16), nullable=False),
    Column("label", String(64)),
    # A password hash as text, or a sealed secret.
    Column("hash", Text),
    Column("sealed", LargeBinary),
    Column("external_id", LargeBinary, unique=True),
    Column("attributes", JsonText, nullable=False),
    Column("backup_eligible", Boolean),
    Column("backup_state", Boolean),
    Column("sign_count", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("version", Integer, nullable=False),
    Index(None, "person_id", "kind"),
    Index(
        "uq_credentials_password",
        "person_id",
        unique=True,
        sqlite_where=text("kind = 'password'"),
        postgresql_where=text("kind = 'password'"),
    ),
)

# The codes of a credential of kind `backup_codes`: each works once, and goes with its set.
backup_codes = Table(
    "backup_codes",
    metadata,
    Column("digest", Digest, primary_key=True),
    _owner("credentials", name="credential_id"),
    Column("used_at", Instant),
    Index(None, "credential_id"),
)

external_identities = Table(
    "external_identities",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("people"),
    Column("issuer", String(512), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    UniqueConstraint("issuer", "subject"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("people"),
    Column("cookie_digest", Digest, nullable=False),
    # The cookie before this one, which a lost answer may have left behind, and one that was handed out and never seen.
    Column("previous_digest", Digest),
    Column("stray_digest", Digest),
    Column("rotated_at", Instant),
    Column("label", String(128), nullable=False),
    # What its person calls it.
    Column("name", String(64)),
    # What it looked like when it was last seen (`identity.device_looks`), sealed.
    Column("looks", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("trusted_until", Instant),
    Column("revoked_at", Instant),
    Column("version", Integer, nullable=False),
    UniqueConstraint("person_id", "cookie_digest"),
    Index(None, "cookie_digest"),
    Index(None, "previous_digest"),
    Index(None, "stray_digest"),
)

# Failures counted against a key: a person at large, a person at a known device, an address, a network.
lockouts = Table(
    "lockouts",
    metadata,
    Column("key", Digest, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("until", Instant),
    # A count over a long time, which is kept that long.
    Column("kept_until", Instant),
    Index(None, "first_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", Digest, nullable=False, unique=True),
    _owner("people"),
    Column("device_id", Id, ForeignKey("devices.id", ondelete="SET NULL")),
    Column("auth_time", Instant, nullable=False),
    Column("assessment", JsonText),
    # The score of `assessment`, and how the session looked when it began and when it was last seen, sealed.
    Column("risk", SmallInteger),
    Column("seen", LargeBinary),
    # "Keep me signed in": the longer limits, and a cookie that outlives the browser.
    Column("keep", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("idle_expires_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_why", String(32)),
    Index(None, "person_id", "ended_at"),
    Index(None, "expires_at"),
)

# What really happened to prove the person: `acr` and `amr` are derived from these rows.
session_proofs = Table(
    "session_proofs",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("sessions", name="session_id"),
    Column("method", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "session_id"),
)

session_clients = Table(
    "session_clients",
    metadata,
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("first_at", Instant, nullable=False),
)

# One sign-in under way, bound to the browser that began it by the digest of its flow cookie.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", Digest, nullable=False, unique=True),
    Column("request", JsonText),
    _owner("people", nullable=True),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE")),
    Column("proofs", JsonText, nullable=False),
    Column("assessment", JsonText),
    Column("decision", JsonText),
    Column("consented", Boolean, nullable=False),
    # A page of ours that wanted a fresh sign-in, by its name; only without a request.
    Column("destination", String(32)),
    Column("put_off", Boolean, nullable=False, server_default=text("false")),
    Column("keep", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("version", Integer, nullable=False),
    Index(None, "expires_at"),
)

apis = Table(
    "apis",
    metadata,
    Column("id", Id, primary_key=True),
    Column("identifier", String(512), nullable=False, unique=True),
    Column("name", String(128), nullable=False),
    # {scope: description}
    Column("scopes", JsonText, nullable=False),
    # {scope: acr that whoever is given it must have met}
    Column("scope_acr", JsonText, nullable=False, server_default=text("'{}'")),
    Column("access_token_ttl_s", Integer),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("auth_method", String(32), nullable=False),
    Column("grants", JsonText, nullable=False),
    Column("redirect_uris", JsonText, nullable=False),
    Column("post_logout_redirect_uris", JsonText, nullable=False),
    Column("origins", JsonText, nullable=False),
    # Standard and server scopes the client may ask for.
    Column("scopes", JsonText, nullable=False),
    # {API identifier: [scopes]}; the first is the default.
    Column("apis", JsonText, nullable=False),
    Column("first_party", Boolean, nullable=False),
    Column("require_pkce", Boolean, nullable=False),
    Column("rotate_refresh", Boolean, nullable=False),
    Column("id_token_alg", String(8), nullable=False),
    Column("required_acr", String(32)),
    # {notice, step_up, strong}: scores of its own from which something follows.
    Column("risk_thresholds", JsonText),
    Column("access_token_ttl_s", Integer),
    Column("disabled_at", Instant),
    Column("not_before", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False),
    Column("digest", Digest, nullable=False, unique=True),
    Column("hint", String(8), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Index(None, "client_id"),
)

# What a person allowed an application, one row a scope; `audience` is empty for standard scopes.
consents = Table(
    "consents",
    metadata,
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("audience", String(512), primary_key=True),
    Column("scope", String(128), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

# One authorization given by one person to one client. Its refresh family is the counter in this row: token n is
# derived from `refresh_key` and n, so no token is stored and every older one is recognised.
grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    _owner("people"),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="SET NULL")),
    # With `offline_access` a grant outlives its session.
    Column("offline", Boolean, nullable=False),
    Column("scope", Text, nullable=False),
    Column("audience", String(512), nullable=False),
    # Requested claims, nonce, acr and amr of the authentication: what the ID token says again at each refresh.
    Column("claims", JsonText, nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_why", String(32)),
    Column("refresh_key", LargeBinary),
    Column("refresh_number", Integer),
    Column("refreshed_at", Instant),
    Column("refresh_idle_expires_at", Instant),
    Column("refresh_expires_at", Instant),
    Index(None, "person_id", "client_id"),
    Index(None, "session_id"),
)

# Every single-use thing: authorization codes, links. The digest of the text is the key, `used_at` the gate.
single_use = Table(
    "single_use",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("kind", String(16), nullable=False),
    _owner("people", nullable=True),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE")),
    Column("grant_id", Id, ForeignKey("grants.id", ondelete="CASCADE")),
    Column("payload", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Index(None, "expires_at"),
    Index(None, "person_id", "kind"),
)

# Access tokens revoked one by one, until they would have expired anyway.
revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False),
    Index(None, "expires_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("alg", String(8), nullable=False),
    Column("state", String(8), nullable=False),
    Column("public_jwk", JsonText, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("active_at", Instant),
    Column("retired_at", Instant),
    Column("revoked_at", Instant),
    Index(None, "state", "alg"),
)
