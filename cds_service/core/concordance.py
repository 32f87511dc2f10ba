"""What a clinician is ordering against what the situation needs.

Section 6 of the behaviour contract. An order is looked at once and gets at most one objection, the most important one;
objections to several orders for the same reason are one objection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from .history import Order, Sided
from .plan import Decision, is_right_kind
from .protocol import StepKind
from .situation import Record
from .vocabulary import Category, Group, Modality, OrderKind, Side

_NEED_A_BREAST = frozenset(
    kind
    for kind in OrderKind
    if kind.is_biopsy or kind.modality is Modality.MAMMOGRAPHY or kind is OrderKind.WIRE_LOCALISATION
)
"""Orders that make no sense for a breast that was removed; ultrasound and MRI may be meant for the chest wall."""


class Concern(StrEnum):
    """What is the matter with an order."""

    WRONG_BREAST = "wrong-breast"
    WRONG_KIND = "wrong-kind"
    """A mistake in the place of what is needed; the right order replaces it."""
    DUPLICATE = "duplicate"
    """The same is already ordered."""
    IDENTICAL_DRAFTS = "identical-drafts"
    """The same is about to be signed twice."""
    REMOVED_BREAST = "removed-breast"
    """The breast was removed, as the record says, so the side of the order or the record is mistaken."""
    NOT_CALLED_FOR = "not-called-for"
    """The assessment does not call for it. It may be right all the same, and is left as it is."""
    TOO_EARLY = "too-early"
    WRONG_WINDOW = "wrong-window"
    MISSING_SIDE = "missing-side"
    MISSING_WINDOW = "missing-window"

    @property
    def topic(self) -> str:
        """Its name as a stable code of letters."""
        return "".join(map(str.capitalize, self.value.split("-")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One concern about one or more drafts."""

    concern: Concern
    drafts: tuple[Order, ...]
    decisions: tuple[Decision, ...]
    """The decisions that the drafts are held against, all with the same step; none for a mere duplicate."""
    existing: Order | None = None
    """The order that already is there, for duplicates."""
    removal: Sided | None = None
    """The mastectomy on record, for an order for a breast that was removed."""


def objections(
    record: Record, decisions: Sequence[Decision], looked_at: Sequence[Order], drafts: Sequence[Order]
) -> list[Objection]:
    """What is to be said of the orders looked at. `drafts` are all orders of the session: one of them may already
    bring about what another one misses."""
    found: list[Objection] = []
    for draft in looked_at:
        objection = _objection(record, decisions, draft, drafts)
        if objection is None:
            continue
        for place, other in enumerate(found):
            if _is_same_concern(other, objection):
                found[place] = replace(other, drafts=other.drafts + objection.drafts)
                break
        else:
            found.append(objection)
    return found


def _is_same_concern(one: Objection, other: Objection) -> bool:
    if (one.concern, one.decisions) != (other.concern, other.decisions):
        return False
    return bool(one.decisions) or (one.existing, one.removal) == (other.existing, other.removal)


def is_met(decision: Decision, drafts: Iterable[Order]) -> bool:
    """Whether one of the drafts brings about the open step of a decision."""
    step = decision.step
    return step is not None and any(
        draft.side.covers(decision.situation.concerns) and is_right_kind(draft.kind, step.kind, decision.situation)
        for draft in drafts
    )


def concerns_breast(decision: Decision, drafts: Iterable[Order]) -> bool:
    """Whether one of the drafts is for the breast of a decision, or for a breast that it does not name."""
    return any(draft.side.covers(decision.situation.concerns) for draft in drafts)


def _objection(
    record: Record, decisions: Sequence[Decision], draft: Order, drafts: Sequence[Order]
) -> Objection | None:
    asked = [decision for decision in decisions if draft.side.covers(decision.situation.concerns)]

    def about(concern: Concern, decision: Decision, among: Sequence[Decision] = asked) -> Objection:
        twins = tuple(each for each in among if each is decision or same_step(each, decision))
        return Objection(concern=concern, drafts=(draft,), decisions=twins)

    right = [decision for decision in asked if _step_kind_takes(record, decision, draft)]
    if not right:
        elsewhere = _elsewhere(record, decisions, draft)
        if elsewhere is not None and not is_met(elsewhere, drafts):
            return about(Concern.WRONG_BREAST, elsewhere, [each for each in decisions if each not in asked])
    removal = _removal(record, draft)
    if removal is not None:
        return Objection(concern=Concern.REMOVED_BREAST, drafts=(draft,), decisions=(), removal=removal)
    if not any(decision.is_open and not _is_routine(decision) for decision in right):
        # Routine screening of one breast is no reason for a screening order while the other needs something else.
        instead = next((d for d in asked if d.is_open and _replaces(d, draft) and not is_met(d, drafts)), None)
        if instead is not None:
            return about(Concern.WRONG_KIND, instead)
    duplicate = _duplicate(record, draft, right)
    if duplicate is not None:
        return Objection(concern=Concern.DUPLICATE, drafts=(draft,), decisions=tuple(right[:1]), existing=duplicate)
    if right:
        decision = next((each for each in right if each.is_open), None)
        concern = None if decision is None else _flaw(record, decisions, decision, draft)
        return None if decision is None or concern is None else about(concern, decision)
    uncalled = next((d for d in asked if _objects_to(record, d, draft)), None)
    # What goes with the open step of one situation, as a wire localisation does with a biopsy, is called for.
    if uncalled is None or any(d.is_open and not _objects_to(record, d, draft) for d in asked):
        return None
    return about(Concern.NOT_CALLED_FOR, uncalled)


