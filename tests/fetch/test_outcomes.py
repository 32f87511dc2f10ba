"""Every way in which a fetch can end, each put to required and to optional data, on real sockets."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from pathlib import Path

import pytest

from cds_service.errors import DataNotObtainable
from cds_service.fhir_client import FetchOutcome, Limits
from tests.fetch.conftest import Fetch, asking, not_checked, outcomes
from tests.fetch.lying_server import (
    Answer,
    Exchange,
    LyingServer,
    answered,
    closing,
    cut,
    cut_in_chunks,
    dripping_body,
    dripping_head,
    failure,
    hanging,
    searchset,
    sent,
    status,
)
from tests.spec.hook_requests import patient, study

REPORT, SEEN = study("4B")
BENIGN_REPORT, BENIGN_SEEN = study("2")
OTHER_BREAST = study("1", "right", ident="r2")[1]
STRANGER = {"reference": "Patient/somebody-else"}
BOMB = gzip.compress(json.dumps(searchset(note="x" * 8_000_000)).encode())

LIES: dict[str, tuple[Answer, FetchOutcome]] = {
    "401": (status(401), FetchOutcome.UNAUTHORISED),
    "403": (status(403), FetchOutcome.FORBIDDEN),
    "404": (status(404), FetchOutcome.NOT_FOUND),
    "410": (status(410), FetchOutcome.GONE),
    "429": (status(429, Retry_After="1"), FetchOutcome.THROTTLED),
    "400": (status(400), FetchOutcome.REJECTED),
    "500": (status(500), FetchOutcome.SERVER_ERROR),
    "503 in HTML": (sent(b"<html>", 503, "text/html"), FetchOutcome.SERVER_ERROR),
    "204": (sent(b"", 204), FetchOutcome.REJECTED),
    "an OperationOutcome": (answered(failure()), FetchOutcome.OPERATION_OUTCOME),
    "a Bundle of an OperationOutcome": (answered(searchset(failure())), FetchOutcome.OPERATION_OUTCOME),
    "null": (answered(None), FetchOutcome.WRONG_RESOURCE),
    "a list": (answered([]), FetchOutcome.WRONG_RESOURCE),
    "another resource": (answered(patient()), FetchOutcome.WRONG_RESOURCE),
    "a Bundle of other resources": (answered(searchset(patient())), FetchOutcome.WRONG_RESOURCE),
    "a Bundle of garbage": (answered(searchset(entry=["?"])), FetchOutcome.WRONG_RESOURCE),
    "a sign-in page": (sent(b"<html>Sign in", kind="text/html"), FetchOutcome.NOT_JSON),
    "nothing at all": (sent(b""), FetchOutcome.NOT_JSON),
    "half of it": (sent(b'{"resourceType": "Bundle", "entry": ['), FetchOutcome.NOT_JSON),
    "a cut body": (cut, FetchOutcome.CUT),
    "a cut chunk": (cut_in_chunks, FetchOutcome.CUT),
    "a closed connection": (closing, FetchOutcome.CUT),
    "what is not HTTP": (lambda exchange: exchange.send(b"\x00\x01\x02\r\n\r\n"), FetchOutcome.CUT),
    "broken compression": (sent(b"no gzip", Content_Encoding="gzip"), FetchOutcome.CUT),
    "too large a body": (sent(b" " * 5_000_000), FetchOutcome.TOO_LARGE),
    "a compressed bomb": (sent(BOMB, Content_Encoding="gzip"), FetchOutcome.TOO_LARGE),
    "a redirect": (status(302, Location="/fhir/Elsewhere"), FetchOutcome.REDIRECTED),
    "data of another patient": (
        answered(
            searchset(
                {"resourceType": "Procedure", "id": "p", "subject": STRANGER},
                REPORT | {"subject": STRANGER},
                SEEN | {"subject": STRANGER},
            )
        ),
        FetchOutcome.OTHER_PATIENT,
    ),
}
WAITS: dict[str, Answer] = {
    "an answer that hangs": hanging,
    "a header that drips": dripping_head,
    "a body that drips": dripping_body,
}
SHORT = 1.0
"""Seconds: the budget of calls that are meant to use it up."""


# --------------------------------------------------------------------------------------
# Failures


@pytest.mark.requirement("SVC-04", "STA-412", "PRE-01")
@pytest.mark.parametrize(("lie", "outcome"), LIES.values(), ids=list(LIES))
def test_required_data_that_cannot_be_fetched_is_412_and_says_why(
    fetch: Fetch, ehr: LyingServer, lie: Answer, outcome: FetchOutcome
) -> None:
    ehr.lies |= {"DiagnosticReport": lie, "Observation": lie}
    with pytest.raises(DataNotObtainable) as refusal:
        fetch()
    assert list(refusal.value.diagnostics) == [f"reports: {outcome.words}.", f"observations: {outcome.words}."]
    ended = {key: each for key, each, _ in refusal.value.fetches}
    assert (ended["reports"], ended["observations"], ended["orders"]) == (outcome, outcome, "empty")


@pytest.mark.requirement("PRE-01", "SVC-02")
@pytest.mark.parametrize(("lie", "outcome"), LIES.values(), ids=list(LIES))
def test_optional_data_that_cannot_be_fetched_is_named_on_the_card(
    fetch: Fetch, ehr: LyingServer, lie: Answer, outcome: FetchOutcome
) -> None:
    ehr.lies["Procedure"] = lie
    answer = fetch()
    assert not_checked(answer) == "**Not checked:** procedures (could not be fetched)."
    assert outcomes(answer)["procedures"] == outcome


@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_required_data_that_does_not_come_in_time_is_412(fetch: Fetch, ehr: LyingServer, wait: Answer) -> None:
    ehr.lies |= {"DiagnosticReport": wait, "Observation": wait}
    with pytest.raises(DataNotObtainable, match="did not answer in time"):
        fetch(budget=SHORT)


@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_optional_data_that_does_not_come_in_time_is_named_on_the_card(
    fetch: Fetch, ehr: LyingServer, wait: Answer
) -> None:
    ehr.lies |= {"Procedure": wait, "Condition": wait}
    answer = fetch(budget=SHORT)
    assert not_checked(answer) == (
        "**Not checked:** procedures (could not be fetched); conditions (could not be fetched)."
    )
    assert outcomes(answer)["procedures"] == "timed-out"


@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_no_thread_goes_on_waiting_after_the_answer(fetch: Fetch, ehr: LyingServer, wait: Answer) -> None:
    ehr.lies["Procedure"] = wait
    fetch(budget=SHORT)
    for thread in [each for each in threading.enumerate() if each.name.startswith("fhir")]:
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_a_server_that_refuses_connections_is_unreachable(fetch: Fetch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{nobody.getsockname()[1]}/fhir"
        with pytest.raises(DataNotObtainable, match="cannot be reached"):
            fetch(asking(base), servers=(base,))


def test_a_failure_beside_an_empty_answer_is_412(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.lies |= {"DiagnosticReport": status(503), "Observation": answered(searchset(total=0))}
    with pytest.raises(DataNotObtainable, match="reports: the FHIR server failed"):
        fetch()


def test_silence_is_never_concluded_while_required_data_is_missing(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.resources = [patient(), BENIGN_REPORT | {"result": [], "conclusion": "BI-RADS 2 in both breasts."}]
    assert fetch().cards == []
    ehr.lies["Observation"] = status(503)
    with pytest.raises(DataNotObtainable, match="only in part"):
        fetch()


# --------------------------------------------------------------------------------------
# Answers


@pytest.mark.requirement("SVC-01", "SVC-02", "PRE-01")
def test_a_call_without_prefetch_is_answered_from_the_fhir_server(fetch: Fetch, ehr: LyingServer) -> None:
    answer = fetch()
    assert "4B" in answer.cards[0]["summary"]
    assert not_checked(answer) == ""
    assert sorted(ehr.asked) == [
        "Condition", "DiagnosticReport", "Observation", "Patient/pat-1", "Procedure", "ServiceRequest",
    ]  # fmt: skip
    assert outcomes(answer) == {
        "patient": "fetched", "reports": "fetched", "observations": "fetched",
        "orders": "empty", "procedures": "empty", "conditions": "empty",
    }  # fmt: skip
    assert all(each.milliseconds > 0 for each in answer.fetches)


@pytest.mark.parametrize(
    "nothing",
    [
        searchset(),
        searchset(total=0),
        searchset(entry=[]),
        searchset(
            entry=[{"resource": failure() | {"issue": [{"severity": "warning"}]}, "search": {"mode": "outcome"}}]
        ),
    ],
    ids=["no entry", "total 0", "empty entry", "a warning"],
)
def test_an_empty_search_is_an_answer(fetch: Fetch, ehr: LyingServer, nothing: object) -> None:
    ehr.lies |= {"DiagnosticReport": answered(nothing), "Observation": answered(nothing)}
    answer = fetch()
    assert answer.cards == []
    assert outcomes(answer)["reports"] == "empty"


@pytest.mark.requirement("SVC-02")
def test_only_what_was_not_sent_is_asked_for(fetch: Fetch, ehr: LyingServer) -> None:
    known = {"patient": patient(), "reports": searchset(REPORT), "orders": searchset(), "conditions": searchset()}
    answer = fetch(asking(ehr.base, prefetch=known))
    assert sorted(ehr.asked) == ["Observation", "Procedure"]
    assert "4B" in answer.cards[0]["summary"]


@pytest.mark.requirement("PRE-02", "PRE-05")
@pytest.mark.parametrize("value", [None, searchset(), failure()], ids=["null", "empty", "an OperationOutcome"])
def test_what_the_client_has_looked_for_is_not_asked_again(fetch: Fetch, ehr: LyingServer, value: object) -> None:
    fetch(asking(ehr.base, prefetch={"procedures": value}))
    assert "Procedure" not in ehr.asked


@pytest.mark.requirement("PRE-08")
@pytest.mark.parametrize("value", ["", "<html>", 42, {}, searchset(entry=["?"]), patient()], ids=str)
def test_garbage_in_prefetch_is_asked_for(fetch: Fetch, ehr: LyingServer, value: object) -> None:
    assert not_checked(fetch(asking(ehr.base, prefetch={"procedures": value}))) == ""
    assert "Procedure" in ehr.asked


def test_a_patient_id_cannot_change_the_shape_of_a_request(fetch: Fetch, ehr: LyingServer) -> None:
    asked = asking(ehr.base)
    asked["context"]["patientId"] = "a&_include=*/../x?#y z"
    with pytest.raises(DataNotObtainable):
        fetch(asked)
    assert {each.query.get("patient", [""])[0] for each in ehr.exchanges} <= {"", "Patient/a&_include=*/../x?#y z"}
    assert all("_include" not in each.query for each in ehr.exchanges)


# --------------------------------------------------------------------------------------
# Other patients


def test_a_search_that_also_finds_somebody_else_is_only_a_part(fetch: Fetch, ehr: LyingServer) -> None:
    procedure = {"resourceType": "Procedure", "status": "completed", "code": {"text": "Appendectomy"}}
    mine, other = (
        procedure | {"id": "a", "subject": {"reference": "Patient/pat-1"}},
        procedure | {"id": "b", "subject": STRANGER},
    )
    ehr.lies["Procedure"] = answered(searchset(mine, other))
    answer = fetch()
    assert outcomes(answer)["procedures"] == "other-patient"
    assert "procedures (only the first part was received)" in not_checked(answer)
    assert "belongs to another patient and was not used" in answer.cards[0]["detail"]


def test_a_read_that_gives_another_patient_is_a_failure_of_the_server(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.lies["Patient"] = answered(patient() | {"id": "somebody-else", "deceasedBoolean": True})
    answer = fetch()
    assert outcomes(answer)["patient"] == "other-patient"
    assert "patient (could not be fetched)" in not_checked(answer)


# --------------------------------------------------------------------------------------
# Pages


def paged(*pages: list[object]) -> Answer:
    """A search in pages, each linked to the next by an absolute address on the same server."""

    def page(exchange: Exchange) -> None:
        number = int(exchange.query.get("page", ["1"])[0])
        following = f"{exchange.server.base}/Observation?page={number + 1}" if number < len(pages) else None
        answered(searchset(*pages[number - 1], following=following))(exchange)

    return page


def endless(exchange: Exchange) -> None:
    """A search whose every page is followed by a new one."""
    number = int(exchange.query.get("page", ["1"])[0])
    answered(searchset(BENIGN_SEEN, following=f"Observation?page={number + 1}"))(exchange)


@pytest.mark.requirement("SVC-15", "PRE-06")
def test_all_pages_are_read(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.lies["Observation"] = paged([OTHER_BREAST], [], [SEEN])
    answer = fetch()
    assert "4B" in answer.cards[0]["summary"]
    assert not_checked(answer) == ""
    assert ehr.asked.count("Observation") == 3


@pytest.mark.requirement("SVC-15", "PRE-06")
def test_the_pages_after_a_page_that_was_sent_are_fetched(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.lies["Observation"] = paged([], [SEEN])
    first = searchset(OTHER_BREAST, following=f"{ehr.base}/Observation?page=2")
    answer = fetch(asking(ehr.base, prefetch={"observations": first}))
    assert "4B" in answer.cards[0]["summary"]
    assert not_checked(answer) == ""
    assert ehr.asked.count("Observation") == 1


@pytest.mark.requirement("SVC-15")
@pytest.mark.parametrize("limits", [Limits(pages=3), Limits(entries=3)], ids=["pages", "entries"])
def test_pages_that_never_end_are_read_up_to_a_limit(fetch: Fetch, ehr: LyingServer, limits: Limits) -> None:
    ehr.lies["Observation"] = endless
    ehr.resources = [patient(), BENIGN_REPORT]
    with pytest.raises(DataNotObtainable, match="only in part") as refusal:
        fetch(limits=limits)
    assert ehr.asked.count("Observation") == 3
    assert ("observations", "too-many") in [each[:2] for each in refusal.value.fetches]


def test_a_part_within_the_limits_is_used_and_named(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.lies["ServiceRequest"] = endless_orders
    answer = fetch(limits=Limits(pages=2))
    assert "orders (only the first part was received)" in not_checked(answer)
    assert outcomes(answer)["orders"] == "too-many"


def endless_orders(exchange: Exchange) -> None:
    order = {"resourceType": "ServiceRequest", "id": "o", "subject": {"reference": "Patient/pat-1"}}
    number = int(exchange.query.get("page", ["1"])[0])
    answered(searchset(order, following=f"ServiceRequest?page={number + 1}"))(exchange)


def test_pages_that_lead_back_to_themselves_are_read_once(fetch: Fetch, ehr: LyingServer) -> None:
    order = {"resourceType": "ServiceRequest", "id": "o", "subject": {"reference": "Patient/pat-1"}}
    ehr.lies["ServiceRequest"] = answered(searchset(order, following="ServiceRequest?page=2"))
    answer = fetch()
    assert outcomes(answer)["orders"] == "endless"
    assert ehr.asked.count("ServiceRequest") == 2


def test_a_page_that_hangs_leaves_the_pages_before_it(fetch: Fetch, ehr: LyingServer) -> None:
    def second_hangs(exchange: Exchange) -> None:
        hanging(exchange) if "page" in exchange.query else answered(searchset(SEEN, following="?page=2"))(exchange)

    ehr.lies |= {"Observation": second_hangs, "": hanging}
    answer = fetch(budget=2.0)
    assert "4B" in answer.cards[0]["summary"]
    assert "observations (only the first part was received)" in not_checked(answer)
    assert outcomes(answer)["observations"] == "timed-out"


# --------------------------------------------------------------------------------------
# Connections


def test_a_kept_connection_that_the_server_closed_is_no_failure(fetch: Fetch, ehr: LyingServer) -> None:
    dropped: list[Exchange] = []

    def dropping_once(exchange: Exchange) -> None:
        if not dropped:
            dropped.append(exchange)
            closing(exchange)
        exchange.server.truth(exchange)

    ehr.lies["Procedure"] = dropping_once
    assert outcomes(fetch())["procedures"] == "empty"


# --------------------------------------------------------------------------------------
# The document


@pytest.mark.parametrize("outcome", FetchOutcome)
def test_every_outcome_stands_in_the_document_and_has_its_words(outcome: FetchOutcome) -> None:
    document = (Path(__file__).parents[2] / "docs" / "fetching.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in document.splitlines() if line.startswith("| `")]
    assert any(f"`{outcome.value}`" in row for row in rows)
    assert outcome.words
