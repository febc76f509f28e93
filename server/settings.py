"""The settings: what exists, its default and its limits, and the one place that reads the environment.

Order: command line, environment (`OSTIARY_A__B`, `…_FILE`), secrets folder, TOML file, default. Every fault is
reported at once, each with the variable's name and what was expected; an unknown name is a fault.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError

from audit.settings import AuditSettings
from base.errors import NotReady
from identity.settings import IdentitySettings
from policy.values import RiskThresholds, SigninRules
from server.setting_conflicts import alert_conflicts, risk_conflicts, siem_conflicts
from server.setting_groups import (
    AccessToken,
    Account,
    Alert,
    Audit,
    BackupCodes,
    Group,
    Keys,
    Lockout,
    Log,
    Mail,
    Mfa,
    Networks,
    Outbound,
    Passkey,
    Password,
    Paths,
    Rate,
    Refresh,
    Registration,
    Report,
    Risk,
    Session,
    Siem,
    Totp,
)
from server.setting_profiles import PROFILES, check_profile
from server.setting_sources import (
    Found,
    SettingPath,
    from_command_line,
    from_environment,
    from_secrets_folder,
    from_toml,
    variable,
)
from server.setting_values import (
    Address,
    check_database_url,
    check_redis_url,
    check_smtp_url,
    parse_address,
    parse_issuer,
    parse_master_key,
    read_certificates,
    read_items,
)

SECRETS = frozenset(
    {
        ("master_key",),
        ("database_url",),
        ("redis_url",),
        ("smtp_url",),
        ("alert", "webhook_url"),
        ("alert", "webhook_secret"),
        ("alert", "slack_url"),
        ("alert", "pagerduty_key"),
    }
)


class SettingsRefused(NotReady):
    """Settings that cannot be used; `faults` has one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text")
    return value


def _smtp_url(value: object) -> str:
    return check_smtp_url(_text(value))


Issuer = Annotated[str, BeforeValidator(lambda value: parse_issuer(_text(value)))]
Addresses = Annotated[
    tuple[Address, ...], BeforeValidator(lambda value: tuple(parse_address(item) for item in read_items(value)))
]
MasterKeys = Annotated[
    tuple[bytes, ...], BeforeValidator(lambda value: tuple(parse_master_key(item) for item in read_items(value)))
]
DatabaseUrl = Annotated[str, BeforeValidator(lambda value: check_database_url(_text(value)))]
RedisUrl = Annotated[str, BeforeValidator(lambda value: check_redis_url(_text(value)))]
SmtpUrl = Annotated[str, BeforeValidator(_smtp_url)]