def _elsewhere(record: Record, decisions: Sequence[Decision], draft: Order) -> Decision | None:
    """The open step of the other breast that an order was probably meant for: not a routine one, and none that is less
    severe than what the breast of the order itself needs."""
    for decision in decisions:
        if _is_routine(decision):
            continue
        if draft.side.covers(decision.situation.concerns):
            if decision.step is not None:
                return None
        elif decision.is_open and _step_kind_takes(record, decision, draft):
            return decision
    return None


def _removal(record: Record, draft: Order) -> Sided | None:
    """The mastectomy of the one breast that an order is for."""
    if draft.kind not in _NEED_A_BREAST or draft.side not in (Side.LEFT, Side.RIGHT):
        return None
    return next((each for each in record.mastectomies if each.side in (draft.side, Side.BOTH)), None)


def same_step(one: Decision, other: Decision) -> bool:
    """Whether two breasts have the same step, so that one card can speak of both. A 1 and a 2 are alike in that."""
    mine, theirs = one.step, other.step
    return (
        mine is not None
        and theirs is not None
        and one.row is other.row
        and (mine.since, mine.due, mine.status) == (theirs.since, theirs.due, theirs.status)
        and (_category(one) is _category(other) or (_is_benign(one) and _is_benign(other)))
        and one.situation.suspected is other.situation.suspected
    )


def _category(decision: Decision) -> Category | None:
    current = decision.situation.current
    return None if current is None else current.verdict.category


def _is_benign(decision: Decision) -> bool:
    category = _category(decision)
    return category is not None and category.group is Group.BENIGN


def _step_kind(record: Record, decision: Decision) -> StepKind | None:
    """The kind of step that a row asks for, also where this patient is spared it."""
    return None if decision.row is None or decision.row.step is None else record.protocol.steps[decision.row.step]


def _step_kind_takes(record: Record, decision: Decision, draft: Order) -> bool:
    kind = _step_kind(record, decision)
    return kind is not None and is_right_kind(draft.kind, kind, decision.situation)


def _is_routine(decision: Decision) -> bool:
    return decision.row is not None and decision.row.group is Group.BENIGN


def _replaces(decision: Decision, draft: Order) -> bool:
    return decision.step is not None and draft.kind in decision.step.kind.replaces


def _objects_to(record: Record, decision: Decision, draft: Order) -> bool:
    kind = _step_kind(record, decision)
    return kind is not None and draft.kind in kind.objects_to


def _flaw(record: Record, decisions: Sequence[Decision], decision: Decision, draft: Order) -> Concern | None:
    """What is wrong with an order of the right kind for the right breast."""
    step = decision.step
    if step is None:
        return None
    if _reaches_too_far(record, decisions, decision, draft):
        return Concern.WRONG_BREAST
    first, last = _span(draft)
    if last is not None and last < step.accepted_from and last < step.window[0]:
        return Concern.TOO_EARLY
    if first is not None and first > max(step.overdue_from, step.window[1]):
        return Concern.WRONG_WINDOW
    if step.kind.wants_side and draft.side is Side.UNSTATED and step.side is not Side.UNSTATED:
        return Concern.MISSING_SIDE
    if step.kind.wants_window and not draft.has_window:
        return Concern.MISSING_WINDOW
    return None


def _reaches_too_far(record: Record, decisions: Sequence[Decision], decision: Decision, draft: Order) -> bool:
    """Whether a biopsy is ordered for both breasts while only one calls for it."""
    if draft.side is not Side.BOTH or not draft.kind.is_biopsy or not decision.situation.side.breasts:
        return False
    return not any(other is not decision and _step_kind_takes(record, other, draft) for other in decisions)


def _span(order: Order) -> tuple[date | None, date | None]:
    """First and last day of an order's time window; an end that is not stated is that of its start."""
    first = order.starts.first if order.starts else None
    ends = order.ends or order.starts
    return first, ends.last if ends else None


def _duplicate(record: Record, draft: Order, right: Sequence[Decision]) -> Order | None:
    """The waiting order that a draft repeats. One that is too old to answer an open step repeats nothing there."""
    opened = [decision.step.since.first for decision in right if decision.step and decision.is_open]
    for order in record.history.orders:
        if (
            order.kind is draft.kind
            and not any(order.authored is not None and order.authored.last < since for since in opened)
            and order.reference != draft.reference
            and order.side.covers(draft.side)
            and _is_waiting(record, order)
            and _overlaps(order, draft)
        ):
            return order
    return None


def _is_waiting(record: Record, order: Order) -> bool:
    """Whether an active order is still meant to be carried out, as far as its dates and later studies tell."""
    last = _span(order)[1] or (order.authored.last if order.authored else None)
    if last is None:
        return True
    if record.protocol.limits.duplicate_horizon.after(last) < record.today:
        return False
    return not any(
        order.authored is not None
        and order.authored.last < study.date.first
        and order.kind in study.kinds
        and study.side.covers(order.side)
        for study in record.studies
    )


def _overlaps(order: Order, draft: Order) -> bool:
    """Whether two orders are for the same time; without two time windows there is nothing to tell them apart."""
    first, last = _span(order)
    draft_first, draft_last = _span(draft)
    if first is None or last is None or draft_first is None or draft_last is None:
        return True
    return first <= draft_last and draft_first <= last


def identical_drafts(drafts: Sequence[Order]) -> list[Objection]:
    """Drafts of one session that order the same thing for the same breast at the same time."""
    found = []
    for place, draft in enumerate(drafts):
        twin = next(
            (
                earlier
                for earlier in drafts[:place]
                if earlier.kind is draft.kind
                and earlier.side is draft.side
                and earlier.title == draft.title
                and _overlaps(earlier, draft)
            ),
            None,
        )
        if twin is not None:
            found.append(Objection(concern=Concern.IDENTICAL_DRAFTS, drafts=(draft,), decisions=(), existing=twin))
    return found
