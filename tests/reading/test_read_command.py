"""`cds-service read`: the assessments, the sentence, and marks under the words that decided."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from cds_service.cli import main

REPORT = "FINDINGS: Prior mammogram BI-RADS 0.\nIMPRESSION: Right breast: BI-RADS 1. Left breast: BI-RADS 4B, biopsy.\n"


def lines(output: str) -> list[str]:
    return output.splitlines()


def test_the_words_that_decided_are_marked(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text(REPORT)
    result = CliRunner().invoke(main, ["read", str(tmp_path / "report.txt")])
    assert result.exit_code == 0
    printed = lines(result.output)
    place = next(i for i, line in enumerate(printed) if line.startswith("Left breast: 4B"))
    sentence, marks = printed[place + 1 : place + 3]
    begin, end = marks.index("^"), len(marks.rstrip())
    assert sentence[begin:end] == "BI-RADS 4B"


def test_what_was_found_and_not_counted_is_listed() -> None:
    result = CliRunner().invoke(main, ["read", "-"], input=REPORT)
    assert "0: history" in result.output


def test_a_report_without_an_assessment_says_so() -> None:
    result = CliRunner().invoke(main, ["read", "-"], input="Mammogram. Breast density C. No mass.")
    assert "No assessment" in result.output


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4 nothing")
    result = CliRunner().invoke(main, ["read", str(tmp_path / "scan.pdf")])
    assert result.exit_code != 0
    assert "PDF" in result.output
    assert "Traceback" not in result.output
