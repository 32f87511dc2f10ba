"""From advice and wording to cards. Every word that comes from patient data is escaped; a summary holds none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .core.answers import Gap, Reason
from .core.classify import State, Verdict
from .core.concordance import Concern
from .core.decide import all_matches, holds
from .core.guidance import Advice
from .core.history import Order, Sided
from .core.plan import Decision, Step
from .core.protocol import Anchor
from .core.situation import Episode
from .core.vocabulary import Basis, Side
from .errors import InvalidAnswer
from .fhir_elements import Json, filled, is_named
from .fhir_orders import Requested, reasons, service_request, with_side, with_window
from .knowledge import CardText, Guideline, Knowledge, OrderTemplate

_MARKUP = {ord(char): f"\\{char}" for char in "\\`*_{}[]<>#!|~&"} | dict.fromkeys(map(ord, "\r\n\t"), " ")
_CONTROL = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, *range(0x80, 0xA0)])
_INVISIBLE = dict.fromkeys(
    [0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
"""Characters that turn the writing direction of what follows, or hide between others."""
_ESCAPES: Mapping[int, str | None] = {**_MARKUP, **_CONTROL, **_INVISIBLE}
QUOTE_LIMIT = 400
"""Characters of patient data that one quotation on a card may have."""


def escaped(words: str) -> str:
    """Words from patient data, safe inside Markdown: nothing in them is markup, a link or a control character."""
    if len(words) > QUOTE_LIMIT:
        words = words[: QUOTE_LIMIT - 1] + "…"
    plain = " ".join(words.translate(_ESCAPES).split())
    if "://" in plain or "www." in plain or "@" in plain:  # some readers make links of bare addresses
        plain = plain.replace("://", "\\:\\/\\/").replace("www.", "www\\.").replace("@", "\\@")
    return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the cards of one answer need to know besides the advice."""

    knowledge: Knowledge
    guideline: Guideline
    public_url: str
    """Where our pages are reached, without a slash at the end."""
    requested: Requested
    drafts: Mapping[str, Json]
    """The draft orders of the session as they were sent, by reference."""
    received: tuple[str, ...]
    gaps: tuple[Gap, ...]
    new_id: Callable[[], str]
    """A fresh lower-case UUID at every call."""


def cards(advice: Iterable[Advice], setting: Setting) -> list[Json]:
    """The cards of an answer, in the order of the advice."""
    return [_Card(each, setting).build() for each in advice]


GAP_WORDS = {
    Reason.NOT_SENT: "not received",
    Reason.FAILED: "could not be fetched",
    Reason.PARTIAL: "only the first part was received",
}
_LEFT_OUT = {
    Reason.UNREADABLE: "could not be read",
    Reason.OTHER_PATIENT: "belongs to another patient and was not used",
    Reason.UNDATED: "has no date and was not used",
    Reason.FUTURE: "is dated in the future and was not used",
    Reason.UNKNOWN_WORD: "is a descriptor that is not understood",
    Reason.MISUSED_CODE: "is a code known to be wrong, and was not used",
    Reason.FORMAT: "is in a format that could not be read",
    Reason.AMBIGUOUS: "contradicts itself",
    Reason.NO_ASSESSMENT: "holds no assessment that could be read",
    Reason.SIDE_UNSTATED: "does not state its side",
}
_BASIS_WORDS = {
    Basis.CODED: "Read from the code",
    Basis.WRITTEN: "Read from the words of the report, not from a code:",
    Basis.DERIVED: "Derived from the descriptors",
}
MOST_GAPS = 6


