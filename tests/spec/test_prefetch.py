"""Every state in which a prefetch key can arrive, and when the answer is 412."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.spec.hook_requests import (
    Json,
    advice,
    cards,
    outcome,
    patient,
    post,
    prefetching,
    request,
    searchset,
    study,
    without,
)

REPORT, SEEN = study("4B")
BENIGN_REPORT, BENIGN_SEEN = study("2")
NEXT = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
NOTHING_FOUND = searchset(entry=[{"resource": outcome("warning", "not-found"), "search": {"mode": "outcome"}}])
"""How Epic says that a search found nothing."""


def complete(**values: object) -> Json:
    """Everything prefetched of a patient with an open 4B, some keys with another value."""
    content = request()
    return content | {"prefetch": content["prefetch"] | values}


def not_checked(client: FlaskClient, content: Json) -> str:
    """The line of the one card that says what was not checked."""
    (card,) = cards(client, content)
    return next((line for line in card["detail"].splitlines() if line.startswith("**Not checked:**")), "")


# --------------------------------------------------------------------------------------
# Delivered, and empty


@pytest.mark.requirement("SVC-01", "SVC-08", "STA-200")
def test_a_call_is_answered_from_prefetch_alone(client: FlaskClient) -> None:
    assert "4B" in cards(client, request())[0]["summary"]


@pytest.mark.requirement("PRE-02", "PRE-03", "PRE-04", "SVC-05", "SVC-09", "GEN-03")
@pytest.mark.parametrize("empty", [None, searchset(), searchset(total=0), NOTHING_FOUND], ids=str)
def test_what_is_delivered_and_empty_is_an_answer(client: FlaskClient, empty: object) -> None:
    answer = post(client, prefetching(reports=empty, observations=empty))
    assert (answer.status_code, answer.data) == (200, b'{"cards":[]}')


@pytest.mark.requirement("PRE-02", "PRE-03", "PRE-04")
@pytest.mark.parametrize("empty", [None, searchset(), NOTHING_FOUND], ids=["null", "no entry", "outcome only"])
def test_an_empty_list_counts_as_checked(client: FlaskClient, empty: object) -> None:
    assert not_checked(client, complete(orders=empty, procedures=empty, conditions=empty)) == ""


@pytest.mark.requirement("PRE-07")
def test_a_bundle_of_any_type_and_a_single_resource_are_read(client: FlaskClient) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": SEEN}]}
    odd = complete(patient=searchset(patient()), reports=REPORT, observations=bundle)
    assert advice(cards(client, odd)) == advice(cards(client, request()))
    assert cards(client, complete(observations=without(bundle, "type")))


@pytest.mark.requirement("PRE-09", "REQ-06", "GEN-07")
def test_an_unknown_key_is_ignored(client: FlaskClient) -> None:
    odd = complete(**{"reports-user": searchset(BENIGN_REPORT), "zz": 5, "extension": {"com.example": 1}})
    assert advice(cards(client, odd)) == advice(cards(client, request()))


@pytest.mark.requirement("PRE-10")
def test_an_included_resource_is_found_by_its_reference(client: FlaskClient) -> None:
    entries = [
        {"resource": REPORT, "search": {"mode": "match"}},
        {"resource": SEEN, "search": {"mode": "include"}},
    ]
    assert "4B" in cards(client, prefetching(reports=searchset(entry=entries, total=1)))[0]["summary"]


@pytest.mark.requirement("PRE-10", "SVC-15")
def test_an_included_resource_does_not_make_a_part_look_complete(client: FlaskClient) -> None:
    included = {"resource": study("2", ident="r0", days_ago=400)[1], "search": {"mode": "include"}}
    entries = [{"resource": BENIGN_SEEN, "search": {"mode": "match"}}, included]
    assert post(client, prefetching(observations=searchset(entry=entries, total=2))).status_code == 412


# --------------------------------------------------------------------------------------
# Not delivered


@pytest.mark.requirement("PRE-01", "REQ-06", "SVC-04", "STA-412")
@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
@pytest.mark.parametrize("prefetch", [{}, None, "absent", {"patient": patient(), "orders": None}], ids=str)
def test_required_data_that_was_not_sent_is_412(client: FlaskClient, hook: str, prefetch: object) -> None:
    content = request(hook) | {"prefetch": prefetch}
    answer = post(client, without(content, "prefetch") if prefetch == "absent" else content, hook)
    assert answer.status_code == 412
    assert answer.get_json()["issue"][0]["code"] == "required"


@pytest.mark.requirement("SVC-01", "SVC-04", "REQ-06")
@pytest.mark.parametrize("key", ["reports", "observations"])
def test_reports_or_observations_are_enough(client: FlaskClient, key: str) -> None:
    contained = REPORT | {"contained": [SEEN | {"id": "c1"}], "result": [{"reference": "#c1"}]}
    assert cards(client, prefetching(**{key: {"reports": contained, "observations": SEEN}[key]}))


@pytest.mark.requirement("PRE-01", "SVC-02")
@pytest.mark.parametrize("key", ["patient", "orders", "procedures", "conditions"])
def test_one_key_that_was_sent_does_not_stand_for_the_others(client: FlaskClient, key: str) -> None:
    content = complete()
    partial = content | {"prefetch": without(content["prefetch"], key)}
    assert not_checked(client, partial) == f"**Not checked:** {key} (not received)."


@pytest.mark.requirement("PRE-08", "STA-412")
@pytest.mark.parametrize("garbage", ["", "<html>", 42, True, {}, ["x", 3], patient(), {"entry": []}], ids=str)
def test_what_is_not_fhir_counts_as_not_sent(client: FlaskClient, garbage: object) -> None:
    assert post(client, prefetching(reports=garbage, observations=garbage)).status_code == 412
    assert not_checked(client, complete(procedures=garbage)) == "**Not checked:** procedures (not received)."


@pytest.mark.requirement("PRE-08", "SVC-04")
@pytest.mark.parametrize(
    "entry",
    ["<html>", ["<html>"], [{"fullUrl": "https://ehr.example.org/x"}], [{"resource": patient()}]],
    ids=["text", "a list of text", "no resource", "another resource"],
)
def test_a_bundle_in_which_nothing_can_be_read_is_not_an_empty_one(client: FlaskClient, entry: object) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entry}
    assert post(client, prefetching(reports=bundle, observations=bundle)).status_code == 412


# --------------------------------------------------------------------------------------
# Failed


@pytest.mark.requirement("PRE-05", "SVC-03", "SVC-04", "STA-412")
@pytest.mark.parametrize(
    "failure", [outcome(), searchset(entry=[{"resource": outcome()}])], ids=["bare", "in a Bundle"]
)
@pytest.mark.parametrize("others", [{}, {"observations": searchset()}, {"observations": None}], ids=str)
def test_a_failure_of_required_data_is_412(client: FlaskClient, failure: Json, others: Json) -> None:
    assert post(client, prefetching(reports=failure, **others)).status_code == 412


@pytest.mark.requirement("PRE-05", "SVC-03")
@pytest.mark.parametrize(
    "failure",
    [outcome(), outcome("information"), searchset(entry=[{"resource": outcome()}])],
    ids=["error", "information", "in a Bundle"],
)
def test_a_failure_of_optional_data_is_said_on_the_card(client: FlaskClient, failure: Json) -> None:
    assert not_checked(client, complete(procedures=failure)) == "**Not checked:** procedures (could not be fetched)."


@pytest.mark.requirement("PRE-05", "SVC-03")
def test_an_error_beside_matches_makes_them_a_part(client: FlaskClient) -> None:
    entries = [{"resource": SEEN}, {"resource": outcome(), "search": {"mode": "outcome"}}]
    assert "observations (only the first part" in not_checked(client, complete(observations=searchset(entry=entries)))


# --------------------------------------------------------------------------------------
# Delivered in part


@pytest.mark.requirement("PRE-06", "SVC-15", "SVC-04")
@pytest.mark.parametrize("more", [{"link": NEXT}, {"total": 201}], ids=["next link", "total"])
def test_silence_is_never_concluded_from_a_first_page(client: FlaskClient, more: Json) -> None:
    page = searchset(BENIGN_REPORT, **more)
    assert post(client, prefetching(reports=page, observations=searchset(BENIGN_SEEN))).status_code == 412
    assert post(client, prefetching(reports=searchset(**more), observations=None)).status_code == 412


@pytest.mark.requirement("PRE-06", "SVC-15")
@pytest.mark.parametrize("key", ["reports", "orders", "procedures", "conditions"])
def test_a_first_page_is_named_on_the_card(client: FlaskClient, key: str) -> None:
    page = complete()["prefetch"][key] | {"link": NEXT}
    assert not_checked(client, complete(**{key: page})) == f"**Not checked:** {key} (only the first part was received)."


@pytest.mark.requirement("SVC-15", "PRE-06")
@pytest.mark.parametrize("key", ["orders", "procedures"])
def test_not_yet_ordered_is_never_concluded_from_a_first_page(client: FlaskClient, key: str) -> None:
    (absent,) = cards(client, complete(**{key: outcome()}))
    (partial,) = cards(client, complete(**{key: searchset(link=NEXT)}))
    assert "not yet ordered" not in absent["summary"]
    assert "not yet ordered" not in partial["summary"]
