"""The reader of the public columns: what real files look like, in any order, and what is wrong with a bad one."""

import os
import time
from pathlib import Path

import pytest

from risk.evaluation.columns import BadDataset, parse_time
from risk.evaluation.dataset import Row, survey
from risk.evaluation.sightings import browser_of
from tests.risk.evaluation.rows import LEAST, read, write

FULL = """\
,index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,\
Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover
0,0,2020-02-03 12:43:30.772,-4324475583306591935,,10.0.65.171,NO,-,-,29695,"Mozilla/5.0 (iPhone; CPU, 13_4)",\
Firefox 20.0.0.1618,iOS 13.4,mobile,False,False,False
1,1,2020-02-03 12:43:55.873,-3284137479262433373,412,81.167.144.58,NO,Vestland,Urangsvag,29695.0,Opera,\
Android 2.3.3.2672,iOS 7.1,,True,True,True
"""


def test_rows_of_the_public_data_set_are_read_as_they_stand_there(tmp_path: Path) -> None:
    path = tmp_path / "rba.csv"
    path.write_text(FULL, encoding="utf-8-sig")
    first, second = read(path)
    assert first == Row(
        at_s=1580733810.772,
        person="-4324475583306591935",
        address="10.0.65.171",
        network="10.0.65.0/24",
        succeeded=False,
        country="NO",
        asn=29695,
        user_agent="Mozilla/5.0 (iPhone; CPU, 13_4)",
        browser="Firefox 20.0.0.1618",
        system="iOS 13.4",
        kind="mobile",
    )
    assert (second.region, second.city, second.asn, second.kind) == ("Vestland", "Urangsvag", 29695, None)
    assert second.attacker == "takeover"


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_absent(tmp_path: Path) -> None:
    turned = dict(reversed(list(LEAST.items())))
    (found,) = read(write(tmp_path / "a.csv", [turned]))
    assert (found.person, found.address, found.succeeded) == ("-4324475583306591935", "81.167.144.58", True)
    assert (found.country, found.asn, found.user_agent, found.token, found.attacker) == (None,) * 5


def test_the_kind_of_attacker_stands_as_the_file_names_it_and_only_at_takeovers(tmp_path: Path) -> None:
    rows = [
        {**LEAST, "Attacker": "a kind of ours", "Is Account Takeover": "True", "Device Token": "t1"},
        {**LEAST, "Attacker": "", "Is Account Takeover": "True", "Device Token": "-"},
        {**LEAST, "Attacker": "naive", "Is Account Takeover": "False"},
    ]
    found = read(write(tmp_path / "a.csv", rows))
    assert [each.attacker for each in found] == ["a kind of ours", "takeover", None]
    assert [each.token for each in found] == ["t1", None, None]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2020-02-03 12:43:30.772", 1580733810.772),
        ("2020-02-03T12:43:30Z", 1580733810.0),
        ("2020-02-03 14:43:30+02:00", 1580733810.0),
        ("1580733810772", 1580733810.772),
        ("1580733810", 1580733810.0),
    ],
)
def test_times_are_read_in_every_form_that_files_have(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("Login Timestamp", "yesterday", "Login Timestamp: expected a time such as 2020-02-03 12:43:30.772, found"),
        ("Login Timestamp", "9" * 30, "Login Timestamp: expected a time"),
        ("IP Address", "300.1.2.3", "IP Address: expected an IP address, found '300.1.2.3'"),
        ("IP Address", "", "IP Address: expected an IP address, found ''"),
        ("ASN", "many", "ASN: expected a whole number, or nothing, found 'many'"),
        ("ASN", "inf", "ASN: expected a whole number"),
        ("Login Successful", "yes", "Login Successful: expected True or False, found 'yes'"),
        ("Is Account Takeover", "", "Is Account Takeover: expected True or False, found ''"),
        ("User ID", "", "User ID: expected somebody's id, found ''"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_row_and_column(
    tmp_path: Path, column: str, value: str, expected: str
) -> None:
    path = write(tmp_path / "a.csv", [{"ASN": "1", **LEAST}, {"ASN": "1", **LEAST, column: value}])
    with pytest.raises(BadDataset) as refused:
        survey(path)
    assert str(refused.value).startswith(f"row 3: {expected}")


def test_a_file_that_is_no_data_set_is_refused_in_words(tmp_path: Path) -> None:
    for content, expected in (
        (b"", "row 1: expected a line of column names; the file is empty"),
        (b"a,b\n1,2\n", "row 1: expected a line of column names with 'Login Timestamp', 'User ID', 'IP Address'"),
        (",".join(LEAST).encode() + b"\n", "row 2: expected at least one row below the column names"),
        (",".join(LEAST).encode() + b"\n1,2\n", "row 2: expected 5 cells as in row 1, found 2"),
        (",".join([*LEAST, "User ID"]).encode(), "row 1: the column 'User ID' stands there twice"),
        (b"\xff\xfe" + ",".join(LEAST).encode(), "row 1: expected comma-separated values in UTF-8"),
        (b"\x00,\x00\n", "row 1: expected"),
    ):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        with pytest.raises(BadDataset) as refused:
            survey(path)
        assert str(refused.value).startswith(expected)


def test_rows_out_of_order_are_sorted_in_pieces_and_rows_of_one_moment_keep_their_order(tmp_path: Path) -> None:
    hours = (5, 3, 3, 9, 1, 3, 7)
    rows = [
        {**LEAST, "Login Timestamp": f"2020-02-03 0{hour}:00:00", "User ID": f"u{place}"}
        for place, hour in enumerate(hours)
    ]
    path = write(tmp_path / "a.csv", rows)
    found = survey(path)
    assert (found.rows, found.is_sorted) == (7, False)
    for at_once in (1, 2, 3, 100):
        assert [each.person for each in read(path, at_once=at_once)] == ["u4", "u1", "u2", "u5", "u0", "u6", "u3"]


def test_a_file_in_order_is_known_as_one_and_its_reading_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [LEAST] * 2500)
    told: list[tuple[int, int]] = []
    found = survey(path, lambda done, whole: told.append((done, whole)))
    assert (found.rows, found.is_sorted, found.size) == (2500, True, path.stat().st_size)
    assert len(told) == 2
    assert all(0 < done <= whole == found.size for done, whole in told)


def test_networks_are_the_24_and_the_48_around_an_address(tmp_path: Path) -> None:
    rows = [{**LEAST, "IP Address": address} for address in ("198.51.100.9", "2001:db8:7:1::5", "::1")]
    found = read(write(tmp_path / "a.csv", rows))
    assert [each.network for each in found] == ["198.51.100.0/24", "2001:0db8:0007::/48", "0000:0000:0000::/48"]


def test_a_pipe_is_refused_since_it_cannot_be_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(BadDataset, match="expected a file that can be read twice, not a pipe"):
        survey(pipe)


def test_a_user_agent_of_64_kilobytes_and_every_letter_is_read_and_costs_little(tmp_path: Path) -> None:
    rows = [{**LEAST, "User Agent String": "Mozilla/5.0 (" * 5000}, {**LEAST, "User Agent String": "Ü\n,;" * 100}]
    long, odd = read(write(tmp_path / "a.csv", rows))
    assert (len(long.user_agent or ""), odd.user_agent) == (65_000, "Ü\n,;" * 100)
    began_s = time.process_time()
    assert browser_of(long) is not None
    assert time.process_time() - began_s < 0.5