@dataclass(slots=True)
class _Card:
    """One card while it is being put together."""

    advice: Advice
    setting: Setting
    decision: Decision | None = field(init=False)
    step: Step | None = field(init=False)
    current: Episode | None = field(init=False)

    def __post_init__(self) -> None:
        self.decision = next(iter(self.advice.decisions), None)
        self.step = self.decision.step if self.decision else None
        self.current = self.decision.situation.current if self.decision else None

    def build(self) -> Json:
        words = self._words()
        values = self._values(words)
        suggestions = self._suggestions(words, values)
        card: Json = {
            "uuid": self.setting.new_id(),
            "summary": self._summary(words).format_map(values),
            "indicator": self.advice.indicator.value,
            "detail": self._detail(words, values),
            "source": self._source(),
        }
        if suggestions:
            card["suggestions"] = suggestions
            card["selectionBehavior"] = "at-most-one"
        overrides = self._overrides(words)
        if overrides:
            card["overrideReasons"] = overrides
        card["links"] = self._links()
        return card

    # ------------------------------------------------------------------------------
    # Words

    @property
    def wording(self) -> Any:
        return self.setting.guideline.wording

    def _words(self) -> CardText:
        wording = self.setting.guideline.wording
        if self.advice.objection is not None:
            return wording.concerns[self.advice.objection.concern]
        if self.advice.check is not None:
            return wording.checks[self.advice.check.id]
        return self._row_words() or wording.undecided

    def _row_words(self) -> CardText | None:
        row = self.decision.row if self.decision else None
        return None if row is None else self.setting.guideline.wording.rows.get(row.id)

    def _summary(self, words: CardText) -> str:
        if self.advice.objection is None and self.advice.check is None and self.step is not None:
            if self.step.unchecked and words.summary_unchecked is not None:
                return words.summary_unchecked
            if self.step.is_overdue and words.summary_overdue is not None:
                return words.summary_overdue
        return words.summary

    def _values(self, words: CardText) -> dict[str, str]:
        """The value of every placeholder. None of them is taken from the text of a resource."""
        decision, step, current, side = self.decision, self.step, self.current, self.advice.side
        catalogue = self.setting.knowledge.catalogue
        values = dict.fromkeys(_PLACEHOLDERS, "")
        values["side"] = side.words
        if current is not None:
            values["date"] = str(current.study.date)
            values["assessment"] = _assessments_words(self.advice.decisions, current.verdict)
            values["category"] = f"BI-RADS {current.verdict.category.value}" if current.verdict.category else ""
        if step is not None:
            values["due"] = step.due.isoformat()
            values["accepted_from"] = step.accepted_from.isoformat()
            values["step"] = catalogue.step_labels[step.kind.id]
            values["window"] = f"{step.window[0].isoformat()} to {step.window[1].isoformat()}"
        if decision is not None:
            situation = decision.situation
            if situation.pathology is not None:
                values["result_date"] = str(situation.pathology.date)
            if situation.index is not None:
                values["index_date"] = str(situation.index)
            if situation.suspicion is not None:
                values["suspicion"] = assessment_words(situation.suspicion.verdict)
                values["suspicion_date"] = str(situation.suspicion.study.date)
                if side is Side.UNSTATED and _is_about_suspicion(self.advice, decision):
                    values["side"] = situation.suspicion.verdict.side.words
            if situation.descriptors is not None:
                values["implied"] = f"BI-RADS {situation.descriptors[1].value}"
            if situation.unread is not None and _is_about(self.advice, "unread"):
                values["date"] = str(situation.unread.date)
            if situation.doubt is not None and _is_about(self.advice, "in_doubt"):
                verdict = situation.doubt.verdict
                values["date"] = str(situation.doubt.study.date)
                values["assessment"] = assessment_words(verdict)
                values["side"] = Side.UNSTATED.words if verdict.side is Side.UNSTATED else side.words
            values["biopsy_choice"] = self._biopsy_choice(decision)
            values["why"] = self._why(decision)
            values["row"] = (
                decision.undecided.row.id if decision.undecided else (decision.row.id if decision.row else "")
            )
        objection = self.advice.objection
        if objection is not None:
            draft = objection.drafts[0]
            values["selected"] = catalogue.kind_labels[draft.kind]
            values["selected_side"] = _SELECTED_SIDES.get(draft.side, draft.side.words)
            values["existing_window"] = _window_words(objection.existing)
            row_words = self._row_words()
            values["row_detail"] = row_words.detail.format_map(values) if row_words else ""
        return values

    def _biopsy_choice(self, decision: Decision) -> str:
        phrases, facts = self.setting.guideline.wording.phrases, decision.situation.facts
        if facts["seen_on_ultrasound"] is True:
            return phrases["biopsy_choice_ultrasound"]
        return phrases["biopsy_choice_calcifications" if facts["calcifications"] is True else "biopsy_choice_other"]

    def _why(self, decision: Decision) -> str:
        gap = decision.undecided.why if decision.undecided else None
        if gap is None and self.current is not None:
            gap = self.current.verdict.gap
        if gap is None:
            return ""
        if gap.reason is Reason.UNKNOWN_WORD:
            return f"the word “{escaped(gap.about)}” is not understood"
        return f"{escaped(gap.about)} {GAP_WORDS.get(gap.reason) or _LEFT_OUT[gap.reason]}"

    def _overrides(self, words: CardText) -> list[Json]:
        reasons_ = self.setting.guideline.wording.override_reasons
        row_words = self._row_words()
        codes = words.overrides or (row_words.overrides if row_words else ())
        system = self.setting.knowledge.offering.override_reason_system
        return [{"code": code, "system": system, "display": reasons_[code]} for code in codes]

    # ------------------------------------------------------------------------------
    # Detail

    def _detail(self, words: CardText, values: Mapping[str, str]) -> str:
        parts = [words.detail.format_map(values)]
        parts += self._found()
        parts.append(self._protocol_line())
        parts += self._notes()
        parts += self._checked()
        return "\n\n".join(part for part in parts if part)

    def _found(self) -> list[str]:
        found = []
        shown: set[int] = set()
        for decision in self.advice.decisions:
            situation = decision.situation
            if _is_about(self.advice, "unread") and situation.unread is not None:
                study = situation.unread
                if id(study) not in shown:
                    found.append(f"**Not read:** {_titled(study.title)}{escaped(study.reference)} of {study.date}.")
                    shown.add(id(study))
                continue
            if _is_about(self.advice, "in_doubt") and situation.doubt is not None:
                words = _episode_words(situation.doubt)
                if words not in found:
                    found.append(words)
                continue
            if situation.suspicion is not None and _is_about_suspicion(self.advice, decision):
                found.append(_episode_words(situation.suspicion))
            if situation.current is not None:
                found.append(_episode_words(situation.current))
            if situation.pathology is not None and situation.pathology.result is not None:
                path = situation.pathology
                found.append(f"**Pathology:** {path.result}, {escaped(path.reference)} of {path.date}.")
            if situation.descriptors is not None and self.advice.check is not None:
                finding, implied = situation.descriptors
                found.append(
                    f"**Descriptors:** {escaped(finding.evidence.statement)} "
                    f"({escaped(finding.evidence.reference)}), which imply BI-RADS {implied.value}."
                )
            if situation.recommended is not None and _is_about(self.advice, "biopsy_recommended"):
                read = situation.recommended.evidence
                found.append(f"**Recommended:** {escaped(read.statement)} ({escaped(read.reference)}, {read.place}).")
        if self.advice.objection is not None:
            found += [f"**Being ordered:** {escaped(draft.reference)}." for draft in self.advice.objection.drafts[:3]]
            if self.advice.objection.existing is not None:
                found.append(f"**On record:** {escaped(self.advice.objection.existing.reference)}.")
            if self.advice.objection.removal is not None:
                found.append(f"**On record:** {_removal_words(self.advice.objection.removal)}.")
        if self.advice.decisions and self.advice.side is Side.UNSTATED:
            found.append("The side is not stated in the report, so the orders carry none. Please add it.")
        return found

    def _protocol_line(self) -> str:
        guideline = self.setting.guideline
        protocol = guideline.protocol
        row = self.advice.check or (self.decision.row if self.decision else None)
        line = f"**Protocol:** {protocol.id} {protocol.version}"
        if row is None:
            return f"{line}."
        return f"{line}, row {row.id} ({row.title}). Source: {guideline.citations[row.citations[0]].text}."

    def _notes(self) -> list[str]:
        if self.decision is None:
            return []
        step = self.step.kind.id if self.step else None
        wording = self.setting.guideline.wording
        return [
            wording.notes[row.id]
            for row in all_matches(self.setting.guideline.protocol.notes, self.decision.situation.facts)
            if row.steps is None or step in row.steps
        ]

    def _checked(self) -> list[str]:
        lines = [f"**Checked:** {', '.join(self.setting.received)}."] if self.setting.received else []
        undelivered = [gap for gap in self.setting.gaps if gap.reason in GAP_WORDS and "/" not in gap.about]
        if undelivered:
            missing = "; ".join(f"{gap.about} ({GAP_WORDS[gap.reason]})" for gap in undelivered)
            lines.append(f"**Not checked:** {missing}.")
        others = [gap for gap in self.setting.gaps if gap not in undelivered]
        if others:
            left_out = "; ".join(
                f"{escaped(gap.about)} {_LEFT_OUT.get(gap.reason) or GAP_WORDS[gap.reason]}"
                for gap in dict.fromkeys(others[:MOST_GAPS])
            )
            more = f"; and {len(others) - MOST_GAPS} more" if len(others) > MOST_GAPS else ""
            lines.append(f"**Left out:** {left_out}{more}.")
        return lines

    # ------------------------------------------------------------------------------
    # Source and links

    def _topic(self) -> str:
        """The row that speaks, as a stable code; for a duplicate that no row speaks of, the concern."""
        row = self.advice.check or (self.decision.row if self.decision else None)
        if row is None and self.decision is not None and self.decision.undecided is not None:
            row = self.decision.undecided.row
        if row is not None:
            return row.id
        objection = self.advice.objection
        return "Other" if objection is None else objection.concern.topic

    def _source(self) -> Json:
        offering, protocol = self.setting.knowledge.offering, self.setting.guideline.protocol
        row = self.advice.check or (self.decision.row if self.decision else None)
        topic: Json = {"code": self._topic(), "system": offering.topic_system}
        if row is not None:
            topic["display"] = row.title
        return {
            "label": offering.source_label,
            "url": f"{self.setting.public_url}/protocols/{protocol.id}",
            "topic": topic,
        }

    def _links(self) -> list[Json]:
        base, protocol = self.setting.public_url, self.setting.guideline.protocol
        return [
            {
                "label": "For the patient: what breast calcifications are",
                "url": f"{base}/patient/calcifications",
                "type": "absolute",
            },
            {
                "label": "Why this card",
                "url": f"{base}/explain/{protocol.id}/{protocol.version}/{self._topic()}",
                "type": "absolute",
            },
        ]

    # ------------------------------------------------------------------------------
    # Suggestions

    def _suggestions(self, words: CardText, values: Mapping[str, str]) -> list[Json]:
        objection = self.advice.objection
        if objection is None:
            return [] if self.advice.check is not None else self._offers([], "")
        match objection.concern:
            case Concern.WRONG_KIND | Concern.WRONG_BREAST:
                deletes = self._deletes(objection.drafts)
                return self._offers(deletes, (words.replace or "").format_map(values) if deletes else "")
            case Concern.REMOVED_BREAST:
                return []
            case Concern.NOT_CALLED_FOR:
                is_open = self.decision is not None and self.decision.is_open
                is_about_to_be_due = self.step is not None and bool(self.step.kind.replaces)
                return self._offers([], "") if is_open and is_about_to_be_due else []
            case Concern.DUPLICATE | Concern.IDENTICAL_DRAFTS:
                deletes = self._deletes(objection.drafts)
                return [self._suggestion((words.remove or "").format_map(values), deletes)] if deletes else []
            case _:
                label = (words.update or "").format_map(values)
                actions = [action for draft in objection.drafts if (action := self._update(draft, label))]
                return [self._suggestion(label, actions, is_recommended=True)] if actions else []

    def _suggestion(self, label: str, actions: list[Json], *, is_recommended: bool = False) -> Json:
        suggestion: Json = {"label": label, "uuid": self.setting.new_id()}
        if is_recommended:
            suggestion["isRecommended"] = True
        suggestion["actions"] = actions
        return suggestion

    def _offers(self, deletes: list[Json], lead: str) -> list[Json]:
        """The ways to take the step, the first that may be recommended marked as such. What is offered first in some
        situations and again for all of them is offered once."""
        decision, step = self.decision, self.step
        if decision is None or step is None:
            return []
        facts = decision.situation.facts
        found = []
        offered: set[tuple[str, ...]] = set()
        is_recommended = False
        for offer in step.kind.offers:
            if offer.orders in offered or holds(offer.when, facts) is not True:
                continue
            offered.add(offer.orders)
            recommend = (
                not is_recommended
                and step.row.may_recommend
                and offer.recommended_when is not None
                and holds(offer.recommended_when, facts) is True
            )
            is_recommended = is_recommended or recommend
            templates = [self.setting.knowledge.catalogue.templates[each] for each in offer.orders]
            label = f"Order {' and '.join(each.label for each in templates)}, {self._order_side().words}"
            actions = [*deletes, *(action for each in templates for action in self._creates(each))]
            found.append(
                self._suggestion(
                    f"{lead}: {label[0].lower()}{label[1:]}" if lead else label, actions, is_recommended=recommend
                )
            )
        return found

    def _order_side(self) -> Side:
        return Side.BOTH if self.step is not None and self.step.side is Side.BOTH else self.advice.side

    def _creates(self, template: OrderTemplate) -> list[Json]:
        """One order; for a procedure on both breasts one for each, because each has its own result."""
        side = self._order_side()
        sides = side.breasts if side is Side.BOTH and not template.kind.is_imaging else (side,)
        return [self._create(template, each) for each in sides]

    def _create(self, template: OrderTemplate, side: Side) -> Json:
        decision, step, current = self.decision, self.step, self.current
        if decision is None or step is None or current is None:
            raise InvalidAnswer("An order was offered without a step.")
        catalogue = self.setting.knowledge.catalogue
        return {
            "type": "create",
            "description": f"Order: {template.label}, {side.words}, {_span_words(step.window)}",
            "resource": service_request(
                template,
                side,
                self.setting.requested,
                catalogue=catalogue,
                window=step.window,
                is_urgent=step.is_urgent,
                reasons=reasons(catalogue, decision.situation, step),
                report=current.study.reference,
            ),
        }

    def _deletes(self, drafts: Iterable[Order]) -> list[Json]:
        """The drafts taken back, but for those that nothing names."""
        labels = self.setting.knowledge.catalogue.kind_labels
        return [
            {
                "type": "delete",
                "description": f"Delete the draft order: {labels[draft.kind]}",
                "resourceId": draft.reference,
            }
            for draft in drafts
            if is_named(draft.reference)
        ]

    def _update(self, draft: Order, description: str) -> Json | None:
        """The draft given back whole, with the side and the time window that it lacks; nothing where nothing names
        it."""
        resource, step = self.setting.drafts.get(draft.reference), self.step
        objection = self.advice.objection
        if resource is None or step is None or objection is None or not is_named(draft.reference):
            return None
        if draft.side is Side.UNSTATED and step.side is not Side.UNSTATED:
            resource = with_side(resource, self._order_side(), self.setting.knowledge.catalogue)
        if not draft.has_window or objection.concern in (Concern.TOO_EARLY, Concern.WRONG_WINDOW):
            resource = with_window(resource, step.window)
        return {"type": "update", "description": description, "resource": filled(resource)}


