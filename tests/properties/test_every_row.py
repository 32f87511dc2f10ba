"""Every row of both protocols, rendered at every hook: always a valid answer, whatever the words of the record."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any, TypeAlias

import pytest
from markdown_it import MarkdownIt

from cds_service.core.concordance import Concern
from cds_service.core.plan import Decision
from cds_service.knowledge import Knowledge
from cds_service.pipeline import Answer
from tests import vignettes
from tests.case_charts import PROTOCOLS, Asker, CaseChart, Json, aspirin, case_charts, chart, order, request

Answers: TypeAlias = Callable[[CaseChart, str], list[Answer]]

# --------------------------------------------------------------------------------------
# What is being ordered while the case is looked at


@cache
def drafts(today: date) -> Mapping[str, tuple[Json, ...]]:
    """Sessions at the order hooks; everything is ordered once that the service has an opinion on."""
    soon = (today, today + timedelta(days=14))
    late = (today + timedelta(days=900), today + timedelta(days=930))
    return {
        "aspirin": (aspirin(today),),
        "screening": (order("screening-mammogram", "both", today, window=soon),),
        "diagnostic left": (order("diagnostic-mammogram", "left", today),),
        "diagnostic right, late": (order("diagnostic-mammogram", "right", today, window=late),),
        "diagnostic, soon": (order("diagnostic-mammogram", None, today, window=soon),),
        "biopsy left": (order("stereotactic-biopsy", "left", today),),
        "biopsy right": (order("stereotactic-biopsy", "right", today, window=soon),),
        "biopsy of both": (order("stereotactic-biopsy", "both", today, window=soon),),
        "surgical biopsy": (order("surgical-biopsy", "right", today), aspirin(today)),
        "MRI": (order("mri", None, today),),
        "twice the same": tuple(
            order("diagnostic-mammogram", "left", today, ident=f"draft-{n}", window=soon) for n in (1, 2)
        ),
        "a mixture": (
            order("screening-mammogram", "left", today, ident="draft-1"),
            order("stereotactic-biopsy", None, today, ident="draft-2"),
            order("ultrasound", "right", today, ident="draft-3", window=late),
        ),
    }


def requests(case: CaseChart) -> Iterator[Json]:
    """A case at every hook, with every session."""
    yield request(case, "patient-view")
    for session in drafts(case.today).values():
        for hook in ("order-select", "order-sign"):
            yield request(case, hook, drafts=session)


def protocols_of(case: CaseChart) -> tuple[str, ...]:
    """The cases of a protocol that others extend are cases of those too."""
    return PROTOCOLS if case.protocol == PROTOCOLS[0] else (case.protocol,)


@pytest.fixture(scope="module")
def answers(ask: Asker) -> Answers:
    """The answers to a case at every hook with every session, under one protocol; each is asked for once."""
    known: dict[tuple[str, str, str], list[Answer]] = {}

    def answered(case: CaseChart, protocol: str) -> list[Answer]:
        key = (case.protocol, case.name, protocol)
        if key not in known:
            known[key] = [ask(asked, protocol=protocol, today=case.today) for asked in requests(case)]
        return known[key]

    return answered


# --------------------------------------------------------------------------------------
# What holds for every card


_MARKDOWN = MarkdownIt("commonmark", {"html": True})
_HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "strong_open", "strong_close"}


def live_marks(text: str) -> set[str]:
    """What a Markdown reader makes of a text besides paragraphs and bold words."""
    found = set()
    for token in _MARKDOWN.parse(text):
        found |= {token.type, *(child.type for child in token.children or ())}
    return found - _HARMLESS


def empty_members(value: Any, at: str = "") -> Iterator[str]:
    """The places of null and empty members."""
    if value is None or value in ("", [], {}):
        yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from empty_members(inner, f"{at}.{key}")


def assert_fit_to_be_shown(answer: Answer) -> None:
    """The rules of the behaviour contract for every card, sections 6 and 7. That the answer can be dumped, the asker
    has made sure of."""
    assert list(empty_members(answer.cards, "cards")) == ([] if answer.cards else ["cards"])
    for card in answer.cards:
        summary, detail = card["summary"], card["detail"]
        assert len(summary.encode("utf-16-le")) <= 2 * 139
        assert "%" not in summary
        assert not re.search(r"\bmust\b", summary, re.IGNORECASE)
        assert not re.search(r"[{}]", summary)
        for text in (summary, detail):
            assert live_marks(text) == set()
            assert vignettes.html_tags(text) == []
            assert vignettes.link_targets(text) == []
        recommended = [each for each in card.get("suggestions", ()) if each.get("isRecommended")]
        assert len(recommended) <= 1


@pytest.mark.parametrize("case", case_charts(), ids=repr)
def test_a_case_gives_fit_cards_at_every_hook(answers: Answers, case: CaseChart) -> None:
    for protocol in protocols_of(case):
        for answer in answers(case, protocol):
            assert_fit_to_be_shown(answer)


@pytest.mark.parametrize("case", case_charts(), ids=repr)
def test_a_case_never_gives_the_same_card_twice(answers: Answers, case: CaseChart) -> None:
    for answer in answers(case, case.protocol):
        said = [(card["summary"], card["indicator"]) for card in answer.cards]
        assert len(said) == len(set(said))


def outcome(decision: Decision) -> Json:
    """A decision in the words of the cases."""
    step = decision.step
    return {
        "row": decision.row.id if decision.row else None,
        "left_alone": decision.exclusion.id if decision.exclusion else None,
        "checks": [row.id for row in decision.checks],
    } | (
        {
            "status": step.status.value,
            "due": step.due.isoformat(),
            "overdue": step.is_overdue,
            "urgent": step.is_urgent,
            "indicator": step.indicator.value,
            "window": [day.isoformat() for day in step.window],
            "order_side": step.side.value,
        }
        if step
        else {}
    )


@pytest.mark.parametrize("case", case_charts(), ids=repr)
def test_a_case_comes_out_of_fhir_as_it_does_from_the_shorthand(ask: Asker, case: CaseChart) -> None:
    answer = ask(request(case, "patient-view"), protocol=case.protocol, today=case.today)
    made = {decision.situation.side.value: outcome(decision) for decision in answer.decisions}
    for side, expected in case.expect.items():
        told = {key: value for key, value in expected.items() if key != "notes"}
        assert {key: made[side].get(key) for key in told} == told


SILENT_ROWS = {"PathologyMalignant", "Category6"}
"""Rows without a step: what they decide is that nothing is to be said."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_together_the_cases_speak_for_every_row(answers: Answers, knowledge: Knowledge, protocol: str) -> None:
    said = [answer for case in case_charts() if protocol in protocols_of(case) for answer in answers(case, protocol)]
    spoken = {card["source"]["topic"]["code"] for answer in said for card in answer.cards}
    rows = knowledge.guidelines[protocol].protocol
    assert {row.id for row in (*rows.decisions, *rows.checks)} - spoken == SILENT_ROWS


