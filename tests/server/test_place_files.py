"""The operator's files of places and addresses: settings, doctor, metrics, and a running server (F9)."""

import json
import re
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from risk.places.geography import Geography
from server.cli import main
from server.doctor_places import check_places
from server.metrics import Metrics
from server.places import begin_places, edge_headers, list_paths, make_geography
from server.settings import Settings, SettingsRefused, load_settings
from tests.risk.place_records import ISTANBUL, write_cities, write_networks
from tests.server.process import environment, get, ports, serving

# When the writer of test files says that they were made.
BUILT_AT = datetime.fromtimestamp(1_790_000_000, UTC)


def load(tmp_path: Path, **values: str) -> Settings:
    """The settings of an environment."""
    environ = {f"OSTIARY_{name}": value for name, value in values.items()}
    environ |= {"OSTIARY_SECRETS_DIR": "/nonexistent", "OSTIARY_DATA_DIR": str(tmp_path / "var")}
    return load_settings(environ=environ).settings


def faults_of(tmp_path: Path, **values: str) -> tuple[str, ...]:
    """The sentences with which an environment is refused."""
    with pytest.raises(SettingsRefused) as refused:
        load(tmp_path, **values)
    return refused.value.faults


def test_files_lists_and_headers_are_set_by_name(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        GEOIP_CITY="/data/city v4.mmdb, /data/city-v6.mmdb",
        GEOIP_ASN="/data/asn.mmdb",
        RISK__LIST_TOR="/data/tor.txt",
        RISK__LIST_BLOCKED="/data/blocked.txt",
        TRUSTED_PROXIES="10.0.0.0/8",
        RISK__COUNTRY_HEADER="CF-IPCountry",
    )
    assert settings.geoip_city == (Path("/data/city v4.mmdb"), Path("/data/city-v6.mmdb"))
    assert list_paths(settings) == {"tor": Path("/data/tor.txt"), "blocked": Path("/data/blocked.txt")}
    names = edge_headers(settings)
    assert names is not None
    assert (names.country, names.city) == (b"cf-ipcountry", None)
    plain = load(tmp_path)
    assert (plain.risk.notice, plain.risk.step_up, plain.risk.strong) == (30, 60, 90)
    assert edge_headers(plain) is None
    assert make_geography(plain).files == ()


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        (
            {"RISK__NOTICE": "60"},
            ["OSTIARY_RISK__NOTICE: expected less than OSTIARY_RISK__STEP_UP (60), not 60"],
        ),
        (
            {"RISK__STEP_UP": "95"},
            ["OSTIARY_RISK__STEP_UP: expected less than OSTIARY_RISK__STRONG (90), not 95"],
        ),
        (
            {"RISK__NOTICE": "90", "RISK__STEP_UP": "50", "RISK__STRONG": "10"},
            [
                "OSTIARY_RISK__NOTICE: expected less than OSTIARY_RISK__STEP_UP (50), not 90",
                "OSTIARY_RISK__STEP_UP: expected less than OSTIARY_RISK__STRONG (10), not 50",
            ],
        ),
        (
            {"RISK__STRONG": "101"},
            ["OSTIARY_RISK__STRONG: input should be less than or equal to 100"],
        ),
        (
            {"RISK__COUNTRY_HEADER": "CF-IPCountry"},
            ["OSTIARY_RISK__COUNTRY_HEADER: expected OSTIARY_TRUSTED_PROXIES too, whose header it is"],
        ),
        (
            {"RISK__TLS_HEADER": "X-JA4"},
            ["OSTIARY_RISK__TLS_HEADER: expected OSTIARY_TRUSTED_PROXIES too, whose header it is"],
        ),
        (
            {"RISK__CITY_HEADER": "CF-IPCity", "TRUSTED_PROXIES": "10.0.0.0/8"},
            ["OSTIARY_RISK__CITY_HEADER: expected OSTIARY_RISK__COUNTRY_HEADER too"],
        ),
        (
            {"RISK__COUNTRY_HEADER": "CF IPCountry:", "TRUSTED_PROXIES": "10.0.0.0/8"},
            ["OSTIARY_RISK__COUNTRY_HEADER: expected a header's name, such as CF-IPCountry"],
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused_by_name(
    tmp_path: Path, values: dict[str, str], faults: list[str]
) -> None:
    """S34"""
    assert list(faults_of(tmp_path, **values)) == faults


def found(settings: Settings, *, days: int = 1) -> list[tuple[bool, str]]:
    """What doctor finds some days after the files were made."""
    return list(check_places(settings, BUILT_AT + timedelta(days=days)))


def test_doctor_names_what_each_file_is(tmp_path: Path) -> None:
    city, asn, tor = write_cities(tmp_path / "c.mmdb"), write_networks(tmp_path / "a.mmdb"), tmp_path / "tor.txt"
    tor.write_text("198.51.100.7\n203.0.113.0/24\n")
    settings = load(tmp_path, GEOIP_CITY=str(city), GEOIP_ASN=str(asn), RISK__LIST_TOR=str(tor))
    assert found(settings) == [
        (True, f"{city} is 'GeoLite2-City' of 2026-09-21"),
        (True, f"{asn} is 'GeoLite2-ASN' of 2026-09-21"),
        (True, f"{tor} has 2 entries"),
    ]
    assert found(settings, days=181)[0] == (
        False,
        f"{city} was made 181 days ago, and addresses move: get a new one (OSTIARY_GEOIP_CITY)",
    )
    assert found(load(tmp_path)) == [
        (True, "no database of places is set: cities and distances stay unknown; set OSTIARY_GEOIP_CITY")
    ]


def test_doctor_says_of_each_bad_file_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    """S35, F9"""
    short, second, lines = tmp_path / "short.mmdb", tmp_path / "missing.mmdb", tmp_path / "blocked.txt"
    short.write_bytes(write_cities(tmp_path / "c.mmdb").read_bytes()[:-100])
    lines.write_text("198.51.100.7\n198.51.100.300\n")
    settings = load(tmp_path, GEOIP_CITY=f"{short},{second}", RISK__LIST_BLOCKED=str(lines))
    put = "put a good file there, or take OSTIARY_GEOIP_CITY back; no restart is needed"
    assert found(settings) == [
        (False, f"{short} is not a whole MaxMind DB file (InvalidDatabaseError): {put}"),
        (False, f"{second} cannot be read (No such file or directory): {put}"),
        (
            False,
            f"{lines} has lines that are left out (line 2: expected an address, a network such as 203.0.113.0/24,"
            " or AS64500); its other 1 count: correct it (OSTIARY_RISK__LIST_BLOCKED)",
        ),
    ]


def test_the_command_tells_them_as_problems(tmp_path: Path) -> None:
    environ = environment(tmp_path, **ports(OSTIARY_GEOIP_CITY=str(tmp_path / "missing.mmdb")))
    result = CliRunner().invoke(main, ["doctor", "--json"], env=environ)
    assert result.exit_code == 1
    wrong = {each["check"]: each["words"] for each in json.loads(result.stdout)["checks"] if not each["ok"]}
    assert list(wrong) == ["places"]
    assert "no restart is needed" in wrong["places"]


def test_metrics_tell_each_file_and_notice_a_change_by_themselves(tmp_path: Path) -> None:
    """F9"""
    metrics, path = Metrics(), tmp_path / "city.mmdb"
    known = Geography([path], lists={"tor": tmp_path / "tor.txt"}, look_every_s=0)
    begin_places(metrics, known)
    assert 'ostiary_place_file_good{file="city"} 0.0' in metrics.text().decode()
    write_cities(path)
    told = wait_for(metrics.text, 'ostiary_place_file_good{file="city"} 1.0')
    assert 'ostiary_place_file_good{file="list_tor"} 0.0' in told
    assert 'ostiary_place_file_versions_total{file="city"} 1.0' in told
    assert 'ostiary_place_file_refusals_total{file="city"} 1.0' in told
    assert known.place_of(ISTANBUL).city == "Istanbul"


def wait_for(read: Callable[[], bytes], line: str) -> str:
    """What is read as soon as it holds a line."""
    ends = time.monotonic() + 15
    while line not in (text := read().decode()):
        assert time.monotonic() < ends, f"not told within 15 seconds: {line}"
        time.sleep(0.05)
    return text


def test_a_server_starts_and_goes_on_whatever_happens_to_the_file(tmp_path: Path) -> None:
    """S35, F9"""
    path = tmp_path / "city.mmdb"
    environ = environment(tmp_path, **ports(OSTIARY_GEOIP_CITY=str(path)))
    with serving(environ) as (welcome, _):
        ops = f"http://{environ['OSTIARY_OPS_LISTEN']}"

        def metrics() -> bytes:
            with urllib.request.urlopen(f"{ops}/metrics", timeout=10) as answer:
                text: bytes = answer.read()
            return text

        for change, good in ((lambda: write_cities(path), 1), (lambda: path.write_bytes(b"x"), 0), (path.unlink, 0)):
            change()
            wait_for(metrics, f'ostiary_place_file_good{{file="city"}} {good}.0')
            assert get(f"{ops}/health/ready")[0] == 200
            assert get(welcome["discovery"])[0] == 200
    warned = re.findall(r'"message":"city: [^"]*"', (tmp_path / "server.log").read_text())
    assert len(warned) == 3, "missing, in use, damaged; that it went away after that is the same trouble"
