"""Holds the requirement ledger against the tests, and writes docs/conformance.md from both.

python -m tests.spec.write_ledger            writes the document
python -m tests.spec.write_ledger --check    says what is wrong with the ledger or the document, and exits with 1
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

TESTS = Path(__file__).parents[1]
LEDGER = Path(__file__).parent / "ledger.yaml"
LEVELS = re.compile(r"(CRD )?(SHALL|SHOULD)( NOT)?|MAY|REC|BP|STU|duty|note|encouraged")
DOCUMENT = TESTS.parent / "docs" / "conformance.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One requirement of CDS Hooks."""

    id: str
    level: str
    side: str
    statement: str
    untested: str | None = None
    """Why no test can check it."""
    pending: str | None = None
    """What its tests do not check yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One test, the requirements that it checks, and the bug for which it fails at present."""

    name: str
    requirements: tuple[str, ...]
    bug: str | None

    @property
    def sentence(self) -> str:
        return self.name.removeprefix("test_").replace("_", " ")


Sections = dict[str, list[Row]]


def sections(path: Path = LEDGER) -> Sections:
    """The rows of the ledger under the titles of their sections."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {section["section"]: [Row(**row) for row in section["rows"]] for section in raw}


def checks(folder: Path = TESTS) -> list[Check]:
    """Every test in the folder that names a requirement."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = list(_marks(node))
                named = [each for name, mark in marks if name == "requirement" for each in _strings(mark.args)]
                reasons = [
                    each for name, mark in marks if name == "xfail" for each in _strings(k.value for k in mark.keywords)
                ]
                if named:
                    found.append(Check(name=node.name, requirements=tuple(named), bug=next(iter(reasons), None)))
    return found


def _marks(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """The marks of a test with their names: `@pytest.mark.NAME(...)`."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).startswith("pytest.mark."):
            yield ast.unparse(decorator.func).removeprefix("pytest.mark."), decorator


def _strings(nodes: Iterable[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def problems(ledger: Sections, tests: Iterable[Check]) -> list[str]:
    """What does not fit between the ledger and the tests."""
    tests = list(tests)
    rows = [row for group in ledger.values() for row in group]
    known = {row.id for row in rows}
    tested = {each for test in tests for each in test.requirements}
    found = [
        f"{test.name}: there is no requirement {each}"
        for test in tests
        for each in test.requirements
        if each not in known
    ]
    for row in rows:
        if sum(each.id == row.id for each in rows) > 1:
            found.append(f"{row.id}: stands twice")
        if row.side not in ("server", "client") or not LEVELS.fullmatch(row.level.partition(" (")[0]):
            found.append(f"{row.id}: there is no level {row.level} of the {row.side}")
        if row.id in tested and row.untested:
            found.append(f"{row.id}: has a test and a reason for having none")
        if row.id not in tested and not row.untested:
            found.append(f"{row.id}: {row.level} of the {row.side}, has neither a test nor a reason")
    return found


def document(ledger: Sections, tests: Iterable[Check]) -> str:
    """docs/conformance.md."""
    tests = list(tests)
    rows = [row for group in ledger.values() for row in group]
    excused = {row.id for row in rows if row.untested}
    failing = {each for test in tests if test.bug for each in test.requirements}
    partly = sum(row.pending is not None and row.id not in failing for row in rows)
    sound = len(rows) - len(excused) - len(failing)
    lines = [
        "# Conformance to CDS Hooks",
        "",
        "Written by `make ledger` from `tests/spec/ledger.yaml` and the tests; do not edit. The wire is CDS Hooks",
        "2.0.1, and what 3.0 allows is read as well. REC is a ruling of this project where the texts are silent.",
        "",
        f"{len(rows)} requirements: {sound} hold as far as {len(tests)} tests can tell ({partly} of them in part yet),",
        f"{len(failing)} fail at least one test for a known bug, {len(excused)} are not tested for the reason given.",
    ]
    for title, group in ledger.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| id | level | side | statement | checked by |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {row.id} | {row.level} | {row.side} | {row.statement} | {_checked_by(row, tests)} |" for row in group
        ]
    return "\n".join(lines) + "\n"


def _checked_by(row: Row, tests: Iterable[Check]) -> str:
    if row.untested:
        return f"*not tested: {row.untested}*"
    said = [
        f"**fails:** {test.sentence} ({test.bug})" if test.bug else test.sentence
        for test in tests
        if row.id in test.requirements
    ]
    return "; ".join([*said, *([f"*pending: {row.pending}*"] if row.pending else [])])


def main(arguments: list[str]) -> int:
    ledger, tests = sections(), checks()
    found = problems(ledger, tests)
    written = document(ledger, tests)
    if arguments == ["--check"]:
        if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != written:
            found.append(f"{DOCUMENT.name}: is stale, run make ledger")
    else:
        DOCUMENT.write_text(written, encoding="utf-8")
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
