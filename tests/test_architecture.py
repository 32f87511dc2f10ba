"""What a change touches, tried in a temporary copy of the knowledge folder; and what the checker says of a bad edit.

A hook is one module and its entry in services.yaml, a protocol one directory, a code one line, a wording one file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from cds_service import cases, hooks
from cds_service import knowledge as knowledge_folder
from cds_service.errors import KnowledgeError
from cds_service.fhir_orders import check_templates
from cds_service.knowledge import DEFAULT_FOLDER, Knowledge, read_yaml
from cds_service.pipeline import Answer, Options, ServiceDesk, World
from cds_service.synthetic import resources as fhir
from tests.case_charts import CaseChart, Json, chart, request
from tests.conftest import FIXTURES, PUBLIC_URL, TODAY, counted_ids

OPEN_4B = chart("a 4B on the left, five days old, nothing ordered")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the knowledge folder, to be edited."""
    return Path(shutil.copytree(DEFAULT_FOLDER, tmp_path / "cards"))


def edit(path: Path, old: str, new: str) -> None:
    """Replaces words that stand in a file just once."""
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1, f"{content.count(old)} times in {path.name}: {old}"
    path.write_text(content.replace(old, new), encoding="utf-8")


def append(path: Path, more: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + more + "\n", encoding="utf-8")


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def touched(folder: Path) -> set[str]:
    """The files in which a copy differs from the knowledge folder."""
    before, after = files(DEFAULT_FOLDER), files(folder)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def answer(
    folder: Path, asked: Json, *, service: str = "breast-imaging-patient-view", protocol: str = "brochure-calcification"
) -> Answer:
    """What a service with that knowledge answers."""
    desk = ServiceDesk(knowledge_folder.load(folder))
    world = World(today=lambda: TODAY, new_id=counted_ids())
    return desk.answer(
        service, desk.request(service, orjson.dumps(asked)), Options(protocol=protocol, public_url=PUBLIC_URL), world
    )


def opened(case: CaseChart) -> Json:
    return request(case, "patient-view")


# --------------------------------------------------------------------------------------
# A hook


