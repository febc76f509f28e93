"""Made-up worlds: the same for a seed, different between seeds, and hanging together."""

import csv
import io
import subprocess
import sys
from collections import defaultdict
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from statistics import median

import pytest

from risk.browsers import parse_user_agent
from risk.evaluation import columns
from risk.evaluation.dataset import network_of, read_rows, survey
from risk.evaluation.simulate.attackers import KINDS
from risk.evaluation.simulate.lands import EGRESS, HOSTING, LANDS
from risk.evaluation.simulate.parameters import Parameters
from risk.evaluation.simulate.world import World, make_world
from risk.evaluation.writing import write_rows

PEOPLE, DAYS, TAKEOVERS = 60, 120, 20


def small(seed: int) -> World:
    """A world that is made in a tenth of a second."""
    return make_world(seed, people=PEOPLE, days=DAYS, takeovers=TAKEOVERS)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """Six small worlds."""
    return [small(seed) for seed in range(6)]


def test_a_seed_is_one_world_in_every_process(worlds: list[World]) -> None:
    assert small(3).rows == worlds[3].rows
    program = (
        "from risk.evaluation.simulate.world import make_world;"
        f"rows = make_world(3, people={PEOPLE}, days={DAYS}, takeovers={TAKEOVERS}).rows;"
        "from hashlib import sha256; print(sha256(repr(rows).encode()).hexdigest())"
    )
    for seed in ("0", "12345"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == sha256(repr(worlds[3].rows).encode()).hexdigest()


def test_every_seed_draws_its_own_rates(worlds: list[World]) -> None:
    for each in fields(Parameters):
        drawn = {getattr(world.parameters, each.name) for world in worlds}
        assert len(drawn) > 1, each.name
    assert len({len(world.rows) for world in worlds}) == len(worlds)


def test_a_world_is_read_back_from_its_file_as_it_was_made(worlds: list[World], tmp_path: Path) -> None:
    for number, world in enumerate(worlds):
        path = tmp_path / f"{number}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            count = write_rows(file, world.rows, attack_addresses=world.attack_addresses)
        found = survey(path)
        assert (found.rows, found.is_sorted) == (count, True)
        again = list(read_rows(path, found))
        assert [(each.person, each.token, each.attacker) for each in again] == [
            (each.person, each.token, each.attacker) for each in world.rows
        ]
        for read, made in zip(again, world.rows, strict=True):
            assert abs(read.at_s - made.at_s) < 0.002
            assert read.network == network_of(made.address)
            assert (read.address, read.country, read.city, read.asn) == (
                *(made.address, made.country, made.city, made.asn),
            )
            assert (read.user_agent, read.succeeded) == (made.user_agent, made.succeeded)


def test_files_have_the_columns_of_the_public_data_set_and_two_more(worlds: list[World]) -> None:
    file = io.StringIO()
    write_rows(file, worlds[0].rows[:5], attack_addresses={worlds[0].rows[1].address})
    header, *rows = csv.reader(io.StringIO(file.getvalue()))
    assert tuple(header) == columns.ALL
    assert header[-2:] == ["Device Token", "Attacker"]
    assert rows[1][columns.ALL.index("Is Attack IP")] == "True"
    assert rows[0][columns.ALL.index("Is Account Takeover")] == "False"


def test_a_network_has_one_place_and_one_operator_which_works_in_that_country(worlds: list[World]) -> None:
    operators = {land.code: {*land.fixed, *land.mobile, *HOSTING, *EGRESS} for land in LANDS}
    cities = {land.code: {(city.region, city.name) for city in land.cities} | {(None, None)} for land in LANDS}
    for world in worlds:
        places = defaultdict(set)
        for row in world.rows:
            assert row.country is not None
            assert row.asn in operators[row.country]
            assert (row.region, row.city) in cities[row.country]
            places[row.network].add((row.country, row.city, row.asn))
        assert all(len(found) == 1 for found in places.values())


def test_every_user_agent_is_one_that_the_real_parser_knows(worlds: list[World]) -> None:
    seen = {(row.user_agent, row.browser, row.system, row.kind) for world in worlds for row in world.rows}
    assert len(seen) > 100
    for user_agent, browser, system, kind in seen:
        parsed = parse_user_agent(user_agent)
        assert parsed is not None
        assert browser is not None
        assert system is not None
        assert browser.startswith(parsed.family), (browser, parsed)
        assert parsed.family != "Other", user_agent
        assert system.startswith(parsed.system), (system, parsed)
        if kind != "bot":
            assert parsed.kind == kind, (user_agent, parsed, kind)


def test_cookies_are_empty_at_first_and_belong_to_one_person_but_for_stolen_ones(worlds: list[World]) -> None:
    for world in worlds:
        owners: dict[str, str] = {}
        for row in world.rows:
            if row.attacker is None and row.token is not None and row.succeeded:
                assert owners.setdefault(row.token, row.person) == row.person
            if row.attacker == "stolen_cookie" and row.token is not None:
                assert owners[row.token] == row.person
            elif row.attacker is not None:
                assert row.token is None
        firsts: dict[str, str | None] = {}
        for row in world.rows:
            if row.succeeded and row.attacker is None:
                firsts.setdefault(row.person, row.token)
        assert set(firsts.values()) == {None}


def test_takeovers_are_of_people_with_a_history_and_spread_over_them_and_over_time(worlds: list[World]) -> None:
    for world in worlds:
        signins: dict[str, int] = defaultdict(int)
        victims = set()
        kinds: dict[str, list[float]] = defaultdict(list)
        for row in world.rows:
            if row.attacker is not None:
                assert signins[row.person] >= 2
                victims.add(row.person)
                kinds[row.attacker].append(row.at_s)
            elif row.succeeded:
                signins[row.person] += 1
        assert {kind: len(found) for kind, found in kinds.items()} == dict.fromkeys(KINDS, TAKEOVERS)
        assert len(victims) > 20
        for found in kinds.values():
            assert max(found) - min(found) > 0.4 * DAYS * 86_400


def test_attackers_know_what_their_kind_knows(worlds: list[World]) -> None:
    for world in worlds:
        used: dict[str, dict[str, set[object]]] = defaultdict(lambda: defaultdict(set))
        for row in world.rows:
            if row.attacker is None and row.succeeded:
                for name in ("network", "asn", "country"):
                    used[row.person][name].add(getattr(row, name))
                parsed = parse_user_agent(row.user_agent)
                used[row.person]["browser"].add(parsed and (parsed.family, parsed.system))
        for row in world.rows:
            known, parsed = used[row.person], parse_user_agent(row.user_agent)
            if row.attacker in {"targeted", "very_targeted"}:
                assert row.asn in known["asn"]
                assert parsed is not None
                assert (parsed.family, parsed.system) in known["browser"]
            if row.attacker == "very_targeted":
                assert row.network in known["network"]


def test_activity_is_heavy_tailed_with_people_of_few_sign_ins_and_of_hundreds() -> None:
    counts: dict[str, int] = defaultdict(int)
    for row in make_world(5, people=200, days=240, takeovers=1).rows:
        counts[row.person] += row.succeeded
    ordered = sorted(counts.values())
    assert ordered[10] < median(ordered) / 2
    assert ordered[-3] > 4 * median(ordered)