def test_together_the_cases_raise_every_concern(answers: Answers) -> None:
    said = [answer for case in case_charts() for answer in answers(case, case.protocol)]
    assert {each.objection.concern for answer in said for each in answer.advice if each.objection} == set(Concern)


# --------------------------------------------------------------------------------------
# Hostile words

HOSTILE = {
    "a link": "[click here](https://evil.example/steal)",
    "an image": "![x](https://evil.example/pixel.png)",
    "a reference link": "[a][b]\n\n[b]: javascript:alert(1)",
    "a script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a comment": "<!-- --><a href='javascript:alert(1)'>x</a>",
    "an address in angle brackets": "<https://evil.example> <mailto:a@evil.example>",
    "a bare address": "https://evil.example www.evil.example a@evil.example",
    "marks of Markdown": "# **bold** _it_ `code` ~~gone~~ ***\n---\n> quote\n- item\n1. item\n\n    code\n| a | b |",
    "an escape that is escaped": "\\\\[x](https://evil.example)\\\\<b>",
    "entities": "&lt;script&gt;&#x5b;x&#93;(https://evil.example) &copy;",
    "placeholders": "{side} {0} {assessment.__class__} %s %(x)s {",
    "control characters": "a\x00b\x07c\x1b[31md\x7fe\x85f\u2028g\u2029h\r\n\r\n## i",
    "right to left": "\u202eabc\u202c \u2066x\u2069 עברית العربية",
    "emoji": "🎗️" * 200,
    "10,000 characters": "very long " * 1000,
    "one long word": "x" * 10_000,
    "a full page of brackets": "[" * 2000 + "](" * 2000,
}

