"""The words of the log: a sentence for every event, in English and in Turkish, and a line that tells the facts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from babel.messages.pofile import read_po

from audit import word_lists
from audit.catalogue import FAMILIES, Severity, all_types
from audit.words import (
    LOCALE,
    describe,
    facts_of,
    family_word,
    field_label,
    outcome_word,
    place_word,
    reason_word,
    risk_word,
    sentence,
    severity_word,
)
from risk.values import Level
from tests.audit.siem.made_events import AGENT, HOSTILE, PERSON, assessed_event, made_event


def english_texts() -> set[str]:
    """Everything that this room says."""
    lists = [value for name, value in vars(word_lists).items() if name.isupper() and isinstance(value, dict)]
    return (
        {kind.sentence for kind in all_types().values()}
        | {text for each in lists for text in each.values()}
        | {word_lists.ERASED}
    )


def test_everything_is_said_in_turkish_too() -> None:
    with (LOCALE / "tr.po").open("rb") as source:
        known = {message.id for message in read_po(source, locale="tr") if message.string and not message.fuzzy}
    assert english_texts() - known == set()


def test_every_family_severity_outcome_and_field_has_a_word() -> None:
    assert set(word_lists.FAMILY_WORDS) == FAMILIES
    assert set(word_lists.SEVERITY_WORDS) == set(Severity)
    assert set(word_lists.OUTCOME_WORDS) == {"success", "failure", "denied"}
    # In their order: reports tell the worst first.
    assert list(word_lists.RISK_LEVEL_WORDS) == list(Level)
    fields = {name for kind in all_types().values() for name in kind.public | kind.personal}
    assert fields - set(word_lists.FIELD_LABELS) == set()


def test_sentences_follow_the_language_and_fall_back_to_english() -> None:
    assert sentence("login.failed") == "A sign-in failed."
    assert sentence("login.failed", "tr") == "Bir oturum açma denemesi başarısız oldu."
    assert sentence("login.failed", "tlh") == sentence("login.failed", "../tr") == "A sign-in failed."
    assert sentence("orders.shipped", "tr") == "orders.shipped"
    assert (family_word("mfa", "tr"), severity_word("HIGH", "tr")) == ("İkinci doğrulamalar", "Yüksek")
    assert (outcome_word("denied", "tr"), field_label("reason", "tr")) == ("Reddedildi", "Neden")
    assert (reason_word("wrong_code"), reason_word("something new")) == ("the code was wrong", "something new")
    assert field_label("no_such_field") == "no_such_field"


def test_a_description_says_who_about_whom_from_where_and_why() -> None:
    event = made_event()
    assert describe(event) == (
        f"A sign-in failed. By: somebody unknown; About: {PERSON}; Application: cli_orders; Address: 203.0.113.9; "
        f"Browser: {AGENT}; Reason: the password was wrong."
    )
    assert describe(event, "tr") == (
        f"Bir oturum açma denemesi başarısız oldu. Yapan: bilinmeyen biri; İlgili: {PERSON}; Uygulama: cli_orders; "
        f"Adres: 203.0.113.9; Tarayıcı: {AGENT}; Neden: parola yanlıştı."
    )


def test_names_stand_for_ids_where_they_are_known() -> None:
    event = made_event(personal={}, data={})
    told = describe(event, names={PERSON: "Ada Byron", "cli_orders": "Orders"})
    assert told == "A sign-in failed. By: somebody unknown; About: Ada Byron; Application: Orders."


def test_who_acted_on_their_own_account_is_named_once() -> None:
    event = made_event("login.succeeded", actor=PERSON, client_id=None, personal={}, data={"methods": ["pwd", "totp"]})
    assert describe(event) == f"A person signed in. By: {PERSON}; Ways: pwd, totp."


def test_an_erased_person_is_said_to_be_erased() -> None:
    """S47"""
    event = made_event(personal=None, data={}, subject=None, client_id=None)
    assert describe(event) == "A sign-in failed. By: somebody unknown. Personal data was erased."


def test_digests_and_ids_of_tokens_are_left_to_the_log() -> None:
    event = made_event("token.issued", data={"jti": "secret-like", "grant": "grt_1", "scope": "openid"}, personal={})
    assert [label for label, _ in facts_of(event)] == ["By", "About", "Application", "Scope"]


def test_what_a_person_typed_is_never_taken_for_a_code_of_ours() -> None:
    event = made_event("mfa.renamed", personal={"label": "locked"}, data={"method": "reset"})
    assert {"locked", "reset"} <= {value for _, value in facts_of(event)}


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("name", sorted(all_types()))
def test_every_description_is_one_short_line(name: str, language: str) -> None:
    """S46"""
    kind = all_types()[name]
    event = made_event(
        name, data=dict.fromkeys(kind.public, HOSTILE * 50), personal=dict.fromkeys(kind.personal, HOSTILE * 50)
    )
    event = replace(event, outcome="success")
    text = describe(event, language)
    assert text.startswith(sentence(name, language))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", text)
    assert len(text) < 3000


def test_truths_lists_and_mappings_are_put_into_words() -> None:
    event = made_event(
        "client.changed", actor="cli", subject="cli_1", client_id=None, personal={},
        data={"before": {"name": "Orders", "disabled": False}, "after": {"scopes": ["a", "b"], "none": None}},
    )  # fmt: skip
    assert dict(facts_of(event)) == {
        "By": "the operator, by command",
        "About": "cli_1",
        "Before": "name Orders, disabled no",
        "After": "scopes a, b, none",
    }


def test_an_assessed_sign_in_says_from_where_and_how_sure_we_are() -> None:
    event = replace(assessed_event(all_types()["login.succeeded"], "Ankara"), personal={}, data={}, client_id=None)
    assert describe(event) == (
        f"A person signed in. By: somebody unknown; About: {PERSON}; Place: Ankara, TR (AS64500 Ankara); "
        "Risk: 72 (high)."
    )
    assert describe(event, "tr").endswith("Yer: Ankara, TR (AS64500 Ankara); Risk: 72 (yüksek).")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"country": "TR"}, "TR"),
        ({"asn": 64500}, "(AS64500)"),
        ({"network_name": "Example Net", "latitude": 1.0}, "(Example Net)"),
        ({"city": 7}, ""),
        ("Ankara", ""),
        (None, ""),
    ],
)
def test_a_place_is_told_as_far_as_it_is_known(place: object, words: str) -> None:
    assert place_word(place) == words


def test_a_score_without_a_level_is_told_as_a_number() -> None:
    assert risk_word(made_event(risk_score=0)) == "0"
    assert risk_word(made_event()) == ""
    assert risk_word(made_event(risk_score=95, risk_level="critical"), "tr") == "95 (kritik)"
