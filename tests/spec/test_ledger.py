"""The ledger of requirements is complete, its tests exist, and the document that is made of both is current."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.spec.write_ledger import DOCUMENT, Check, Row, checks, document, problems, sections

ROW = Row(id="GEN-01", level="SHALL", side="server", statement="Bodies are JSON")
CHECK = Check(name="test_bodies_are_json", requirements=("GEN-01",), bug=None)


def test_every_requirement_has_a_test_or_a_reason_and_every_test_a_known_requirement() -> None:
    assert problems(sections(), checks()) == []


def test_the_conformance_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(sections(), checks()), "run make ledger"


@pytest.mark.parametrize(
    ("rows", "tests", "problem"),
    [
        ([ROW], [], "GEN-01: SHALL of the server, has neither a test nor a reason"),
        ([], [CHECK], "test_bodies_are_json: there is no requirement GEN-01"),
        ([ROW, ROW], [CHECK], "GEN-01: stands twice"),
        ([replace(ROW, level="MUST")], [CHECK], "GEN-01: there is no level MUST of the server"),
        ([replace(ROW, untested="duty of the client")], [CHECK], "GEN-01: has a test and a reason for having none"),
    ],
)
def test_a_gap_between_ledger_and_tests_is_named(rows: list[Row], tests: list[Check], problem: str) -> None:
    assert problem in problems({"All": rows}, tests)


def test_the_marks_of_a_test_are_read_from_its_source(tmp_path: Path) -> None:
    source = """
import pytest

@pytest.mark.xfail(reason="bug: it is XML", strict=True)
@pytest.mark.requirement("GEN-01", "GEN-09")
@pytest.mark.parametrize("body", ["{}"])
def test_bodies_are_json(body: str) -> None: ...

def test_without_a_requirement() -> None: ...
"""
    (tmp_path / "test_bodies.py").write_text(source)
    found = checks(tmp_path)
    assert found == [Check(name="test_bodies_are_json", requirements=("GEN-01", "GEN-09"), bug="bug: it is XML")]


def test_a_known_bug_stands_in_the_document() -> None:
    failing = Check(name="test_bodies_are_json", requirements=("GEN-01",), bug="bug: it is XML")
    assert "**fails:** bodies are json (bug: it is XML)" in document({"All": [ROW]}, [failing])
