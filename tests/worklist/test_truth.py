"""What the worklist finds is what is truly open: every step, and no other. The truth knows nothing of the core."""

from __future__ import annotations

from pathlib import Path

import orjson

from cds_service.fhir_elements import Json
from cds_service.pipeline import Options, ServiceDesk, World
from cds_service.synthetic import charts, population
from tests.conftest import PUBLIC_URL, TODAY, counted_ids
from tests.worklist.conftest import PATIENTS, SEED
from tests.worklist.exports import rows


def told(row: dict[str, str]) -> tuple[str, ...]:
    """A row as the truth tells it. A report that has to be read again has no day on which that is due."""
    if row["state"] == "look-again":
        return (row["patient"], row["side"], {"ReportNotRead": "read-report"}[row["checks"]])
    assert row["state"] == "open"
    return (row["patient"], row["side"], row["step"], row["due"], row["is_overdue"])


def true(row: dict[str, str]) -> tuple[str, ...]:
    if row["step"] == "read-report":
        return (row["patient"], row["side"], row["step"])
    return (row["patient"], row["side"], row["step"], row["due"], row["is_overdue"].lower())


def test_every_open_step_is_found_and_no_other(worklist: tuple[Path, Json], truth: list[dict[str, str]]) -> None:
    found = [told(row) for row in rows(worklist[0])]
    assert len(found) == len(set(found)) > 1000
    assert set(found) == set(map(true, truth))


def test_every_situation_occurs_in_the_population() -> None:
    met = set()
    for number in range(PATIENTS):
        resources, expected = population.person(number, SEED, TODAY)
        met |= {each.situation for each in expected}
        assert resources[0]["resourceType"] == "Patient"
    silent = {
        "nothing", "three_ordered", "biopsy_ordered", "biopsy_done", "biopsy_malignant", "incomplete_ordered",
        "deceased", "breast_removed", "both_removed", "known_cancer", "preliminary", "young",
    }  # fmt: skip
    assert met == {how.__name__.removeprefix("_") for how in population.SITUATIONS} - silent


def test_a_patient_is_on_the_list_where_opening_the_chart_shows_a_card(
    worklist: tuple[Path, Json], desk: ServiceDesk
) -> None:
    on_the_list = {row["patient"] for row in rows(worklist[0])}
    with_cards = set()
    people = [population.person(number, SEED, TODAY)[0] for number in range(400)]
    for resources in people:
        asked = charts.hook_request(resources, "patient-view", hook_instance="d1577c69-dfbe-44ad-ba6d-3e05e953b2ea")
        asked["prefetch"]["appointments"] = [r for r in resources if r["resourceType"] == "Appointment"]
        request = desk.request("breast-imaging-patient-view", orjson.dumps(asked))
        options = Options(protocol="brochure-calcification", public_url=PUBLIC_URL)
        world = World(today=lambda: TODAY, new_id=counted_ids())
        if desk.answer("breast-imaging-patient-view", request, options, world).cards:
            with_cards.add(resources[0]["id"])
    assert with_cards == on_the_list & {resources[0]["id"] for resources in people}
    assert len(with_cards) > 100