class Settings(Group):
    """Everything that can be set."""

    issuer: Issuer = Field(default="http://localhost:3201", description="The address people and applications use.")
    service_name: str = Field(default="Ostiary", min_length=1, max_length=64, description="The name on pages.")
    listen: Addresses = Field(
        default=(Address("127.0.0.1", 3201), Address("::1", 3201)),
        description="Addresses to listen on, with commas between.",
    )
    ops_listen: Addresses = Field(default=(Address("127.0.0.1", 3291),), description="Where health and metrics answer.")
    data_dir: Path = Field(default=Path("var"), description="The folder for the embedded database and its master key.")
    database_url: DatabaseUrl | None = Field(
        default=None, description="sqlite:///path or postgresql://…; default: embedded."
    )
    redis_url: RedisUrl | None = Field(default=None, description="redis://host:6379/0; needed by several processes.")
    master_key: MasterKeys = Field(default=(), description="Base64 of 32 random bytes; a list, newest first.")
    tls_cert: Path | None = Field(default=None, description="The certificate chain (PEM), read again when it changes.")
    tls_key: Path | None = Field(default=None, description="The certificate's private key (PEM).")
    trusted_proxies: Networks = Field(default=(), description="Networks whose X-Forwarded-For counts.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Server processes; more than one needs PostgreSQL and Redis."
    )
    profile: Annotated[Literal["standard", "strict", "pci"], BeforeValidator(check_profile)] = Field(
        default="standard", description="The set of defaults and limits: standard, strict or pci."
    )
    demo: Literal["auto", "on", "off"] = Field(default="auto", description="The demo at /demo; auto: on loopback only.")
    lockout: Lockout = Lockout()
    session: Session = Session()
    access_token: AccessToken = AccessToken()
    refresh: Refresh = Refresh()
    smtp_url: SmtpUrl | None = Field(default=None, description="smtp://user:password@host:587, or smtps://… (TLS).")
    mail: Mail = Mail()
    password: Password = Password()
    mfa: Mfa = Mfa()
    totp: Totp = Totp()
    backup_codes: BackupCodes = BackupCodes()
    passkey: Passkey = Passkey()
    registration: Registration = Registration()
    account: Account = Account()
    keys: Keys = Keys()
    rate: Rate = Rate()
    log: Log = Log()
    outbound: Outbound = Outbound()
    geoip_city: Paths = Field(default=(), description="MaxMind DB files of cities or countries, with commas between.")
    geoip_asn: Paths = Field(default=(), description="MaxMind DB files of autonomous systems, with commas between.")
    risk: Risk = Risk()
    audit: Audit = Audit()
    alert: Alert = Alert()
    siem: Siem = Siem()
    report: Report = Report()

    @property
    def database(self) -> str:
        """The database's address, the embedded one's where none is set."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'ostiary.db').absolute()}"

    @property
    def database_file(self) -> Path:
        """The file of an SQLite database."""
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def has_demo(self) -> bool:
        """Whether the demo is served."""
        # A loopback address behind a public proxy is public, and the issuer says so.
        is_local = urlsplit(self.issuer).hostname == "localhost" and all(item.is_loopback for item in self.listen)
        return self.demo == "on" or (self.demo == "auto" and is_local)

    @property
    def has_mail(self) -> bool:
        """Whether letters leave: to a mail server, or to the demo's page."""
        return self.smtp_url is not None or (self.has_demo and urlsplit(self.issuer).hostname == "localhost")

    def signin_rules(self) -> SigninRules:
        """What the policies of sign-in are told."""
        risk = RiskThresholds(self.risk.notice, self.risk.step_up, self.risk.strong)
        return SigninRules(mfa_required=self.mfa.required, mail_code=self.mfa.mail_code, risk=risk)

    def for_identity(self) -> IdentitySettings:
        """What the identity rooms are told."""
        return IdentitySettings(
            issuer=self.issuer,
            service_name=self.service_name,
            lockout_failures=self.lockout.failures,
            lockout_duration=timedelta(seconds=self.lockout.duration_s),
            address_attempts=self.rate.per_address,
            network_attempts=self.rate.per_network,
            session_idle=timedelta(seconds=self.session.idle_s),
            session_absolute=timedelta(seconds=self.session.absolute_s),
            access_token_ttl=timedelta(seconds=self.access_token.ttl_s),
            refresh_idle=timedelta(seconds=self.refresh.idle_s),
            refresh_absolute=timedelta(seconds=self.refresh.absolute_s),
            refresh_grace=timedelta(seconds=self.refresh.grace_s),
            key_publish_before=timedelta(seconds=self.keys.publish_s),
            key_cache=timedelta(seconds=self.keys.cache_s),
            password_min_length=self.password.min_length,
            session_keep=timedelta(seconds=self.session.keep_s),
            session_most=self.session.most,
            backup_codes=self.backup_codes.count,
            totp_algorithm=self.totp.algorithm,
            totp_digits=self.totp.digits,
            remember_device=timedelta(days=self.mfa.remember_days),
            enrol_grace=timedelta(days=self.mfa.grace_days),
            attestation_roots=read_certificates(self.passkey.attestation_roots),
            open_registration=self.registration.open,
            has_mail=self.has_mail,
            delete_grace=timedelta(days=self.account.delete_grace_days),
            risk_thresholds=self.signin_rules().risk,
        )

    def for_audit(self) -> AuditSettings:
        """What the audit rooms are told."""
        told = self.audit
        return AuditSettings(
            issuer=self.issuer,
            service_name=self.service_name,
            retention=timedelta(days=told.retention_days) if told.retention_days else None,
            max_events=told.max_events,
            archive_dir=told.archive_dir,
            checkpoint_file=told.checkpoint_file or self.data_dir / "checkpoints.txt",
            checkpoint_dir=told.checkpoint_dir,
            checkpoint_url=told.checkpoint_url,
            checkpoint_every=timedelta(seconds=told.checkpoint_every_s),
            erasure_journal=told.erasure_journal or self.data_dir / "erasures.journal",
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each one that was set came from."""

    settings: Settings
    sources: Mapping[SettingPath, str]


def known_paths() -> frozenset[SettingPath]:
    """The path of every setting."""
    paths: set[SettingPath] = set()
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Group):
            paths |= {(name, inner) for inner in kind.model_fields}
        else:
            paths.add((name,))
    return frozenset(paths)


def load_settings(
    command_line: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Loaded:
    """The settings from all sources; raises SettingsRefused with every fault."""
    environ = os.environ if environ is None else environ
    known, faults = known_paths(), list[str]()
    above = from_secrets_folder(Path(environ.get("OSTIARY_SECRETS_DIR", "/run/secrets")), known, faults)
    above |= from_environment(environ, known, faults)
    above |= from_command_line(command_line or {})
    file = _settings_file(config, environ, above)
    found = (from_toml(file, known, faults) if file else {}) | above
    _follow_listen(found)
    _follow_profile(found)
    try:
        settings = Settings.model_validate(_nested(found))
    except ValidationError as error:
        raise SettingsRefused(faults + _told(error)) from None
    faults += _conflicts(settings)
    if faults:
        raise SettingsRefused(faults)
    return Loaded(settings, {path: value.source for path, value in found.items()})


def _settings_file(config: Path | None, environ: Mapping[str, str], above: Mapping[SettingPath, Found]) -> Path | None:
    named = config or (Path(environ["OSTIARY_CONFIG"]) if environ.get("OSTIARY_CONFIG") else None)
    if named:
        return named
    data_dir = above.get(("data_dir",))
    usual = Path(str(data_dir.value) if data_dir else "var") / "ostiary.toml"
    return usual if usual.is_file() else None


def _follow_listen(found: dict[SettingPath, Found]) -> None:
    """Without an issuer, the one that fits a loopback address and TLS: another port is then one setting, not two."""
    scheme = "https" if ("tls_cert",) in found else "http"
    listen = found.get(("listen",))
    try:
        first = parse_address(read_items(listen.value)[0]) if listen else Address("127.0.0.1", 3201)
    except (ValueError, IndexError):
        return
    if ("issuer",) not in found and first.is_loopback and (listen or scheme == "https"):
        found["issuer",] = Found(f"{scheme}://localhost:{first.port}", "follows OSTIARY_LISTEN and OSTIARY_TLS_CERT")


def _follow_profile(found: dict[SettingPath, Found]) -> None:
    named = found.get(("profile",))
    name = str(named.value) if named else "standard"
    for path, value in PROFILES.get(name, {}).items():
        found.setdefault(path, Found(value, f"the profile {name}"))


def _nested(found: Mapping[SettingPath, Found]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for path, value in found.items():
        level = tree
        for name in path[:-1]:
            level = level.setdefault(name, {})  # type: ignore[assignment]
        level[path[-1]] = value.value
    return tree


def _told(error: ValidationError) -> list[str]:
    """Each fault with its variable. The input is left out: it may be a secret."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in fault["loc"] if isinstance(part, str))[:2]
        known = path if path in known_paths() else path[:1]
        words = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{variable(known)}: {words[:1].lower()}{words[1:]}")
    return faults


def _conflicts(settings: Settings) -> list[str]:
    faults = []
    if (settings.tls_cert is None) != (settings.tls_key is None):
        faults.append("OSTIARY_TLS_CERT and OSTIARY_TLS_KEY go together: expected both or neither")
    if settings.tls_cert and not settings.issuer.startswith("https://"):
        faults.append(f"OSTIARY_ISSUER: expected https, since OSTIARY_TLS_CERT is set, not {settings.issuer}")
    if settings.refresh.idle_s > settings.refresh.absolute_s:
        faults.append("OSTIARY_REFRESH__IDLE_S: expected no more than OSTIARY_REFRESH__ABSOLUTE_S")
    if settings.session.idle_s > settings.session.absolute_s:
        faults.append("OSTIARY_SESSION__IDLE_S: expected no more than OSTIARY_SESSION__ABSOLUTE_S")
    faults += _factor_conflicts(settings)
    faults += alert_conflicts(settings.alert, settings.outbound, has_mail_server=settings.smtp_url is not None)
    faults += siem_conflicts(settings.siem)
    faults += risk_conflicts(settings.risk, has_proxies=bool(settings.trusted_proxies))
    if not settings.listen:
        faults.append("OSTIARY_LISTEN: expected at least one address")
    if settings.workers > 1 and not (settings.redis_url and settings.database.startswith("postgres")):
        faults.append(
            "OSTIARY_WORKERS: several processes need OSTIARY_DATABASE_URL=postgresql://… and OSTIARY_REDIS_URL;"
            " set both, or use 1 worker"
        )
    return faults


def _factor_conflicts(settings: Settings) -> list[str]:
    faults = []
    if settings.profile == "strict" and settings.mfa.mail_code:
        faults.append("OSTIARY_MFA__MAIL_CODE: expected false in the profile strict: a mailed code is no second factor")
    if settings.smtp_url is not None and settings.mail.sender is None:
        faults.append("OSTIARY_MAIL__SENDER: expected the letters' address, since OSTIARY_SMTP_URL is set")
    if settings.report.email is not None and not settings.has_mail:
        faults.append("OSTIARY_REPORT__EMAIL: expected OSTIARY_SMTP_URL too, by which its letters leave")
    roots = settings.passkey.attestation_roots
    if roots is not None:
        try:
            read_certificates(roots)
        except (OSError, ValueError) as error:
            faults.append(f"OSTIARY_PASSKEY__ATTESTATION_ROOTS: expected a file of PEM certificates: {error}")
    return faults
