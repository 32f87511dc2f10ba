"""Tables of rows under facts that may be unknown: ignorance may stop a table, it may never change its answer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service import knowledge as knowledge_folder
from cds_service.core.answers import Gap, Reason, Unknown
from cds_service.core.decide import Facts, Undecided, all_matches, first_match, holds
from cds_service.core.protocol import Condition, Operator, Protocol, Row
from cds_service.core.situation import FACTS
from cds_service.core.vocabulary import Category, Group, Modality, Pathology
from tests.case_charts import PROTOCOLS

from .conftest import examples

Found: TypeAlias = Row | Undecided[Row] | None

# --------------------------------------------------------------------------------------
# Random tables over a handful of facts

DOMAINS: Mapping[str, tuple[object, ...]] = {
    "calm": (True, False),
    "loud": (True, False),
    "colour": ("red", "green", "blue"),
    "count": (0, 1, 2, None),
}
"""Every value that each fact of a random table can have."""


def unknown(fact: str) -> Unknown:
    return Unknown(Gap(Reason.NOT_SENT, fact))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    fact = draw(st.sampled_from(list(DOMAINS)))
    known = [value for value in DOMAINS[fact] if value is not None]
    operators = [Operator.IS, Operator.IS_NOT, Operator.IN]
    operator = draw(
        st.sampled_from([*operators, Operator.AT_LEAST, Operator.LESS_THAN] if fact == "count" else operators)
    )
    if operator is Operator.IN:
        return Condition(fact, operator, frozenset(draw(st.sets(st.sampled_from(known), min_size=1))))
    return Condition(fact, operator, draw(st.sampled_from(known)))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Row, ...]:
    whens = draw(st.lists(st.lists(conditions(), min_size=1, max_size=3), max_size=5))
    return tuple(Row(id=f"R{n}", title="", when=tuple(when), citations=()) for n, when in enumerate(whens))


random_facts = st.fixed_dictionaries(
    {fact: st.sampled_from(values) | st.just(unknown(fact)) for fact, values in DOMAINS.items()}
)

# --------------------------------------------------------------------------------------
# The oracle: slow, and obvious


def meets(condition: Condition, value: Any) -> bool:
    """Whether a known value meets a condition, spelt out."""
    operand: Any = condition.operand
    if condition.operator is Operator.IS:
        return bool(value == operand)
    if condition.operator is Operator.IS_NOT:
        return bool(value != operand)
    if condition.operator is Operator.IN:
        return any(value == each for each in operand)
    if value is None:
        return False
    return bool(value >= operand) if condition.operator is Operator.AT_LEAST else bool(value < operand)


def worlds(facts: Facts) -> list[dict[str, object]]:
    """Every way in which the unknown facts could turn out."""
    choices = [DOMAINS[fact] if isinstance(value, Unknown) else (value,) for fact, value in facts.items()]
    return [dict(zip(facts, values, strict=True)) for values in itertools.product(*choices)]


def decided_in(table: Sequence[Row], world: Mapping[str, object]) -> str | None:
    """The id of the row that decides where everything is known."""
    for row in table:
        if all(meets(condition, world[condition.fact]) for condition in row.when):
            return row.id
    return None


def reference(table: Sequence[Row], facts: Facts) -> str | None:
    """Three-valued evaluation by the book: a row id, `undecided at ...`, or None."""
    for row in table:
        verdicts = [
            "unknown" if isinstance(facts[each.fact], Unknown) else meets(each, facts[each.fact]) for each in row.when
        ]
        if False in verdicts:
            continue
        return f"undecided at {row.id}" if "unknown" in verdicts else row.id
    return None


def named(found: Found) -> str | None:
    if isinstance(found, Undecided):
        return f"undecided at {found.row.id}"
    return None if found is None else found.id


@examples(100)
@given(table=tables(), facts=random_facts)
def test_the_first_match_is_what_the_book_says(table: tuple[Row, ...], facts: Facts) -> None:
    assert named(first_match(table, facts)) == reference(table, facts)


@examples(100)
@given(table=tables(), facts=random_facts)
def test_what_is_decided_holds_however_the_unknown_turns_out(table: tuple[Row, ...], facts: Facts) -> None:
    found = first_match(table, facts)
    assume(not isinstance(found, Undecided))
    assert {decided_in(table, world) for world in worlds(facts)} == {named(found)}


@examples(100)
@given(table=tables(), facts=random_facts)
def test_undecided_names_a_fact_that_is_unknown_and_that_the_row_needs(table: tuple[Row, ...], facts: Facts) -> None:
    found = first_match(table, facts)
    assume(isinstance(found, Undecided))
    assert isinstance(found, Undecided)
    assert found.why.about in {each.fact for each in found.row.when if isinstance(facts[each.fact], Unknown)}


@examples(120)
@given(table=tables(), facts=random_facts)
def test_rows_that_stand_beside_each_other_are_asserted_only_when_certain(table: tuple[Row, ...], facts: Facts) -> None:
    certain = {
        row.id
        for row in table
        if all(all(meets(each, world[each.fact]) for each in row.when) for world in worlds(facts))
    }
    asserted = {row.id for row in all_matches(table, facts)}
    assert asserted <= certain
    assert {row.id for row in table if holds(row.when, facts) is True} == asserted


@examples(120)
@given(table=tables(), facts=random_facts, hidden=st.sets(st.sampled_from(list(DOMAINS))))
def test_hiding_facts_of_a_random_table_never_changes_its_row(
    table: tuple[Row, ...], facts: Facts, hidden: set[str]
) -> None:
    before = first_match(table, facts)
    after = first_match(table, {**facts, **{fact: unknown(fact) for fact in hidden}})
    assert_only_less_decided(before, after)


def assert_only_less_decided(before: Found, after: Found) -> None:
    if isinstance(after, Undecided):
        return
    assert not isinstance(before, Undecided), "what was undecided became decided by knowing less"
    assert after is before


# --------------------------------------------------------------------------------------
# The protocols that ship

_WORDS: Mapping[str, tuple[object, ...]] = {
    "sex": ("female", "male", "other", "unknown"),
    "assessment": ("stated", "derived", "conflict", "undecided", "none"),
    "category": (*(category.value for category in Category), None),
    "group": (*(group.value for group in Group), None),
    "pathology": (*(result.value for result in Pathology), "none"),
    "next_visit": ("six-months", "full-year", "two-years", "none"),
    "modality": (*(modality.value for modality in Modality), None),
}


def values_of(fact: str) -> tuple[object, ...]:
    kind = FACTS[fact][0]
    if kind is bool:
        return (True, False)
    return (0, 39, 40, 74, 75, 110) if kind is int else _WORDS[fact]


@cache
def shipped(protocol: str) -> Protocol:
    return knowledge_folder.load().guidelines[protocol].protocol


protocol_facts = st.fixed_dictionaries({fact: st.sampled_from(values_of(fact)) for fact in FACTS})
hidden_facts = st.sets(st.sampled_from(list(FACTS)), min_size=1, max_size=6)


@examples(100)
@given(protocol=st.sampled_from(PROTOCOLS), facts=protocol_facts, hidden=hidden_facts)
def test_hiding_facts_never_changes_the_row_of_a_protocol(
    protocol: str, facts: dict[str, object], hidden: set[str]
) -> None:
    rows = shipped(protocol).decisions
    poorer = {**facts, **{fact: unknown(fact) for fact in hidden}}
    assert_only_less_decided(first_match(rows, facts), first_match(rows, poorer))
    assert named(first_match(rows, poorer)) == reference(rows, poorer)


@examples(120)
@given(protocol=st.sampled_from(PROTOCOLS), facts=protocol_facts, hidden=hidden_facts)
def test_hiding_facts_never_adds_an_exclusion_a_check_or_a_note(
    protocol: str, facts: dict[str, object], hidden: set[str]
) -> None:
    found = shipped(protocol)
    poorer = {**facts, **{fact: unknown(fact) for fact in hidden}}
    for rows in (found.exclusions, found.checks, found.notes):
        assert {row.id for row in all_matches(rows, poorer)} <= {row.id for row in all_matches(rows, facts)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("category", [category.value for category in Category])
def test_every_stated_category_is_decided_whatever_the_rest(protocol: str, category: str) -> None:
    """No category falls through the table where nothing is known of the patient."""
    facts: dict[str, object] = {fact: unknown(fact) for fact in FACTS} | {
        "assessment": "stated",
        "category": category,
        "pathology": "none",
        "unconfirmed_suspicion": False,
        "prior_films_needed": False,
        "next_visit": "six-months",
    }
    found = first_match(shipped(protocol).decisions, facts)
    assert found is not None
    assert not isinstance(found, Undecided)
