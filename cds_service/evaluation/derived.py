"""The category derived from descriptors against pathology and against the radiologist, on the CBIS-DDSM table.

Abnormality level: the views of one abnormality are merged, the most suspicious word of a cell counting. The set is
enriched with cancers, so it tells about ranking, sensitivity and agreement, and never about a percentage.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..core.answers import Unknown
from ..core.classify import implied_category
from ..core.history import Evidence, Finding
from ..core.vocabulary import Category, Distribution, Group, Morphology, Side
from ..knowledge import Knowledge
from ..terminology import Terminology


@dataclass(frozen=True, slots=True, kw_only=True)
class Abnormality:
    """One abnormality: what is derived, what the radiologist said, and what the pathologist found."""

    derived: Category | None
    radiologist: Category
    is_malignant: bool


ORDINAL = {category: rank for rank, category in enumerate(Category)}
_UNDECIDED_RANK = ORDINAL[Category.PROBABLY_BENIGN] + 0.5
"""Undecided descriptors rank between benign and suspicious: the service then asks to read the report."""


def evaluate(
    path: Path, knowledge: Knowledge, protocol: str, rounds: int, seed: int, console: Console
) -> dict[str, Any]:
    """The figures for the table at `path`, each with a 95 % bootstrap interval over abnormalities."""
    found = abnormalities(path, knowledge, protocol)
    measures: dict[str, Callable[[Sequence[Abnormality]], float | None]] = {
        "auroc_pathology": lambda sample: auroc([rank(a.derived) for a in sample], [a.is_malignant for a in sample]),
        "auroc_pathology_radiologist": lambda sample: auroc(
            [ORDINAL[a.radiologist] for a in sample], [a.is_malignant for a in sample]
        ),
        "sensitivity_4a_or_more": lambda sample: share([is_suspicious(a) for a in sample if a.is_malignant]),
        "specificity_4a_or_more": lambda sample: share([not is_suspicious(a) for a in sample if not a.is_malignant]),
        "quadratic_kappa_radiologist": lambda sample: quadratic_kappa(
            [(group(a.derived or Category.BENIGN), group(a.radiologist)) for a in _assessed(sample)]
        ),
        "quadratic_kappa_radiologist_decided": lambda sample: quadratic_kappa(
            [(group(a.derived), group(a.radiologist)) for a in _assessed(sample) if a.derived is not None]
        ),
    }
    generator = random.Random(seed)  # noqa: S311 (a bootstrap, repeatable)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for _ in progress.track(range(rounds), description="bootstrap"):
            sample = generator.choices(found, k=len(found))
            for name, measure in measures.items():
                value = measure(sample)
                if value is not None:
                    drawn[name].append(value)
    missed = [a for a in found if a.is_malignant and not is_suspicious(a)]
    reread = [a for a in found if a.radiologist.value in ("2", "3") and is_suspicious(a)]
    return {
        "table": path.name,
        "protocol": protocol,
        "abnormalities": len(found),
        "malignant": sum(a.is_malignant for a in found),
        "undecided": sum(a.derived is None for a in found),
        "undecided_malignant": sum(a.derived is None and a.is_malignant for a in found),
        "malignant_below_4a": len(missed),
        "reported_2_or_3_derived_4a_or_more": len(reread),
        "of_these_malignant": sum(a.is_malignant for a in reread),
        "rounds": rounds,
        "measures": {
            name: {"value": measures[name](found), "interval": _interval(values)} for name, values in drawn.items()
        },
    }


def _assessed(sample: Sequence[Abnormality]) -> list[Abnormality]:
    """Those to which the radiologist gave a final category. A 0 is none, so that no distance to it means anything."""
    return [each for each in sample if each.radiologist is not Category.INCOMPLETE]


def abnormalities(path: Path, knowledge: Knowledge, protocol: str) -> list[Abnormality]:
    """The abnormalities of the table, each with the category that the protocol derives from its words."""
    rows: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["patient_id"], row["left_or_right_breast"], row["abnormality_id"])
            rows.setdefault(key, []).append(row)
    derivation = knowledge.guideline(protocol).protocol.derivation
    found = []
    for views in rows.values():
        implied = implied_category(_finding(views, knowledge.terminology), derivation, full_year_prior=False)
        found.append(
            Abnormality(
                derived=None if isinstance(implied, Unknown) else implied,
                radiologist=max((Category(view["assessment"]) for view in views), key=lambda c: c.severity),
                is_malignant=any(view["pathology"] == "MALIGNANT" for view in views),
            )
        )
    return found


def _finding(views: Sequence[dict[str, str]], terms: Terminology) -> Finding:
    morphologies: list[Morphology] = []
    distributions: list[Distribution] = []
    unmapped: list[str] = []
    for view in views:
        for word in view["calc_type"].split("-"):
            _add(terms.morphology_in(word), word, morphologies, unmapped)
        for word in view["calc_distribution"].split("-"):
            _add(terms.distribution_in(word), word, distributions, unmapped)
    side = Side(views[0]["left_or_right_breast"].lower())
    return Finding(
        side=side,
        morphologies=tuple(dict.fromkeys(morphologies)),
        distributions=tuple(dict.fromkeys(distributions)),
        change=None,
        isolated=False,
        unmapped=tuple(dict.fromkeys(unmapped)),
        evidence=Evidence(reference="table", place="row", statement=""),
    )


def _add(found: Any, word: str, into: list[Any], unmapped: list[str]) -> None:
    if found is not None:
        into.append(found)
    elif word and word not in ("N/A", "NA"):
        unmapped.append(word)


def is_suspicious(abnormality: Abnormality) -> bool:
    """Whether the descriptors imply 4A or more."""
    return abnormality.derived is not None and abnormality.derived.group is Group.SUSPICIOUS


def rank(category: Category | None) -> float:
    """A category as a score, for ranking."""
    return _UNDECIDED_RANK if category is None else ORDINAL[category]


def group(category: Category) -> int:
    """The whole category 0 to 5, the subcategories of 4 together: what the radiologist of the table used."""
    return int(category.value[0])


def share(hits: Sequence[bool]) -> float | None:
    """The share of hits, None where there is nothing to count."""
    return sum(hits) / len(hits) if hits else None


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    positives, negatives = sum(labels), len(labels) - sum(labels)
    if not positives or not negatives:
        return None
    by_score: dict[float, list[int]] = {}
    for score, label in zip(scores, labels, strict=True):
        by_score.setdefault(score, [0, 0])[label] += 1
    below = wins = 0.0
    for score in sorted(by_score):
        negative, positive = by_score[score]
        wins += positive * (below + negative / 2)
        below += negative
    return wins / (positives * negatives)


def quadratic_kappa(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Cohen's kappa with quadratic weights."""
    if not pairs:
        return None
    total = len(pairs)
    first = [pair[0] for pair in pairs]
    second = [pair[1] for pair in pairs]
    observed = sum((a - b) ** 2 for a, b in pairs) / total
    counts_first = {value: first.count(value) for value in set(first)}
    counts_second = {value: second.count(value) for value in set(second)}
    expected = sum((a - b) ** 2 * n * m for a, n in counts_first.items() for b, m in counts_second.items()) / (
        total * total
    )
    return None if expected == 0 else 1 - observed / expected


def _interval(values: list[float]) -> tuple[float, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[int(0.025 * len(ordered))], ordered[min(len(ordered) - 1, int(0.975 * len(ordered)))]


def printed(result: dict[str, Any], console: Console) -> None:
    """The figures as a table."""
    table = Table(title=f"Derived category, {result['table']}, protocol {result['protocol']}")
    for heading in ("measure", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, figures in result["measures"].items():
        low, high = figures["interval"] or (float("nan"), float("nan"))
        table.add_row(name.replace("_", " "), f"{figures['value']:.3f}", f"{low:.3f} to {high:.3f}")
    for name in (
        "abnormalities", "malignant", "undecided", "undecided_malignant", "malignant_below_4a",
        "reported_2_or_3_derived_4a_or_more", "of_these_malignant",
    ):  # fmt: skip
        table.add_row(name.replace("_", " "), str(result[name]), "")
    console.print(table)