_SELECTED_SIDES = {
    Side.LEFT: "the left breast", Side.RIGHT: "the right breast", Side.UNSTATED: "the breast",
}  # fmt: skip
_PLACEHOLDERS = (
    "assessment", "category", "implied", "suspicion", "side", "selected_side", "selected", "step", "window", "row",
    "why", "row_detail", "biopsy_choice", "existing_window", "date", "due", "result_date", "suspicion_date",
    "index_date", "accepted_from",
)  # fmt: skip


def assessment_words(verdict: Verdict) -> str:
    """A verdict in the words of a card: `BI-RADS 4B (suspicious)`."""
    if verdict.category is None:
        return "No single assessment"
    words = f"BI-RADS {verdict.category.value} ({verdict.category.group.words})"
    return f"Derived {words}" if verdict.state is State.DERIVED else words


def _is_about(advice: Advice, fact: str) -> bool:
    return advice.check is not None and advice.check.is_about(fact)


def _assessments_words(decisions: Iterable[Decision], first: Verdict) -> str:
    """The verdicts of the breasts that share a card; where they differ, as `BI-RADS 1 and 2 (benign)`."""
    found = {decision.situation.current.verdict.category for decision in decisions if decision.situation.current}
    if len(found) < 2 or first.category is None:
        return assessment_words(first)
    numbers = " and ".join(sorted(category.value for category in found if category is not None))
    return f"BI-RADS {numbers} ({first.category.group.words})"


