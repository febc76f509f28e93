"""Settings: order of sources, unknown names, every fault at once, and the values that are accepted."""

from pathlib import Path

import pytest

from server.setting_sources import variable
from server.setting_values import Address
from server.settings import SettingsRefused, known_paths, load_settings

NONE = Path("/nonexistent")


def load(environ: dict[str, str] | None = None, **command_line: object) -> object:
    """The settings of an environment without a secrets folder."""
    return load_settings(command_line, environ={"OSTIARY_SECRETS_DIR": str(NONE), **(environ or {})}).settings


def faults_of(environ: dict[str, str]) -> tuple[str, ...]:
    """The sentences with which an environment is refused."""
    with pytest.raises(SettingsRefused) as refused:
        load(environ)
    return refused.value.faults


def test_without_any_setting_the_documented_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={"OSTIARY_SECRETS_DIR": str(NONE)}).settings
    assert settings.issuer == "http://localhost:3201"
    assert settings.listen == (Address("127.0.0.1", 3201), Address("::1", 3201))
    assert settings.ops_listen == (Address("127.0.0.1", 3291),)
    assert settings.database == f"sqlite:///{tmp_path / 'var' / 'ostiary.db'}"
    told = settings.for_identity()
    assert (told.lockout_failures, told.lockout_duration.total_seconds()) == (5, 900)
    assert (told.session_idle.total_seconds(), told.session_absolute.total_seconds()) == (1800, 86400)
    assert told.access_token_ttl.total_seconds() == 300
    assert (told.refresh_idle.days, told.refresh_absolute.days, told.refresh_grace.seconds) == (14, 90, 10)
    assert told.password_min_length == 12


def test_a_nearer_source_wins_and_each_value_says_where_it_came_from(tmp_path: Path) -> None:
    toml = tmp_path / "ostiary.toml"
    toml.write_text('service_name = "of the file"\n[lockout]\nfailures = 2\nduration_s = 120\n[session]\nidle_s = 60\n')
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "ostiary_lockout__failures").write_text("3\n")
    (secrets / "OSTIARY_LOCKOUT__DURATION_S").write_text("130")
    environ = {"OSTIARY_SECRETS_DIR": str(secrets), "OSTIARY_LOCKOUT__DURATION_S": "140"}
    loaded = load_settings({"issuer": "https://cli.example"}, environ=environ, config=toml)
    settings = loaded.settings
    assert settings.issuer == "https://cli.example"
    assert (settings.lockout.failures, settings.lockout.duration_s) == (3, 140)
    assert (settings.session.idle_s, settings.service_name) == (60, "of the file")
    assert loaded.sources["issuer",] == "option --issuer"
    assert loaded.sources["lockout", "duration_s"] == "environment OSTIARY_LOCKOUT__DURATION_S"
    assert loaded.sources["lockout", "failures"].startswith("secret ")
    assert loaded.sources["session", "idle_s"] == f"file {toml}"


