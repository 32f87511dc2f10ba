"""The answer depends on what the export says, not on how it is cut into files or who works on it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cds_service.fhir_elements import Json
from cds_service.knowledge import Knowledge
from cds_service.worklist.buckets import Lines, Slices
from cds_service.worklist.export import Entry, Tally, entries, portions
from cds_service.worklist.patients import KEYS, Decider, Relevance, Use, patients_of
from tests.conftest import TODAY
from tests.worklist.exports import lines_of, listed, mammogram, person, reshaped, rows, with_open_4b, write

FILES = ("worklist.csv", "tasks.ndjson")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_and_split_of_the_files_gives_the_same_list(
    small_export: Path, small_worklist: tuple[Path, Json], tmp_path: Path, seed: int
) -> None:
    summary = listed(reshaped(small_export, tmp_path / "export", seed), tmp_path / "out")
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (small_worklist[0] / name).read_bytes()
    assert summary | {"files": 0} == small_worklist[1] | {"files": 0}


def test_any_number_of_workers_and_any_memory_give_the_same_list(
    small_export: Path, small_worklist: tuple[Path, Json], tmp_path: Path
) -> None:
    listed(small_export, tmp_path / "out", workers=3, memory=520)
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (small_worklist[0] / name).read_bytes()


@pytest.mark.parametrize("size", [1, 700, 5000])
def test_portions_of_any_size_hold_every_line_once(
    export: Path, knowledge: Knowledge, size: int, tmp_path: Path
) -> None:
    some = write(tmp_path, lines_of(export)[:300])
    found: list[Entry] = []
    tally = Tally()
    for portion in portions(some, size):
        found += entries(some, portion, Relevance(knowledge.terminology), tally)
    whole = Tally()
    (all_of_it,) = portions(some, 1 << 30)
    assert found == list(entries(some, all_of_it, Relevance(knowledge.terminology), whole))
    assert (tally.lines, tally.resources) == (whole.lines, whole.resources)
    assert whole.lines == 300


def test_a_bucket_that_is_too_large_is_read_in_several_passes(tmp_path: Path) -> None:
    slices = Slices(tmp_path, 1)
    found = [Entry(f"p{number % 50}", "+", b"x" * 100 + b"%d" % number) for number in range(1000)]
    slices.write(0, iter(found[:600]), Tally(), block_size=5000)
    slices.write(1, iter(found[600:]), Tally(), block_size=50_000)

    def patients(memory: int) -> dict[str, Lines]:
        pairs = list(slices.patients(0, memory))
        assert len(pairs) == 50
        return dict(pairs)

    assert patients(10_000) == patients(10_000_000)
    assert sum(len(each.sure) for each in patients(10_000).values()) == 1000


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/one"},
        {"reference": "https://ehr.example.org/fhir/Patient/one"},
        {"reference": "https://ehr.example.org/fhir/Patient/one/_history/3"},
        {"reference": "urn:uuid:one"},
        {"reference": "Patient/one", "type": "Patient", "display": "somebody"},
    ],
)
def test_a_reference_to_the_patient_may_have_any_form(tmp_path: Path, subject: Json) -> None:
    resources = with_open_4b("one")
    for resource in resources[1:]:
        resource["subject"] = subject
    listed(write(tmp_path / "export", resources), tmp_path / "out")
    assert [(row["patient"], row["side"], row["step"]) for row in rows(tmp_path / "out")] == [
        ("one", "left", "tissue-diagnosis")
    ]


def test_of_two_versions_of_a_resource_the_newer_one_counts(tmp_path: Path) -> None:
    old, new = mammogram("r", "one", "2", "2"), mammogram("r", "one", "4B", "2")
    for resource in old:
        resource["meta"] = {"lastUpdated": "2026-05-02T10:00:00Z"}
    for resource in new:
        resource["meta"] = {"lastUpdated": "2026-05-03T10:00:00Z"}
    for number, both in enumerate(((*old, *new), (*new, *old))):
        listed(write(tmp_path / f"export{number}", [person("one"), *both]), tmp_path / f"out{number}")
        assert [row["category"] for row in rows(tmp_path / f"out{number}")] == ["4B"]


def test_observations_reached_only_through_a_report_are_read(tmp_path: Path) -> None:
    """The Observation has no code that we know; what it says counts because a breast report leads to it by a member."""
    report, *_ = mammogram("r", "one", "2", "2")
    report["result"] = [{"reference": "Observation/panel"}]
    panel = {
        "resourceType": "Observation",
        "id": "panel",
        "status": "final",
        "code": {"text": "panel"},
        "subject": {"reference": "Patient/one"},
        "hasMember": [{"reference": "Observation/said"}],
    }
    said = panel | {"id": "said", "valueString": "Left breast: ACR category 4B, biopsy is recommended."}
    del said["hasMember"]
    listed(write(tmp_path / "export", [person("one"), said, panel, report]), tmp_path / "out")
    without = write(tmp_path / "without", [person("one"), report])
    listed(without, tmp_path / "out2")
    assert rows(tmp_path / "out") != rows(tmp_path / "out2")


SCT = b'"coding":[{"system":"http://snomed.info/sct","code":"%s"}]'


@pytest.mark.parametrize(
    ("kind", "inside", "use"),
    [
        ("Observation", b'"code":{"text":"Heart rate"}', Use.IF_LED_TO),
        ("Observation", b'"text":{"div":"<div xmlns=\\"x\\">72</div>"},"code":{"text":"Heart rate"}', Use.IF_LED_TO),
        ("Observation", b'"code":{%s}' % (SCT % b"397144001"), Use.SURE),
        ("Observation", b'"code":{%s}' % (SCT % b" 397144001 "), Use.SURE),
        ("Observation", b'"code":{%s}' % (SCT % b"39714400\\u0031"), Use.SURE),
        ("Observation", b'"valueString":"Bi-Rads 4"', Use.SURE),
        ("Condition", b'"code":{%s}' % (SCT % b"38341003"), Use.NONE),
        ("Condition", b'"code":{%s}' % (SCT % b"254837009"), Use.SURE),
        ("Procedure", b'"code":{"text":"Knee arthroscopy"}', Use.NONE),
        ("Procedure", b'"code":{"text":"Core biopsy, left breast"}', Use.SURE),
        ("ServiceRequest", b'"code":{"text":"Mammographie beidseits"}', Use.SURE),
        ("DiagnosticReport", b'"code":{"text":"Blood count"},"result":[{"reference":"Observation/1"}]', Use.IF_LEADING),
        ("DiagnosticReport", b'"code":{"text":"Report"},"conclusion":"BI-RADS 4"', Use.SURE),
        ("Appointment", b'"status":"booked"', Use.SURE),
    ],
)
def test_a_resource_is_left_out_only_where_it_cannot_matter(
    knowledge: Knowledge, kind: str, inside: bytes, use: Use
) -> None:
    line = b'{"resourceType":"%s","id":"1",%s}' % (kind.encode(), inside)
    assert Relevance(knowledge.terminology).use(kind, orjson.loads(line), line) is use


def test_what_is_left_out_never_changes_a_row(small_export: Path, knowledge: Knowledge) -> None:
    """Every patient decided from the lines that were kept, and from all lines."""
    everything: dict[str, list[bytes]] = {}
    for line in lines_of(small_export):
        resource = orjson.loads(line)
        if resource["resourceType"] in KEYS:
            for patient in patients_of(resource["resourceType"], resource):
                everything.setdefault(patient, []).append(line)
    kept: dict[str, Lines] = {}
    for portion in portions(small_export, 1 << 30):
        for entry in entries(small_export, portion, Relevance(knowledge.terminology), Tally()):
            kept.setdefault(entry.patient, Lines()).add(entry.mark.encode(), entry.line)
    decider = Decider(knowledge, "brochure-calcification", TODAY)
    some = sorted(everything)
    assert all(decider.rows(each, everything[each]) == decider.rows(each, kept[each].usable()) for each in some)
    assert sum(len(kept[each].usable()) for each in some) < sum(len(everything[each]) for each in some) / 2
