"""What is written: the same rows as Parquet, CSV and FHIR Tasks, and a summary that counts them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
import orjson
import pytest
from click.testing import CliRunner
from fhir.resources.R4B.task import Task
from lxml import html

from cds_service.cli import main
from cds_service.fhir_elements import Json
from cds_service.worklist.page import page
from tests.worklist.exports import job, listed, mammogram, person, rows, with_open_4b, write


def tasks(out: Path) -> list[Json]:
    return [orjson.loads(line) for line in (out / "tasks.ndjson").read_bytes().splitlines()]


def test_parquet_and_csv_hold_the_same_rows(worklist: tuple[Path, Json]) -> None:
    out = worklist[0]
    with duckdb.connect() as database:
        parquet = database.execute(f"SELECT COLUMNS(*)::VARCHAR FROM '{out}/worklist.parquet'").fetchall()
        types = dict(database.execute(f"SELECT name, type FROM parquet_schema('{out}/worklist.parquet')").fetchall())
    assert [tuple(value or None for value in row.values()) for row in rows(out)] == parquet
    assert types["due"] == "INT32"
    assert types["is_overdue"] == "BOOLEAN"


def test_rows_are_sorted_and_there_is_one_for_each_patient_and_breast(worklist: tuple[Path, Json]) -> None:
    places = [(row["patient"], row["side"]) for row in rows(worklist[0])]
    assert places == sorted(set(places))


def test_every_task_is_valid_and_is_about_its_row(worklist: tuple[Path, Json]) -> None:
    found = tasks(worklist[0])
    for task, row in zip(found, rows(worklist[0]), strict=True):
        Task.model_validate(task)
        assert task["for"] == {"reference": f"Patient/{row['patient']}"}
        assert task["code"]["coding"][0]["code"] == (row["row"] if row["state"] == "open" else row["checks"])
        assert task["priority"] == ("urgent" if row["is_urgent"] == "true" else "routine")
        (site,) = task["input"]
        code = site["valueCodeableConcept"]["coding"][0]["code"]
        assert code == {"left": "80248007", "right": "73056007"}[row["side"]]
    assert len({task["id"] for task in found}) == len(found)


def test_the_task_of_a_patient_who_was_not_decided_says_so(tmp_path: Path) -> None:
    lost = orjson.dumps(mammogram("r", "one", "2", "2")[0])[:-5]
    listed(write(tmp_path / "export", [*with_open_4b("two"), person("one"), lost]), tmp_path / "out")
    (task, _) = tasks(tmp_path / "out")
    Task.model_validate(task)
    assert task["code"] == {"text": "not decided"}


def test_a_task_has_the_same_id_on_the_next_day(tmp_path: Path) -> None:
    from dataclasses import replace
    from datetime import timedelta

    from rich.console import Console

    from cds_service.worklist.run import run

    export = write(tmp_path / "export", with_open_4b("one"))
    today = job(export, tmp_path / "out")
    run(today, Console(quiet=True))
    before = tasks(tmp_path / "out")
    run(replace(today, today=today.today + timedelta(days=1)), Console(quiet=True))
    assert [task["id"] for task in tasks(tmp_path / "out")] == [task["id"] for task in before]
    assert tasks(tmp_path / "out") != before


def test_the_summary_counts_the_rows(worklist: tuple[Path, Json]) -> None:
    out, summary = worklist
    found = rows(out)
    assert summary["patients_listed"] == len({row["patient"] for row in found})
    assert summary["rows"] == dict(Counter(row["state"] for row in found))
    steps = Counter(row["step"] for row in found if row["step"])
    overdue = [row for row in found if row["is_overdue"] == "true"]
    assert {step: each["open"] for step, each in summary["steps"].items()} == dict(steps)
    by_months = Counter((row["step"], row["months_overdue"]) for row in overdue)
    assert {
        (step, months): count for step, each in summary["overdue_by_months"].items() for months, count in each.items()
    } == dict(by_months)
    assert summary["lines"] == sum(summary["resources"].values())
    assert orjson.loads((out / "summary.json").read_bytes()) == summary


def test_months_are_whole_ones_since_the_step_was_due(tmp_path: Path) -> None:
    """A 4B of 2 May 2026 is due on 1 June, the day of the test; the same one of 1 April was due on 1 May."""
    from datetime import date

    resources = [person("a"), *mammogram("r", "a", "4B", "2", date(2026, 5, 1)), person("b")]
    resources += mammogram("s", "b", "4B", "2", date(2026, 4, 1))
    listed(write(tmp_path / "export", resources), tmp_path / "out")
    assert [(row["due"], row["is_overdue"], row["months_overdue"]) for row in rows(tmp_path / "out")] == [
        ("2026-05-31", "true", "0"),
        ("2026-05-01", "true", "1"),
    ]


def test_the_page_stands_alone_and_its_bars_hold_every_overdue_step(worklist: tuple[Path, Json]) -> None:
    out, summary = worklist
    content = (out / "summary.html").read_text(encoding="utf-8")
    tree = html.fromstring(content)
    assert not tree.xpath("//script | //link | //img | //@src | //@href")
    drawn = sum(int(title.text.rpartition(" ")[2].replace(",", "")) for title in tree.xpath("//rect/title"))
    assert drawn == sum(each["overdue"] for each in summary["steps"].values()) > 0
    assert not any(row["patient"] in content for row in rows(out))


def test_an_export_in_which_nothing_is_open_gives_empty_lists(tmp_path: Path) -> None:
    resources = [person("one"), *mammogram("r", "one", "1", "2")]
    summary = listed(write(tmp_path / "export", resources), tmp_path / "out")
    assert (rows(tmp_path / "out"), tasks(tmp_path / "out")) == ([], [])
    assert "Nothing is overdue" in page(summary)


# --------------------------------------------------------------------------------------
# The command


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{tmp}/nowhere", "--out", "{tmp}/out"], "there is no such folder"),
        (["{tmp}/empty", "--out", "{tmp}/out"], "no file in it ends in .ndjson"),
        (["{tmp}/export", "--out", "{tmp}/export/out"], "cannot be written into the export"),
        (["{tmp}/export", "--out", "{tmp}/out", "--protocol", "other"], "there is no protocol other"),
        (["{tmp}/export", "--out", "{tmp}/out", "--memory", "100"], "workers need at least"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    write(tmp_path / "export", with_open_4b("one"))
    (tmp_path / "empty").mkdir()
    answer = CliRunner().invoke(main, ["worklist", *(each.format(tmp=tmp_path) for each in arguments)])
    assert answer.exit_code == 1
    assert says in answer.output
    assert "Traceback" not in answer.output


def test_the_command_prints_what_it_found(tmp_path: Path) -> None:
    export = write(tmp_path / "export", with_open_4b("one"))
    arguments = ["worklist", str(export), "--out", str(tmp_path / "out"), "--today", "2026-06-01", "--workers", "1"]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    assert "1 patients, 1 on the list, 0 of them not decided; 0 lines with a problem" in " ".join(answer.output.split())
