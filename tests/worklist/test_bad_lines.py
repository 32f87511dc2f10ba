"""Nothing of an export is lost in silence: each line that cannot be used is told, and so is each patient it names."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import orjson
import pytest

from cds_service.fhir_elements import Json
from cds_service.worklist.export import LONGEST_LINE, NoExport, Tally, entries, portions
from cds_service.worklist.patients import DAMAGED, Relevance
from tests.worklist.exports import listed, mammogram, person, problems, rows, with_open_4b, write


def cut(resource: Json) -> bytes:
    """A line that broke off."""
    return orjson.dumps(resource)[:-9]


def test_each_bad_line_is_told_with_its_file_and_its_number(tmp_path: Path) -> None:
    good = with_open_4b("one")
    export = tmp_path / "export"
    write(export, [good[0], b"", b"\xff\xfe not JSON", *good[1:2], b"[1, 2]"], "a.ndjson")
    write(export, [b'{"id": "no type"}', good[2], {"resourceType": "Observation", "id": "x"}], "b.ndjson.gz")
    write(export, [good[3], b"null", b'"words"'], "sub.jsonl")
    summary = listed(export, tmp_path / "out")
    assert problems(tmp_path / "out") == [
        ("a.ndjson", 3, "not a JSON object"),
        ("a.ndjson", 5, "not a JSON object"),
        ("b.ndjson.gz", 1, "not a FHIR resource"),
        ("b.ndjson.gz", 3, "names no patient"),
        ("sub.jsonl", 2, "not a JSON object"),
        ("sub.jsonl", 3, "not a JSON object"),
    ]
    assert summary["problem_lines"] == 6
    assert summary["problems"] == {"names no patient": 1, "not a FHIR resource": 1, "not a JSON object": 4}
    assert "not a JSON object: 4" in (tmp_path / "out" / "summary.html").read_text()
    assert [row["step"] for row in rows(tmp_path / "out")] == ["tissue-diagnosis"]


@pytest.mark.parametrize(
    "subject", [{"reference": "#who"}, {"identifier": {"system": "urn:oid:1.2.3", "value": "77"}}, {"display": "Ada"}]
)
def test_a_resource_that_does_not_say_by_an_id_whose_it_is_is_told(tmp_path: Path, subject: Json) -> None:
    who = person("who") | {"identifier": [{"system": "urn:oid:1.2.3", "value": "77"}]}
    stray = mammogram("s", "x", "5", "5")[0] | {"subject": subject, "contained": [who]}
    listed(write(tmp_path / "export", [*with_open_4b("one"), stray]), tmp_path / "out")
    assert problems(tmp_path / "out") == [("all.ndjson", 5, "names no patient")]
    assert [row["patient"] for row in rows(tmp_path / "out")] == ["one"]


def test_line_numbers_add_up_over_the_portions_of_a_file(tmp_path: Path, small_export: Path) -> None:
    """With little memory a file is read in several portions; the number is still that of the file."""
    line = (small_export / "Observation.00000.ndjson").read_bytes().splitlines()[0]
    count = 24 * 1024 * 1024 // len(line)
    content = (line + b"\n") * count + b"broken\n" + (line + b"\n") * 10 + b"broken too\n"
    export = write(tmp_path / "export", [])
    (export / "all.ndjson").write_bytes(content)
    listed(export, tmp_path / "out", memory=320)
    assert [where for _, where, _ in problems(tmp_path / "out")] == [count + 1, count + 12]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_patient_whose_data_were_damaged_is_listed_as_not_decided(tmp_path: Path, kind: int) -> None:
    """Patient, report or Observation: with the line lost, silence would mean nothing."""
    resources: list[bytes | Json] = [person("one"), *mammogram("r", "one", "2", "2")]
    resources[kind] = cut(resources[kind])  # type: ignore[arg-type]
    summary = listed(write(tmp_path / "export", resources), tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    assert (row["patient"], row["side"], row["state"], row["because"]) == ("one", "unstated", "not-decided", DAMAGED)
    assert summary["patients_not_decided"] == 1


def test_what_the_rest_of_a_damaged_patient_calls_for_is_listed_too(tmp_path: Path) -> None:
    lost = mammogram("s", "one", "2", "2")[0]
    listed(write(tmp_path / "export", [*with_open_4b("one"), cut(lost)]), tmp_path / "out")
    assert [(row["side"], row["state"], row["step"], row["because"]) for row in rows(tmp_path / "out")] == [
        ("left", "open", "tissue-diagnosis", DAMAGED),
        ("unstated", "not-decided", "", DAMAGED),
    ]


def test_a_damaged_line_that_could_not_have_mattered_flags_nobody(tmp_path: Path) -> None:
    lost = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/one"}, "status": "finished"}
    resources = [person("one"), *mammogram("r", "one", "2", "2"), cut(lost)]
    summary = listed(write(tmp_path / "export", resources), tmp_path / "out")
    assert rows(tmp_path / "out") == []
    assert summary["problem_lines"] == 1


def test_a_compressed_file_that_breaks_off_is_told_and_what_was_read_of_it_counts(tmp_path: Path) -> None:
    export = write(tmp_path / "export", with_open_4b("one"), "a.ndjson")
    more = b"".join(orjson.dumps(each) + b"\n" for number in range(300) for each in with_open_4b(f"n{number}"))
    (export / "b.ndjson.gz").write_bytes(gzip.compress(more)[:-2000])
    listed(export, tmp_path / "out")
    ((file, line, problem),) = [each for each in problems(tmp_path / "out") if "damaged" in each[2]]
    assert (file, problem) == ("b.ndjson.gz", "the file is damaged from here on")
    assert 1 < line < 1200
    assert 100 < len(rows(tmp_path / "out")) < 301


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path, knowledge: object) -> None:
    export = write(tmp_path / "export", [])
    with (export / "all.ndjson").open("wb") as file:
        file.write(b'{"resourceType":"Observation","x":"')
        for _ in range(2 * LONGEST_LINE // (1 << 20)):
            file.write(b"a" * (1 << 20))
        file.write(b'"}\n' + orjson.dumps(person("one")) + b"\n")
    tally = Tally()
    (portion,) = portions(export, 1 << 40)
    found = list(entries(export, portion, Relevance(knowledge.terminology), tally))  # type: ignore[attr-defined]
    assert tally.problems == [(1, "longer than 64 MB")]
    assert [entry.patient for entry in found] == ["one"]


def test_reports_of_problems_hold_no_patient_data(tmp_path: Path) -> None:
    resources = [cut(each) for each in with_open_4b("secret-id")]
    export = write(tmp_path / "export", [*resources, *with_open_4b("other")])
    listed(export, tmp_path / "out")
    for name in ("problems.csv", "summary.json", "summary.html"):
        assert not re.search("secret-id|other|Invented|Ada", (tmp_path / "out" / name).read_text())


def test_a_patient_who_cannot_be_decided_is_listed_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knowledge: object
) -> None:
    from cds_service.worklist import patients
    from tests.conftest import TODAY

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(patients, "history", broken)
    decider = patients.Decider(knowledge, "brochure-calcification", TODAY)  # type: ignore[arg-type]
    (row,) = decider.rows("one", [orjson.dumps(each) for each in with_open_4b("one")])
    assert (row.patient, row.state, row.because) == ("one", "not-decided", "deciding failed (KeyError)")


def test_types_of_which_nothing_was_exported_are_told_on_every_step(tmp_path: Path) -> None:
    summary = listed(write(tmp_path / "export", with_open_4b("one")), tmp_path / "out")
    assert summary["not_exported"] == ["appointments", "conditions", "orders", "procedures"]
    assert [row["unchecked"] for row in rows(tmp_path / "out")] == ["orders procedures"]


def test_an_export_without_reports_and_observations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoExport, match="neither a DiagnosticReport nor an Observation"):
        listed(write(tmp_path / "export", [person("one")]), tmp_path / "out")