def test_the_settings_file_of_the_data_folder_is_read_without_being_named(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text("[password]\nmin_length = 15\n")
    settings = load_settings({"data_dir": str(tmp_path)}, environ={}).settings
    assert settings.password.min_length == 15


def test_a_variable_with_file_at_its_end_reads_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "redis"
    secret.write_text("redis://:hidden@localhost:6379/0\n")
    environ = {"OSTIARY_REDIS_URL_FILE": str(secret), "OSTIARY_SECRETS_DIR": str(NONE)}
    loaded = load_settings(environ=environ)
    assert loaded.settings.redis_url == "redis://:hidden@localhost:6379/0"
    assert loaded.sources["redis_url",] == "environment OSTIARY_REDIS_URL_FILE"


def test_a_variable_and_its_file_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a")
    environ = {"OSTIARY_SERVICE_NAME": "b", "OSTIARY_SERVICE_NAME_FILE": str(tmp_path / "x")}
    assert faults_of(environ) == (
        "OSTIARY_SERVICE_NAME and OSTIARY_SERVICE_NAME_FILE are both set: expected one of them",
    )


def test_every_fault_is_told_at_once_with_the_variable_and_what_was_expected() -> None:
    faults = faults_of(
        {
            "OSTIARY_ISSUR": "https://id.example.com",
            "OSTIARY_LOCKOUT__FALURES": "5",
            "OSTIARY_ISSUER": "https://id.example.com/",
            "OSTIARY_LISTEN": "localhost",
            "OSTIARY_LOCKOUT__FAILURES": "many",
            "OSTIARY_SESSION__IDLE_S": "0",
            "OSTIARY_PROFILE": "fapi",
            "OSTIARY_MASTER_KEY": "c2hvcnQ=",
            "OSTIARY_TRUSTED_PROXIES": "10.0.0.0/8, nonsense",
        }
    )
    assert set(faults) == {
        "OSTIARY_ISSUR is not a setting: did you mean OSTIARY_ISSUER?",
        "OSTIARY_LOCKOUT__FALURES is not a setting: did you mean OSTIARY_LOCKOUT__FAILURES?",
        "OSTIARY_ISSUER: expected no slash at the end",
        "OSTIARY_LISTEN: expected address:port, such as 127.0.0.1:3201 or [::1]:3201, not 'localhost'",
        "OSTIARY_LOCKOUT__FAILURES: input should be a valid integer, unable to parse string as an integer",
        "OSTIARY_SESSION__IDLE_S: input should be greater than or equal to 60",
        "OSTIARY_PROFILE: the profile fapi does not work yet; `standard`, `strict` and `pci` do",
        "OSTIARY_MASTER_KEY: a master key has 32 bytes, this one has 5",
        "OSTIARY_TRUSTED_PROXIES: expected networks such as 10.0.0.0/8 or fd00::/8, not 'nonsense'",
    }


def test_an_unknown_key_of_the_file_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text("[lockot]\nfailures = 3\n")
    with pytest.raises(SettingsRefused, match=r"lockot\.failures in .* did you mean lockout\.failures\?"):
        load_settings({"data_dir": str(tmp_path)}, environ={})


def test_a_named_file_that_is_missing_or_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="cannot be read"):
        load_settings(environ={}, config=tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(SettingsRefused, match="is not TOML"):
        load_settings(environ={}, config=tmp_path / "bad.toml")


def test_a_refused_secret_is_never_repeated() -> None:
    """S46"""
    environ = {"OSTIARY_MASTER_KEY": "canary-secret!", "OSTIARY_DATABASE_URL": "mysql://u:canary-secret!@h/d"}
    assert len(faults_of(environ)) == 2
    assert "canary" not in " ".join(faults_of(environ))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "postgresql://u:canary@h:canary/d"),
        ("DATABASE_URL", "postgresql://u:canary@h:99999/d"),
        ("DATABASE_URL", "postgresql://u:canary@[h/d"),
        ("REDIS_URL", "redis://:canary/x@h:6379/0"),
        ("REDIS_URL", "redis://:canary@h:canary/0"),
        ("REDIS_URL", "redis://:can[ary@h/0"),
        ("REDIS_URL", "redis://:canary@h?socket_timeout=canary"),
        ("REDIS_URL", "redis://:canary@h?canary=1"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_in_words_without_its_password(name: str, text: str) -> None:
    """S46"""
    (fault,) = faults_of({f"OSTIARY_{name}": text})
    expected = {"DATABASE_URL": "expected sqlite:///path or postgresql://", "REDIS_URL": "expected redis://host:6379/0"}
    assert fault.startswith(f"OSTIARY_{name}: {expected[name]}")
    assert "canary" not in fault


@pytest.mark.parametrize("text", ["redis://h", "rediss://u:p%2Fw@h:1/2?ssl_cert_reqs=none", "unix:///run/redis?db=1"])
def test_addresses_that_redis_can_be_reached_at_are_taken(text: str) -> None:
    assert load_settings(environ={"OSTIARY_REDIS_URL": text}).settings.redis_url == text


@pytest.mark.parametrize(
    "key",
    ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "c2VjcmV0", "YWJjZGVmYWJjZGVmYWJjZGVmYWJjZGVmYWJjZGVmYWI="],
)
def test_empty_short_and_patterned_master_keys_are_refused(key: str) -> None:
    """S40"""
    assert len(faults_of({"OSTIARY_MASTER_KEY": key})) == 1


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.com",
        "http://127.0.0.1:3201",
        "https://id.example.com/path",
        "https://id.example.com?x=1",
        "https://id.example.com#f",
        "https://user@id.example.com",
        "https://192.0.2.7",
        "https://ıd.example.com",
        "ftp://id.example.com",
        "id.example.com",
        "https://",
        "https://id.example.com:99999",
    ],
)
def test_an_issuer_that_others_could_not_trust_is_refused(issuer: str) -> None:
    faults = faults_of({"OSTIARY_ISSUER": issuer})
    assert len(faults) == 1
    assert faults[0].startswith("OSTIARY_ISSUER: ")


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://id.example.com", "https://id.example.com"),
        ("https://ID.example.com:443", "https://id.example.com"),
        ("https://id.example.com:8443", "https://id.example.com:8443"),
        ("http://localhost:4000", "http://localhost:4000"),
    ],
)
def test_an_issuer_is_kept_in_its_one_spelling(issuer: str, expected: str) -> None:
    assert load_settings(environ={"OSTIARY_ISSUER": issuer}).settings.issuer == expected


