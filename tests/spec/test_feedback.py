"""Feedback: what is stored, what is stored once, and what is said of an entry that cannot be used."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from cds_service.settings import Settings
from cds_service.wire import schema
from tests.spec.hook_requests import Json, cards, request, url, without

NUMBERS = count(1)
Row = dict[str, Any]


@pytest.fixture
def card() -> str:
    """The id of a card that no other test speaks of."""
    return f"00000000-0000-4000-8000-{next(NUMBERS):012}"


def overridden(card: str, **members: object) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-01T08:00:00Z"} | members


def accepted(card: str, *suggestions: str, **members: object) -> Json:
    named = [{"id": each} for each in suggestions]
    return overridden(card, outcome="accepted", acceptedSuggestions=named) | members


def send(client: FlaskClient, *entries: object, hook: str = "patient-view") -> TestResponse:
    return client.post(f"{url(hook)}/feedback", json={"feedback": entries})


def stored(settings: Settings, card: str) -> list[Row]:
    """What is on record for a card, oldest first."""
    with sqlite3.connect(settings.database_url.removeprefix("sqlite:///")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(each) for each in connection.execute("select * from feedback where card = ? order by id", [card])]


# --------------------------------------------------------------------------------------
# What is stored


@pytest.mark.requirement("FB-01", "FB-04", "FB-06", "STA-200")
def test_a_card_of_ours_that_was_accepted_is_stored(client: FlaskClient, settings: Settings) -> None:
    (shown,) = cards(client, request())
    suggestion = shown["suggestions"][0]["uuid"]
    assert send(client, accepted(shown["uuid"], suggestion)).status_code == 200
    (row,) = stored(settings, shown["uuid"])
    assert (row["outcome"], row["accepted"], row["service"]) == ("accepted", suggestion, "breast-imaging-patient-view")


@pytest.mark.requirement("FB-02", "FB-05", "cds-fb-1")
def test_a_batch_speaks_of_several_cards(client: FlaskClient, settings: Settings, card: str) -> None:
    assert send(client, accepted(card, "s1", "s2"), overridden(f"{card}-b")).status_code == 200
    assert [row["accepted"] for row in stored(settings, card)] == ["s1,s2"]
    assert [row["outcome"] for row in stored(settings, f"{card}-b")] == ["overridden"]


@pytest.mark.requirement("FB-02")
def test_an_empty_batch_is_no_error(client: FlaskClient) -> None:
    assert send(client).status_code == 200


@pytest.mark.requirement("FB-03")
def test_repeats_are_stored_once(client: FlaskClient, settings: Settings, card: str) -> None:
    for _ in range(2):
        assert send(client, accepted(card, "s1"), accepted(card, "s1")).status_code == 200
    assert len(stored(settings, card)) == 1


@pytest.mark.requirement("FB-03")
def test_a_change_of_mind_is_kept_beside_what_was_said_before(
    client: FlaskClient, settings: Settings, card: str
) -> None:
    send(client, overridden(card), accepted(card, "s1", outcomeTimestamp="2026-06-01T09:00:00Z"))
    assert [row["outcome"] for row in stored(settings, card)] == ["overridden", "accepted"]


@pytest.mark.requirement("FB-07", "FB-10")
@pytest.mark.parametrize("coding", [{"code": "x-1"}, {"code": "x-1", "system": "urn:ehr", "display": "No time"}])
def test_a_reason_of_the_clients_own_list_is_stored(
    client: FlaskClient, settings: Settings, card: str, coding: Json
) -> None:
    assert send(client, overridden(card, overrideReason={"reason": coding})).status_code == 200
    (row,) = stored(settings, card)
    assert (row["reason_code"], row["reason_system"]) == ("x-1", coding.get("system", ""))


@pytest.mark.requirement("FB-07", "cds-fb-3")
@pytest.mark.parametrize("reason", [{"userComment": "Ada Example is away"}, {}, None, {"reason": None}], ids=str)
def test_a_reason_needs_no_code_and_a_comment_is_not_kept(
    client: FlaskClient, settings: Settings, card: str, reason: object
) -> None:
    assert send(client, overridden(card, overrideReason=reason)).get_json() == {}
    (row,) = stored(settings, card)
    assert row["reason_code"] == ""
    assert "Ada" not in str(row)


@pytest.mark.requirement("FB-06", "cds-fb-2")
def test_an_acceptance_that_names_no_suggestion_is_stored(client: FlaskClient, settings: Settings, card: str) -> None:
    assert send(client, without(accepted(card), "acceptedSuggestions")).get_json() == {}
    assert [row["accepted"] for row in stored(settings, card)] == [""]


@pytest.mark.requirement("FB-12")
@pytest.mark.parametrize("ident", ["3f6b2c1e-9d1a-4c55-8f0a-000000000000", "3F6B2C1E-9D1A-4C55-8F0A-000000000001"])
def test_a_card_that_was_never_sent_is_no_error(client: FlaskClient, settings: Settings, ident: str) -> None:
    assert send(client, overridden(ident)).get_json() == {}
    assert len(stored(settings, ident)) == 1


@pytest.mark.requirement("FB-13")
@pytest.mark.parametrize(
    "reasons",
    [
        {"reason": {"code": "e-2", "system": "urn:epic"}},
        {"extension": {"com.epic.cdshooks.feedback.reasons": [{"code": "e-2", "system": "urn:epic"}]}},
    ],
    ids=["reason", "extension"],
)
def test_feedback_is_read_as_epic_sends_it(client: FlaskClient, settings: Settings, card: str, reasons: Json) -> None:
    ident = f"LPL_{card}.1"
    assert send(client, overridden(ident, overrideReasons=reasons)).get_json() == {}
    assert [(row["reason_code"], row["reason_system"]) for row in stored(settings, ident)] == [("e-2", "urn:epic")]


@pytest.mark.requirement("GEN-07", "FB-02")
def test_unknown_members_of_feedback_are_ignored(client: FlaskClient, settings: Settings, card: str) -> None:
    odd = {"future": [None]}
    entry = accepted(card) | {"acceptedSuggestions": [{"id": "s1"} | odd], "extension": odd} | odd
    answer = client.post(f"{url('order-sign')}/feedback", json={"feedback": [entry]} | odd)
    assert answer.get_json() == {}
    assert [row["accepted"] for row in stored(settings, card)] == ["s1"]


# --------------------------------------------------------------------------------------
# Times


@pytest.mark.requirement("FB-08")
@pytest.mark.parametrize("time", ["2026-06-01T08:00:00Z", "2026-06-01T08:00:00.123Z", "2026-06-01T10:00:00+02:00"])
def test_times_with_fractions_and_offsets_are_taken(
    client: FlaskClient, settings: Settings, card: str, time: str
) -> None:
    assert send(client, overridden(card, outcomeTimestamp=time)).get_json() == {}
    assert len(stored(settings, card)) == 1


@pytest.mark.requirement("FB-08", "FB-03")
def test_times_are_stored_in_utc(client: FlaskClient, settings: Settings, card: str) -> None:
    send(client, overridden(card), overridden(card, outcomeTimestamp="2026-06-01T10:00:00+02:00"))
    assert len(stored(settings, card)) == 1


@pytest.mark.requirement("FB-08")
def test_a_time_without_a_zone_is_utc(client: FlaskClient, settings: Settings, card: str) -> None:
    send(client, overridden(card), overridden(card, outcomeTimestamp="2026-06-01T08:00:00"))
    assert [row["outcome_at"] for row in stored(settings, card)] == ["2026-06-01T08:00:00Z"]


@pytest.mark.requirement("FB-08", "FB-12")
@pytest.mark.parametrize("time", ["yesterday at noon", "2026-06-01", "2026-13-41T08:00:00Z"])
def test_what_is_not_a_time_is_a_problem(client: FlaskClient, settings: Settings, card: str, time: str) -> None:
    answer = send(client, overridden(card, outcomeTimestamp=time), overridden(f"{card}-b"))
    assert "feedback[0]: outcomeTimestamp" in answer.text
    assert stored(settings, card) == []


# --------------------------------------------------------------------------------------
# What cannot be used


@pytest.mark.requirement("FB-04", "FB-05", "FB-08", "FB-12", "cds-fb-1")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"card": ""}, "card"),
        ({"card": None}, "card"),
        ({"outcome": "ignored"}, "outcome"),
        ({"outcomeTimestamp": 1780300800}, "outcomeTimestamp"),
        ({"acceptedSuggestions": "s1"}, "acceptedSuggestions"),
    ],
    ids=str,
)
def test_a_bad_entry_is_named_and_the_good_ones_are_stored(
    client: FlaskClient, settings: Settings, card: str, change: Json, problem: str
) -> None:
    bad, good = overridden(card) | change, overridden(f"{card}-a")
    assert [Draft202012Validator(schema("feedback")).is_valid(each) for each in (bad, good)] == [False, True]
    answer = send(client, good, bad, overridden(f"{card}-c"))
    assert answer.status_code == 200
    assert answer.get_json()["accepted"] == 2
    assert [each.split(": ")[:2] for each in answer.get_json()["problems"]] == [["feedback[1]", problem]]
    assert [len(stored(settings, f"{card}{end}")) for end in ("-a", "", "-c")] == [1, 0, 1]


@pytest.mark.requirement("FB-12", "STA-400")
@pytest.mark.parametrize("name", ["card", "outcome", "outcomeTimestamp"])
def test_a_batch_without_a_usable_entry_is_not_acknowledged(client: FlaskClient, card: str, name: str) -> None:
    answer = send(client, without(overridden(card), name))
    assert answer.status_code == 400
    assert f"feedback[0]: {name}: is required." in answer.text


@pytest.mark.requirement("FB-02", "FB-12", "STA-400")
@pytest.mark.parametrize(
    "envelope",
    [overridden("c"), {}, {"feedback": overridden("c")}, {"feedback": None}, [overridden("c")], "feedback", None],
    ids=["one entry", "{}", "object", "null", "array", "text", "null body"],
)
def test_a_broken_envelope_is_refused(client: FlaskClient, envelope: object) -> None:
    assert client.post(f"{url('patient-view')}/feedback", json=envelope).status_code == 400


@pytest.mark.requirement("FB-06", "FB-12")
def test_null_suggestions_are_as_if_absent(client: FlaskClient, settings: Settings, card: str) -> None:
    send(client, overridden(card, acceptedSuggestions=None))
    assert len(stored(settings, card)) == 1