def _is_about_suspicion(advice: Advice, decision: Decision) -> bool:
    """Whether a card speaks of an earlier 4 or 5."""
    if advice.check is not None:
        return advice.check.is_about("unconfirmed_suspicion")
    row = decision.row
    return row is not None and row.timing is not None and row.timing.anchor is Anchor.SUSPICION


def _titled(title: str) -> str:
    return f"{escaped(title)}, " if title else ""


def _episode_words(episode: Episode) -> str:
    study, verdict = episode.study, episode.verdict
    where = f"{_titled(study.title)}{escaped(study.reference)} of {study.date}"
    if verdict.state is State.CONFLICT:
        statements = "; ".join(
            f"{escaped(each.statement)} ({escaped(each.reference)}, {each.place})" for each in verdict.evidence
        )
        what = "statements that disagree" if len(verdict.evidence) > 1 else "a category that is left open"
        return f"**Found:** {what}, {verdict.side.words}, in {where}: {statements}."
    lead = f"**Found:** {assessment_words(verdict)}, {verdict.side.words}, in {where}."
    if not verdict.evidence:
        return lead
    read = "; ".join(
        f"{escaped(each.statement)} ({escaped(each.reference)}, {each.place})" for each in verdict.evidence
    )
    basis = _BASIS_WORDS[verdict.basis] if verdict.basis else "Read from"
    return f"{lead} {basis} {read}."


def _window_words(order: Order | None) -> str:
    if order is None or order.starts is None:
        return ""
    return f" for {order.starts} to {order.ends}" if order.ends else f" for {order.starts}"


def _removal_words(removal: Sided) -> str:
    return f"mastectomy, {escaped(removal.reference)}" + (f" of {removal.since}" if removal.since else "")


def _span_words(window: tuple[date, date]) -> str:
    return f"{window[0].isoformat()} to {window[1].isoformat()}"