def test_the_issuer_follows_a_loopback_port_and_tls_unless_it_is_set() -> None:
    moved = load_settings(environ={"OSTIARY_LISTEN": "127.0.0.1:4000"}).settings
    assert moved.issuer == "http://localhost:4000"
    secured = {"OSTIARY_TLS_CERT": "c.pem", "OSTIARY_TLS_KEY": "k.pem"}
    assert load_settings(environ=secured).settings.issuer == "https://localhost:3201"


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert faults_of({"OSTIARY_TLS_CERT": "c.pem"}) == (
        "OSTIARY_TLS_CERT and OSTIARY_TLS_KEY go together: expected both or neither",
    )
    http = {"OSTIARY_TLS_CERT": "c", "OSTIARY_TLS_KEY": "k", "OSTIARY_ISSUER": "http://localhost:1"}
    assert "expected https" in faults_of(http)[0]
    assert "OSTIARY_SESSION__ABSOLUTE_S" in faults_of({"OSTIARY_SESSION__IDLE_S": "90000"})[0]
    assert "need OSTIARY_DATABASE_URL=postgresql://… and OSTIARY_REDIS_URL" in faults_of({"OSTIARY_WORKERS": "2"})[0]


def test_every_setting_has_a_sentence_and_its_own_variable() -> None:
    from server.commands.config import _described

    names = {variable(path): _described(path)["description"] for path in known_paths()}
    assert len(names) == len(known_paths())
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in names.values())


def test_a_profile_sets_what_nothing_else_sets() -> None:
    """S23: a PCI profile with 10 failures and 30 minutes; S20, S28: the strict one."""
    pci = load_settings(environ={"OSTIARY_PROFILE": "pci", "OSTIARY_SECRETS_DIR": str(NONE)})
    assert (pci.settings.lockout.failures, pci.settings.lockout.duration_s) == (10, 1800)
    assert pci.settings.mfa.required
    assert pci.sources["lockout", "failures"] == "the profile pci"
    environ = {"OSTIARY_PROFILE": "strict", "OSTIARY_PASSWORD__MIN_LENGTH": "20", "OSTIARY_SECRETS_DIR": str(NONE)}
    strict = load_settings(environ=environ).settings
    assert (strict.mfa.required, strict.mfa.grace_days, strict.mfa.remember_days) == (True, 0, 0)
    assert strict.password.min_length == 20


def test_a_mailed_code_is_no_second_factor_in_the_strict_profile() -> None:
    faults = faults_of({"OSTIARY_PROFILE": "strict", "OSTIARY_MFA__MAIL_CODE": "true"})
    assert faults == (
        "OSTIARY_MFA__MAIL_CODE: expected false in the profile strict: a mailed code is no second factor",
    )