def test_a_hook_is_one_module_and_its_entry_in_discovery(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "more_hooks"
    modules.mkdir()
    (modules / "appointment_book.py").write_text(
        '"""appointment-book: appointments are about to be booked."""\n\n'
        "from cds_service.hooks import Hook\n\n"
        "HOOK = Hook(\n"
        '    name="appointment-book",\n'
        '    required={"userId": "reference", "patientId": "id", "appointments": "bundle"},\n'
        ")\n"
    )
    monkeypatch.setattr(hooks, "__path__", [*hooks.__path__, str(modules)])
    append(
        folder / "services.yaml",
        "  - id: breast-imaging-appointment-book\n"
        "    hook: appointment-book\n"
        "    title: Open steps as appointments are booked\n"
        "    description: Shows the steps that are due.\n",
    )
    asked = opened(OPEN_4B) | {"hook": "appointment-book"}
    asked["context"] |= {"appointments": {"resourceType": "Bundle"}}

    (card,) = answer(folder, asked, service="breast-imaging-appointment-book").cards

    assert card["source"]["topic"]["code"] == "Category4"
    assert touched(folder) == {"services.yaml"}


def test_a_service_for_a_hook_that_no_module_describes_is_refused(folder: Path) -> None:
    append(folder / "services.yaml", "  - {id: x, hook: encounter-start, title: T, description: D}")
    with pytest.raises(LookupError, match="encounter-start"):
        ServiceDesk(knowledge_folder.load(folder))


# --------------------------------------------------------------------------------------
# A protocol


def test_a_protocol_is_one_directory(folder: Path) -> None:
    site = Path(shutil.copytree(folder / "acr-surveillance", folder / "our-breast-centre"))
    edit(site / "protocol.yaml", "id: acr-surveillance", "id: our-breast-centre")
    edit(site / "wording.yaml", "six-month follow-up due {due}, not ordered.", "please book us for {due}.")
    first_visit = opened(chart("a first 3, six months ahead"))

    (card,) = answer(folder, first_visit, protocol="our-breast-centre").cards

    assert card["summary"] == "BI-RADS 3 (probably benign), left breast, 2026-05-10: please book us for 2026-11-10."
    assert "our-breast-centre 1.1.0" in card["detail"]
    assert {Path(name).parts[0] for name in touched(folder)} == {"our-breast-centre"}
    assert cases.problems(knowledge_folder.load(folder)) == []


def test_a_protocol_can_change_a_number_and_nothing_else(folder: Path) -> None:
    site = folder / "yearly"
    site.mkdir()
    (site / "protocol.yaml").write_text(
        "id: yearly\nversion: 0.1.0\ntitle: A longer grace\nextends: brochure-calcification\neffective: 2026-11-22\n"
        "approval: {status: proposed, approver: nobody yet}\nsource: {label: Ours}\n"
        "limits: {suspicion_horizon: {months: 60, cites: [contract]}}\n"
    )
    (site / "wording.yaml").write_text("{}\n")
    long_ago = opened(chart("after 24 months nobody asks any more"))

    assert answer(folder, long_ago).cards == []
    (card,) = answer(folder, long_ago, protocol="yearly").cards
    assert card["source"]["topic"]["code"] == "UnconfirmedSuspicion"


# --------------------------------------------------------------------------------------
# A code, a wording, a number


def test_a_code_is_one_line(folder: Path) -> None:
    concept = fhir.concept(
        "http://hl7.org/fhir/us/breast-radiology/CodeSystem/breastrad-BiRadCodeCS", "BIRAD4BModerate"
    )
    reported = fhir.report("r", "case", TODAY, code=(fhir.LOINC, "26347-5", "MG"), conclusion_codes=[concept])
    asked = opened(OPEN_4B)
    asked["prefetch"] |= {"reports": reported, "observations": None}
    assert [card["source"]["topic"]["code"] for card in answer(folder, asked).cards] == ["ReportNotRead"]

    append(
        folder / "_terminology" / "breast-ig-biradcode-0.1.0.yaml",
        '  "BIRAD4BModerate": {means: category, value: 4B, display: "Moderate", evidence: B, sources: [ig-0.1.0]}',
    )

    (card,) = answer(folder, asked).cards
    assert card["summary"] == "BI-RADS 4B (suspicious), left breast, 2026-06-01: biopsy not yet ordered."
    assert touched(folder) == {"_terminology/breast-ig-biradcode-0.1.0.yaml"}


def test_a_code_of_an_order_is_one_line(folder: Path) -> None:
    edit(folder / "orders.yaml", "left: {code: 26293-1, ", "left: {code: 26338-4, ")
    (card,) = answer(folder, opened(OPEN_4B)).cards
    codes = [coding["code"] for coding in card["suggestions"][0]["actions"][0]["resource"]["code"]["coding"]]
    assert codes == ["116334007", "26338-4"]


def test_a_wording_is_one_file(folder: Path) -> None:
    edit(
        folder / "brochure-calcification" / "wording.yaml",
        "Suspicious: a tissue diagnosis is needed.",
        "Please biopsy.",
    )
    (card,) = answer(folder, opened(OPEN_4B)).cards
    assert card["detail"].startswith("Please biopsy.")
    assert touched(folder) == {"brochure-calcification/wording.yaml"}


def test_a_word_of_reports_is_one_line(folder: Path) -> None:
    edit(folder / "_terminology" / "words.yaml", "dystrophic: [dystrophic]", "dystrophic: [dystrophic, granular]")
    decided = answer(folder, opened(chart("a word that nobody knows decides nothing")))
    right = next(each for each in decided.decisions if each.situation.side.value == "right")
    assert right.row is not None
    assert right.row.id == "DerivedBenign"


def test_an_interval_is_one_number(folder: Path) -> None:
    protocol = folder / "brochure-calcification" / "protocol.yaml"
    edit(protocol, "timing: {from: index, due: {months: 6},", "timing: {from: index, due: {months: 4},")
    (card,) = answer(folder, opened(chart("a first 3, six months ahead"))).cards
    assert "due 2026-09-10" in card["summary"]


# --------------------------------------------------------------------------------------
# The checker


def problems(folder: Path) -> list[str]:
    """Everything that the checker finds, as the command that checks the knowledge folder does."""
    try:
        known: Knowledge = knowledge_folder.load(folder)
        return [*check_templates(known.catalogue), *cases.problems(known)]
    except KnowledgeError as error:
        return list(error.problems)


def test_the_folder_as_it_ships_has_no_problems(folder: Path) -> None:
    assert problems(folder) == []


BREAKAGES = read_yaml(FIXTURES / "knowledge-breakages.yaml")


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=list(BREAKAGES))
def test_the_checker_names_file_row_and_field(folder: Path, breakage: Json) -> None:
    edit(folder / breakage["file"], breakage["old"], breakage["new"])
    found = problems(folder)
    assert found
    assert found[0].startswith(f"{breakage['file']}: ")
    for words in breakage["says"]:
        assert any(words in line for line in found), found


