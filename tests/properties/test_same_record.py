"""The same record gives the same cards, in whatever order and wrapping it arrives."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.case_charts import PROTOCOLS, Asker, CaseChart, Json, case_charts, chart, request, without_ids

from .records import charted, records, shorthand
from .test_any_json import json_values

BASE = "https://ehr.example.org/r4"
BUNDLE_TYPES = ["searchset", "collection", "batch-response", "transaction-response", "history", "document", "", None, 7]

seeds = st.integers(0, 10**6)
RICH = chart("a 4B on the left, five days old, nothing ordered")


def cards(ask: Asker, case: CaseChart, prefetch: Json) -> Any:
    """The cards as the chart is opened, without their ids."""
    asked = request(case, "patient-view") | {"prefetch": prefetch}
    return without_ids(ask(asked, protocol=case.protocol, today=case.today).cards)


def plain(ask: Asker, case: CaseChart) -> tuple[Json, Any]:
    """The prefetch of a case as it usually comes, to be changed, and its cards."""
    prefetch = copy.deepcopy(request(case, "patient-view")["prefetch"])
    return prefetch, cards(ask, case, prefetch)


def bundles(prefetch: Json) -> dict[str, Json]:
    return {key: value for key, value in prefetch.items() if value.get("resourceType") == "Bundle"}


@given(case=records, seed=seeds)
def test_the_order_of_entries_never_matters(ask: Asker, case: CaseChart, seed: int) -> None:
    shuffle = random.Random(seed).shuffle
    prefetch, expected = plain(ask, case)
    for bundle in bundles(prefetch).values():
        shuffle(bundle.get("entry", []))
    assert cards(ask, case, prefetch) == expected


ONE_DAY: dict[str, list[Json]] = {
    "two reports without an assessment": [
        {"date": "2026-05-20", "kind": "ultrasound"},
        {"date": "2026-05-20", "kind": "ultrasound"},
    ],
    "the same category by mammography and by ultrasound": [
        {"date": "2026-05-20", "kind": "diagnostic-mammogram", "left": "4B"},
        {"date": "2026-05-20", "kind": "ultrasound", "side": "left", "left": "4B"},
    ],
    "the same category once with its side and once without": [
        {"date": "2026-05-20", "kind": "mri", "overall": "4B"},
        {"date": "2026-05-20", "kind": "mri", "right": "4B"},
    ],
}


@pytest.mark.parametrize("studies", ONE_DAY.values(), ids=list(ONE_DAY))
def test_the_order_of_two_studies_of_one_day_never_matters(ask: Asker, studies: list[Json]) -> None:
    prefetch, expected = plain(ask, charted(PROTOCOLS[0], {"studies": studies}))
    prefetch["reports"]["entry"].reverse()
    assert cards(ask, RICH, prefetch) == expected


def mirrored(value: Any) -> Any:
    """A copy with left and right exchanged."""
    other = {"left": "right", "right": "left"}
    if isinstance(value, dict):
        return {other.get(key, key): mirrored(inner) for key, inner in value.items()}
    return [mirrored(each) for each in value] if isinstance(value, list) else other.get(str(value), value)


@given(raw=shorthand, protocol=st.sampled_from(PROTOCOLS))
@example(
    raw={"studies": [{"date": "2026-05-20", "overall": "3"}, {"date": "2026-03-01", "right": "4C"}]},
    protocol=PROTOCOLS[0],
)
@example(
    raw={"studies": [{"date": "2026-05-20", "overall": "1"}, {"date": "2026-03-01", "left": "4B", "right": "4C"}]},
    protocol=PROTOCOLS[0],
)
@example(
    raw={
        "studies": [
            {"date": "2026-05-20", "left": "1", "right": "1"},
            {"date": "2026-03-01", "left": "4B", "right": "4C"},
        ]
    },
    protocol=PROTOCOLS[0],
)
def test_the_left_breast_is_no_more_than_the_right(ask: Asker, raw: Json, protocol: str) -> None:
    said = [sorted(card["summary"] for card in plain(ask, charted(protocol, each))[1]) for each in (raw, mirrored(raw))]
    assert said[1] == sorted(re.sub("left|right", lambda found: mirrored(found[0]), each) for each in said[0])


@given(case=records, seed=seeds)
def test_the_order_of_keys_and_of_members_never_matters(ask: Asker, case: CaseChart, seed: int) -> None:
    shuffle = random.Random(seed).shuffle

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            shuffle(keys)
            return {key: turned(value[key]) for key in keys}
        return [turned(each) for each in value] if isinstance(value, list) else value

    prefetch, expected = plain(ask, case)
    assert cards(ask, case, turned(prefetch)) == expected


@given(case=records, kinds=st.lists(st.sampled_from(BUNDLE_TYPES), min_size=6, max_size=6))
def test_the_type_of_a_bundle_never_matters(ask: Asker, case: CaseChart, kinds: list[object]) -> None:
    prefetch, expected = plain(ask, case)
    for bundle, kind in zip(bundles(prefetch).values(), kinds, strict=False):
        bundle["type"] = kind
    assert cards(ask, case, prefetch) == expected


@given(case=records, how=st.sampled_from(["single", "list", "nested", "one bundle for all", "patient in a bundle"]))
@example(case=RICH, how="one bundle for all")
def test_how_resources_are_wrapped_never_matters(ask: Asker, case: CaseChart, how: str) -> None:
    prefetch, expected = plain(ask, case)
    everything = [entry for bundle in bundles(prefetch).values() for entry in bundle.get("entry", [])]
    for key, bundle in bundles(prefetch).items():
        found = [entry["resource"] for entry in bundle.get("entry", [])]
        if how == "single" and len(found) == 1:
            prefetch[key] = found[0]
        elif how == "list":
            prefetch[key] = found
        elif how == "nested":
            prefetch[key] = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": bundle}]}
        elif how == "one bundle for all":
            prefetch[key] = {"resourceType": "Bundle", "type": "collection", "entry": everything}
    if how == "patient in a bundle" and "patient" in prefetch:
        prefetch["patient"] = {"resourceType": "Bundle", "entry": [{"resource": prefetch["patient"]}]}
    assert cards(ask, case, prefetch) == expected


@given(case=records, copies=st.integers(1, 3))
def test_a_resource_that_arrives_twice_counts_once(ask: Asker, case: CaseChart, copies: int) -> None:
    prefetch, expected = plain(ask, case)
    for bundle in bundles(prefetch).values():
        bundle["entry"] = [*bundle.get("entry", []), *copy.deepcopy(bundle.get("entry", [])) * copies]
    assert cards(ask, case, prefetch) == expected


def referring(value: Any, names: dict[str, str]) -> Any:
    """A copy whose references are spelt another way."""
    if isinstance(value, dict):
        found = {key: referring(inner, names) for key, inner in value.items()}
        if isinstance(value.get("reference"), str):
            found["reference"] = names.get(value["reference"], value["reference"])
        return found
    return [referring(each, names) for each in value] if isinstance(value, list) else value


@given(case=records, form=st.sampled_from(["absolute", "versioned", "https in capitals of a host", "urn:uuid"]))
@example(case=RICH, form="urn:uuid")
def test_the_form_of_references_never_matters(ask: Asker, case: CaseChart, form: str) -> None:
    prefetch, expected = plain(ask, case)
    if "patient" in prefetch:
        prefetch["patient"] = {"resourceType": "Bundle", "entry": [{"resource": prefetch["patient"]}]}
    names: dict[str, str] = {}
    for bundle in bundles(prefetch).values():
        for entry in bundle.get("entry", []):
            name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            urn = f"urn:uuid:{len(names):08d}-0000-4000-8000-000000000000"
            entry["fullUrl"] = urn if form == "urn:uuid" else f"{BASE}/{name}"
            names[name] = {
                "absolute": f"{BASE}/{name}",
                "versioned": f"{name}/_history/3",
                "https in capitals of a host": f"HTTPS://EHR.EXAMPLE.ORG/r4/{name}",
                "urn:uuid": urn,
            }[form]
    assert cards(ask, case, referring(prefetch, names)) == expected


def with_strangers(value: Any, strangers: dict[str, Any]) -> Any:
    """A copy with members that nobody knows in every object."""
    if isinstance(value, dict):
        return {key: with_strangers(inner, strangers) for key, inner in value.items()} | strangers
    return [with_strangers(each, strangers) for each in value] if isinstance(value, list) else value


@given(case=records, stranger=json_values, name=st.sampled_from(["x-vendor", "_status", "_code", "versionId", "ätsch"]))
def test_members_that_nobody_knows_never_matter(ask: Asker, case: CaseChart, stranger: Any, name: str) -> None:
    prefetch, expected = plain(ask, case)
    assert cards(ask, case, with_strangers(prefetch, {name: stranger})) == expected


def about_something_else(kind: str, code: str, title: str) -> Json:
    return {
        "resourceType": kind,
        "id": f"else-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": title},
        "effectiveDateTime": "2026-05-30",
        "subject": {"reference": "Patient/case"},
    }


UNRELATED: tuple[Json, ...] = (
    {"resourceType": "Practitioner", "id": "dr-okafor"},
    about_something_else("Observation", "85354-9", "Blood pressure panel"),
    about_something_else("DiagnosticReport", "58410-2", "Complete blood count"),
    {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-found"}]},
)


@given(case=records, key=st.sampled_from(["reports", "observations", "orders", "procedures", "conditions"]))
def test_resources_that_are_about_something_else_never_matter(ask: Asker, case: CaseChart, key: str) -> None:
    prefetch, expected = plain(ask, case)
    if key in prefetch:
        prefetch[key].pop("total")
        prefetch[key]["entry"] = [*prefetch[key].get("entry", []), *({"resource": each} for each in UNRELATED)]
    assert cards(ask, case, prefetch) == expected


def test_the_charts_of_this_file_do_have_cards(ask: Asker) -> None:
    with_cards = [case for case in case_charts() if plain(ask, case)[1]]
    assert len(with_cards) > len(case_charts()) / 2
    assert json.dumps(plain(ask, RICH)[1])