_WORDED = {"text", "display", "conclusion", "family", "title", "div", "description", "valueString"}


def poisoned(value: Any, words: str) -> Any:
    """A copy in which every string that people write ends in other words, and every concept has a text."""
    if isinstance(value, list):
        return [poisoned(each, words) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {
        key: f"{inner} {words}" if key in _WORDED and isinstance(inner, str) else poisoned(inner, words)
        for key, inner in value.items()
    }
    if "coding" in value:
        changed.setdefault("text", words)
    if value.get("resourceType") in ("DiagnosticReport", "Observation"):
        changed["text"] = {"status": "generated", "div": f"<div>{words}</div>"}
        changed["note"] = [{"text": words}]
    return changed


@pytest.mark.parametrize("words", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_words_in_every_string_of_the_record_come_to_nothing(ask: Asker, words: str) -> None:
    for case in case_charts():
        for hook, session in (("patient-view", ()), ("order-select", drafts(case.today)["a mixture"])):
            asked = request(case, hook, drafts=session)
            answer = ask(poisoned(asked, words), protocol=case.protocol, today=case.today)
            assert_fit_to_be_shown(answer)
            for card in answer.cards:
                assert "evil.example" not in card["summary"]
                assert not re.search(r"(?<!\\)(://|www\.)", card["detail"].replace("\\:\\/\\/", ""))
                assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", card["detail"])


@pytest.mark.parametrize("words", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_words_never_change_a_summary(ask: Asker, words: str) -> None:
    for case in case_charts():
        clean = request(case, "patient-view")
        before = ask(clean, protocol=case.protocol, today=case.today).cards
        after = ask(poisoned(clean, words), protocol=case.protocol, today=case.today).cards
        assert [card["summary"] for card in after] == [card["summary"] for card in before]


def with_ids(value: Any, tail: str) -> Any:
    """A copy in which the reports, their Observations and the drafts carry other ids, and are referred to by them."""
    if isinstance(value, list):
        return [with_ids(each, tail) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {key: with_ids(inner, tail) for key, inner in value.items()}
    if value.get("resourceType") in ("DiagnosticReport", "Observation", "ServiceRequest"):
        changed["id"] = f"{value['id']}{tail}"
    if str(value.get("reference", "")).startswith("Observation/"):
        changed["reference"] = f"{value['reference']}{tail}"
    return changed


@pytest.mark.parametrize(
    "name",
    [
        "a 4B on the left, five days old, nothing ordered",
        "a first 3, ten months ago, nobody came",
        "a word that nobody knows decides nothing",
        "two breast-level codes disagree with the overall one",
        "reported as 2 although the descriptors are suspicious",
        "a high-risk lesion asks for more",
        "the newest report holds no assessment",
    ],
)
@pytest.mark.parametrize("tail", ["[x](evil)", "<b>", "*b*"])
def test_hostile_ids_come_to_nothing(ask: Asker, name: str, tail: str) -> None:
    case = chart(name)
    for asked in (request(case, "patient-view"), request(case, "order-select", drafts=drafts(case.today)["a mixture"])):
        assert_fit_to_be_shown(ask(with_ids(copy.deepcopy(asked), tail), today=case.today))


def test_an_override_of_the_writing_direction_does_not_reach_a_card(ask: Asker) -> None:
    case = chart("a 4B on the left, five days old, nothing ordered")
    answer = ask(poisoned(request(case, "patient-view"), HOSTILE["right to left"]))
    for card in answer.cards:
        assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", card["detail"])
