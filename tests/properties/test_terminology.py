"""Every code of every code system is known by every spelling of its system, and wrong codes are never a hit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cds_service.fhir_elements import codings
from cds_service.knowledge import DEFAULT_FOLDER, Knowledge, read_yaml
from cds_service.terminology import Means, Terminology, is_valid_loinc, is_valid_sctid

from .conftest import examples

SYSTEMS: dict[str, dict[str, Any]] = {
    path.stem: read_yaml(path)
    for path in sorted((DEFAULT_FOLDER / "_terminology").glob("*.yaml"))
    if path.name != "words.yaml"
}
CATEGORY_SYSTEMS = [
    name for name, raw in SYSTEMS.items() if any(entry["means"] == "category" for entry in raw["codes"].values())
]
SNOMED, LOINC = SYSTEMS["snomed-ct"], SYSTEMS["loinc"]


def spellings(raw: dict[str, Any]) -> Iterator[str]:
    """The ways in which a code system is named: its URI and aliases, http or https, with a slash, with a version."""
    for uri in (raw["system"], *raw.get("aliases", ())):
        for form in {uri, uri.replace("http://", "https://"), uri.replace("https://", "http://")}:
            yield form
            yield f"{form}/"
            yield f"{form}|2024-03"
            yield f" {form} "


@pytest.fixture(scope="session")
def terms(knowledge: Knowledge) -> Terminology:
    return knowledge.terminology


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_code_is_known_by_every_spelling_of_its_system(terms: Terminology, name: str) -> None:
    raw = SYSTEMS[name]
    for system in spellings(raw):
        for code, entry in raw["codes"].items():
            found = terms.concept(system, code)
            assert found is not None, (system, code)
            assert (found.means, found.value) == (entry["means"], entry.get("value", "")), (system, code)


@pytest.mark.parametrize("edition", ["/11000172109/version/20231115", "/900000000000207008", "|http://x"])
def test_snomed_ct_is_known_by_its_editions(terms: Terminology, edition: str) -> None:
    found = terms.concept(SNOMED["system"] + edition, "397145000")
    assert found is not None
    assert found.value == "5"


def test_the_code_systems_of_categories_are_the_ones_that_are_meant() -> None:
    assert set(CATEGORY_SYSTEMS) == {
        "snomed-ct", "snomed-rt", "umls", "dicom-bi", "oifm", "breast-ig-radlexcde", "breast-ig-categories-0.2.0",
        "breast-ig-category-2021", "breast-ig-biradcode-0.1.0",
    }  # fmt: skip


@pytest.mark.parametrize("name", CATEGORY_SYSTEMS)
def test_a_category_code_means_nothing_in_another_code_system(terms: Terminology, name: str) -> None:
    own = {code for code, entry in SYSTEMS[name]["codes"].items() if entry["means"] == "category"}
    for other, raw in SYSTEMS.items():
        for code in own - set(raw["codes"]):
            found = terms.concept(raw["system"], code)
            assert found is None or found.means is not Means.CATEGORY, (other, code)


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, raw in SYSTEMS.items() for code in raw.get("misused", ())]
)
def test_a_misused_code_is_never_a_category(terms: Terminology, name: str, code: str) -> None:
    for system in spellings(SYSTEMS[name]):
        found = terms.concept(system, code)
        assert found is None or found.means is not Means.CATEGORY


@pytest.mark.parametrize(
    ("name", "code"), [("loinc", "72018-2"), ("snomed-ct", "39714307"), ("snomed-ct", "300886002")]
)
def test_a_code_with_a_wrong_check_digit_means_nothing(terms: Terminology, name: str, code: str) -> None:
    system = SYSTEMS[name]["system"]
    assert terms.concept(system, code) is None
    assert terms.misuse(system, code) is not None


@pytest.mark.parametrize(
    ("code", "means", "value"),
    [
        ("71651007", Means.ORDER, "mammogram"),
        ("129762002", Means.MORPHOLOGY, "fine_linear_branching"),
    ],
)
def test_a_code_that_is_shown_wrongly_means_what_it_means(
    terms: Terminology, code: str, means: Means, value: str
) -> None:
    found = terms.concept(SNOMED["system"], code)
    assert found is not None
    assert (found.means, found.value) == (means, value)


all_codes = st.sampled_from(sorted({code for raw in SYSTEMS.values() for code in raw["codes"]}))


@examples(200)
@given(code=all_codes, missing=st.sampled_from(["absent", None, "", 7, []]))
def test_a_coding_without_a_system_is_never_a_hit(code: str, missing: object) -> None:
    coding: dict[str, object] = {"code": code, "display": "Mammography assessment (Category 5)"}
    if missing != "absent":
        coding["system"] = missing
    assert list(codings({"coding": [coding]})) == []


@examples(200)
@given(code=all_codes, system=st.text(max_size=20) | st.just("http://example.org/local") | st.just(" "))
def test_a_coding_of_a_system_that_nobody_knows_is_never_a_hit(terms: Terminology, code: str, system: str) -> None:
    assume(terms.canonical(system) is None)
    assert terms.concept(system, code) is None


@pytest.mark.parametrize(
    "system", ["http://snomed.info", "http://snomed.info/sctx", "snomed", "SCT", "loinc.org", "LOINC"]
)
def test_a_system_that_only_looks_like_one_is_not_one(terms: Terminology, system: str) -> None:
    assert terms.canonical(system) is None


# --------------------------------------------------------------------------------------
# Check digits

sctids = st.sampled_from(sorted(SNOMED["codes"]))
loincs = st.sampled_from(sorted(code for code in LOINC["codes"] if not code.startswith("LP")))


def test_every_code_has_its_check_digit() -> None:
    assert [code for code in SNOMED["codes"] if not is_valid_sctid(code)] == []
    assert [code for code in LOINC["codes"] if not is_valid_loinc(code)] == []


@examples(200)
@given(code=sctids, place=st.integers(0, 17), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_of_a_snomed_ct_code_is_noticed(code: str, place: int, digit: str) -> None:
    place %= len(code)
    assume(code[place] != digit)
    assert not is_valid_sctid(code[:place] + digit + code[place + 1 :])


@examples(200)
@given(code=sctids, place=st.integers(0, 16))
def test_two_digits_of_a_snomed_ct_code_that_change_places_are_noticed(code: str, place: int) -> None:
    place %= len(code) - 1
    assume(code[place] != code[place + 1])
    assert not is_valid_sctid(code[:place] + code[place + 1] + code[place] + code[place + 2 :])


@examples(200)
@given(code=sctids, place=st.integers(0, 17))
def test_a_lost_digit_of_a_snomed_ct_category_is_noticed_or_means_nothing(
    terms: Terminology, code: str, place: int
) -> None:
    place %= len(code)
    lost = code[:place] + code[place + 1 :]
    found = terms.concept(SNOMED["system"], lost)
    assert not is_valid_sctid(lost) or found is None


@examples(200)
@given(code=loincs, place=st.integers(0, 6), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_of_a_loinc_code_is_noticed(code: str, place: int, digit: str) -> None:
    place %= len(code)
    assume(code[place] not in (digit, "-"))
    assert not is_valid_loinc(code[:place] + digit + code[place + 1 :])


@given(st.text(max_size=20) | st.text("0123456789²٣", min_size=6, max_size=18))
@example("39714²007")
def test_any_text_has_a_valid_check_digit_or_has_not(text: str) -> None:
    assert is_valid_sctid(text) in (True, False)
    assert is_valid_loinc(text) in (True, False)
