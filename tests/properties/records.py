"""Random patients: several studies with orders, procedures, results and conditions beside them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cds_service.core.vocabulary import Category
from tests.case_charts import PROTOCOLS, CaseChart, Json, case_charts, resources_of
from tests.conftest import TODAY

DAYS = ("2026-05-27", "2026-05-20", "2026-03-01", "2025-11-20", "2025-05-20", "2023-12-01")

days = st.sampled_from(DAYS)
sides = st.sampled_from(["left", "right", "both", "unstated"])
breasts = st.sampled_from(["left", "right"])
categories = st.sampled_from([category.value for category in Category])


def _some(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(required, optional=optional)


def _date(raw: Json) -> str:
    return str(raw["date"])


findings = _some(
    {"side": breasts},
    morphology=st.sampled_from(["vascular", "round", "amorphous", "fine_linear_branching", "granular"]),
    distribution=st.sampled_from(["diffuse", "regional", "grouped", "segmental"]),
    change=st.sampled_from(["stable", "increase", "decrease"]),
)
studies = _some(
    {"date": days, "kind": st.sampled_from(["screening-mammogram", "diagnostic-mammogram", "ultrasound", "mri"])},
    side=sides,
    left=categories,
    right=categories,
    overall=categories,
    findings=st.lists(findings, max_size=2),
    prior_films_needed=st.booleans(),
    preliminary=st.sampled_from([False, False, True]),
    in_doubt=st.sampled_from([False, False, False, True]),
)
events = _some(
    {
        "kind": st.sampled_from(["stereotactic-biopsy", "surgical-biopsy", "diagnostic-mammogram", "ultrasound"]),
        "date": days,
        "side": sides,
    }
)
pathology = _some(
    {"date": days, "side": breasts, "result": st.sampled_from(["benign", "malignant", "high-risk", "insufficient"])}
)
sided = _some({"side": st.sampled_from(["left", "right", "unstated"])}, since=days)
shorthand = _some(
    {"studies": st.lists(studies, max_size=4, unique_by=_date)},
    orders=st.lists(events, max_size=2),
    procedures=st.lists(events, max_size=2),
    pathology=st.lists(pathology, max_size=2, unique_by=_date),
    cancer=st.lists(sided, max_size=1),
    mastectomy=st.lists(sided, max_size=1),
    context=st.lists(st.sampled_from(["pregnant", "lactating", "anticoagulant", "implant"]), unique=True, max_size=2),
    patient=_some({}, sex=st.sampled_from(["female", "male"]), born=st.sampled_from(["1948-01-01", "1995-01-01"])),
)


def charted(protocol: str, raw: Json) -> CaseChart:
    """The chart of a patient in shorthand."""
    return CaseChart(protocol, f"random {raw}", TODAY, tuple(resources_of(raw)), frozenset(), {})


random_charts = st.builds(charted, st.sampled_from(PROTOCOLS), shorthand)
records = random_charts | st.sampled_from(case_charts())
"""Random patients, and those of the knowledge folder's cases."""
