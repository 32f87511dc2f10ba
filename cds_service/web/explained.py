"""A protocol in plain language: its conditions as sentences, its words without their placeholders."""

from __future__ import annotations

import re

from ..core.answers import Gap, Unknown
from ..core.classify import Verdict
from ..core.dates import Interval
from ..core.plan import Decision
from ..core.protocol import Condition, Operator, Row
from ..core.situation import FACTS
from ..knowledge import CardText
from ..render import GAP_WORDS, assessment_words


def conditions(row: Row) -> list[str]:
    """Each condition of a row as a sentence."""
    return [_sentence(condition) for condition in row.when]


def _meaning(fact: str) -> str:
    """What a fact is, without the list of its values."""
    return FACTS[fact][1].partition(":")[0]


def _sentence(condition: Condition) -> str:
    meaning = _meaning(condition.fact)
    value = condition.operand
    match condition.operator:
        case Operator.IS if value is True:
            return f"{meaning}: yes"
        case Operator.IS if value is False:
            return f"{meaning}: no"
        case Operator.IS:
            return f"{meaning}: {value}"
        case Operator.IS_NOT:
            return f"{meaning}: anything but {value}"
        case Operator.IN:
            values = sorted(map(str, value)) if isinstance(value, frozenset) else [str(value)]
            return f"{meaning}: one of {', '.join(values)}"
        case Operator.AT_LEAST:
            return f"{meaning}: {value} or more"
        case Operator.LESS_THAN:
            return f"{meaning}: less than {value}"


def sentences(words: CardText) -> str:
    """The detail of a card as it reads for everybody: placeholders become dots, Markdown marks go."""
    return re.sub(r"\{[a-z_]+\}", "…", words.detail).replace("**", "").strip()


def interval(length: Interval) -> str:
    """A length of time in words."""
    parts = []
    if length.months:
        parts.append(f"{length.months} month{'s' if length.months != 1 else ''}")
    if length.days:
        parts.append(f"{length.days} day{'s' if length.days != 1 else ''}")
    return " and ".join(parts) or "at once"


def facts(decision: Decision) -> list[tuple[str, str]]:
    """The facts that the deciding row looked at, each with its value in words."""
    row = decision.row
    return (
        [] if row is None else [(_meaning(each.fact), _value(decision.situation.facts[each.fact])) for each in row.when]
    )


def _value(value: object) -> str:
    match value:
        case Unknown(why):
            return f"not known: {gap_words(why)}"
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case _:
            return str(value)


def gap_words(gap: Gap) -> str:
    """What was not known, and why."""
    return f"{gap.about} {GAP_WORDS.get(gap.reason, gap.reason.value.replace('-', ' '))}"


def verdict_words(verdict: Verdict) -> str:
    """What a study says of a breast, and how it is known."""
    basis = f", {verdict.basis.value}" if verdict.basis else ""
    return f"{assessment_words(verdict)}{basis}"
