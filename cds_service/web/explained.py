"""A protocol in plain language: its conditions as sentences, its words without their placeholders."""

from __future__ import annotations

import re

from ..core.dates import Interval
from ..core.protocol import Condition, Operator, Row
from ..core.situation import FACTS
from ..knowledge import CardText


def conditions(row: Row) -> list[str]:
    """Each condition of a row as a sentence."""
    return [_sentence(condition) for condition in row.when]


def _sentence(condition: Condition) -> str:
    meaning = FACTS[condition.fact][1]
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