@pytest.mark.parametrize("case", ["a citation that is missing", "a must", "a placeholder that nobody knows"])
def test_the_checker_names_the_file_that_was_edited_although_another_protocol_extends_it(
    folder: Path, case: str
) -> None:
    breakage = BREAKAGES[case]
    edit(folder / breakage["file"], breakage["old"], breakage["new"])
    assert any(line.startswith(f"{breakage['file']}: ") for line in problems(folder))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (
            "when: {assessment: derived, group: suspicious}",
            "group: suspicous",
            "decisions[DerivedSuspicious].when.group",
        ),
        ("when: {pathology: malignant}", "pathology: cancer", "decisions[PathologyMalignant].when.pathology"),
        ("when: {sex: male}", "sex: man", "exclusions[NoScreeningMale].when.sex"),
        (
            'when: {assessment: stated, category: "3", next_visit: full-year}',
            'category: "3", next_visit: year',
            "decisions[Category3FullYear].when.next_visit",
        ),
    ],
)
def test_a_word_that_a_fact_never_is_is_a_problem(folder: Path, old: str, new: str, where: str) -> None:
    edit(folder / "brochure-calcification" / "protocol.yaml", old, f"when: {{{new}}}")
    assert any(where in line for line in problems(folder))


def test_a_row_without_a_case_is_a_problem(folder: Path) -> None:
    protocol = folder / "brochure-calcification" / "protocol.yaml"
    edit(
        protocol,
        "notes:\n",
        "notes:\n  - {id: Ninety, title: 90 or older, when: {age_years: {at-least: 90}}, cites: [contract]}\n",
    )
    edit(folder / "brochure-calcification" / "wording.yaml", "  Lactating:", '  Ninety: "90 or older."\n  Lactating:')
    assert problems(folder) == [
        "acr-surveillance/protocol.yaml: [Ninety]: no case covers the row",
        "brochure-calcification/protocol.yaml: [Ninety]: no case covers the row",
    ]


@pytest.mark.parametrize(
    "name", ["orders.yaml", "services.yaml", "acr-surveillance/wording.yaml", "_terminology/words.yaml"]
)
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert any(line.startswith(f"{name}: ") and "the file is missing" in line for line in problems(folder))


def test_all_problems_of_one_kind_are_told_at_once(folder: Path) -> None:
    edit(folder / "brochure-calcification" / "protocol.yaml", "when: {deceased: true}", "when: {dead: true}")
    edit(folder / "brochure-calcification" / "protocol.yaml", "step: work-up", "step: workup")
    assert len(problems(folder)) >= 2


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'}: there is no such folder"]
