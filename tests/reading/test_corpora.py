"""The labelled reports are read as their labels say."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.reading.reader import ReportReader

from .corpora import FOLDER, found, plain, rows


@pytest.mark.parametrize("name", ["dev.jsonl", "written.jsonl"])
def test_the_reports_that_the_rules_were_written_with_are_all_read_right(reader: ReportReader, name: str) -> None:
    def expected(row: dict[str, Any]) -> Any:
        return tuple(row["expect"][key] for key in ("overall", "right", "left", "review"))

    misses = {row["id"]: got for row in rows(name) if (got := found(reader, plain(row))) != expected(row)}
    assert misses == {}


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.jsonl")))
def test_every_file_of_reports_is_read_within_the_bars(name: str) -> None:
    result = CliRunner().invoke(main, ["evaluate", "reports", str(FOLDER / name), "--check"])
    assert result.exit_code == 0, result.output[-2000:]


def test_a_wrong_label_fails_the_check_and_the_last_line_says_which_bar(tmp_path: Any) -> None:
    lines = (FOLDER / "dev.jsonl").read_text().splitlines()
    wrong = [line.replace('"overall": "2"', '"overall": "4C"') for line in lines]
    assert wrong != lines
    (tmp_path / "wrong.jsonl").write_text("\n".join(wrong))
    result = CliRunner().invoke(main, ["evaluate", "reports", str(tmp_path / "wrong.jsonl"), "--check"])
    assert result.exit_code == 1
    assert "no dangerous miss" in result.output.splitlines()[-1]
