"""From mentions to one assessment per breast and one overall, or to the statements that nobody should choose
between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.vocabulary import Category, Group, Side
from .language import ACR, ANY_SIDE, BIRADS, MODALITY, REFERRING_SIDE, ROLE, Language
from .mentions import MOST, Mention, Status, mentions, worded
from .sections import ASIDE, Section, Sections
from .tables import laid_out, ticked_side
from .text import Text
from .tokens import Tokens, statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a report states. `right`, `left` and `overall` are None where it states nothing for them; `disputed` holds
    the sides for which a careful reader would refuse to choose (`UNSTATED` for the report as a whole)."""

    overall: Category | None = None
    right: Category | None = None
    left: Category | None = None
    review: bool = False
    disputed: Mapping[Side, tuple[Mention, ...]] = field(default_factory=dict)
    deciding: Mapping[Side, Mention] = field(default_factory=dict)
    """The mention behind each category; under `UNSTATED` the one of the examination as a whole."""
    mentions: tuple[Mention, ...] = ()
    prior_films_needed: bool = False
    mentions_calcifications: bool = False
    biopsies_advised: tuple[tuple[Side, tuple[int, int]], ...] = ()
    """The statements that advise a biopsy, by token index, each with the one breast that it names."""
    tokens: Tokens

    @property
    def language(self) -> str:
        return self.tokens.language.code


def assess(text: Text, language: Language, *, is_breast: bool = False) -> Reading:
    """The reading of one report; `is_breast` tells that it is one of breast imaging, whatever its words say."""
    tokens = Tokens(text, language)
    if not (is_breast or _is_about_breast(tokens)):
        return Reading(tokens=tokens)
    sections = Sections(tokens)
    laid = laid_out(tokens, sections)
    stated = mentions(tokens, sections)
    many = next((each for each in (stated, laid.mentions) if len(each) > MOST), None)
    if many is not None:  # nobody should choose from it
        return Reading(review=True, disputed={Side.UNSTATED: tuple(many[:2])}, mentions=tuple(many), tokens=tokens)
    written = [each for each in stated if not laid.covers(each.value)]
    placed = {each.value for each in laid.mentions}
    found = sorted(
        [*(each for each in written if each.value not in placed), *laid.mentions], key=lambda each: each.value
    )
    is_other_document = _is_no_assessment(tokens)
    if is_other_document:
        found = [each for each in found if each.section.kind in _ASSESSING]
    usable = _usable(found)
    if not is_other_document:
        usable += _in_words(tokens, sections, usable)
    state = _State(tokens, sections, is_other_document=is_other_document)
    state.settle(usable, found)
    return state.reading(found)


def _is_about_breast(tokens: Tokens) -> bool:
    return bool(tokens.present & (ROLE["breast"] | BIRADS | ACR))


_TITLE = 40
"""Tokens at the beginning of a report within which it says what kind of document it is."""


def _is_no_assessment(tokens: Tokens) -> bool:
    """Whether the document is of a kind that states no assessment of its own: a letter to the patient, a procedure
    note, a pathology report. A line that states a category is no title: it may speak of such a document, or advise
    it."""
    role = ROLE["no_assessment"]
    first = tokens.first(BIRADS | ACR, 0, _TITLE)
    end = _TITLE if first is None else tokens.at(tokens.text.folded.rfind("\n", 0, tokens.starts[first]) + 1)
    return any(
        bits & role and i not in tokens.inner and (i == 0 or not tokens.words[i - 1].isalpha())
        for i, bits in enumerate(tokens.roles[:end])
    )


def _usable(found: Sequence[Mention]) -> list[Mention]:
    """The mentions that can decide: current ones; those of another day where the same breast has no current one; what
    a first reader said where nobody said more."""
    usable = [each for each in found if each.status in (Status.CURRENT, Status.OPEN)]
    if any(not each.is_preliminary and each.category is not None for each in usable):
        usable = [each for each in usable if not each.is_preliminary]
    covered = {side for each in usable if each.category is not None for side in each.side.breasts or (Side.UNSTATED,)}
    told = {each.statement for each in found if each.status is Status.HISTORY}
    for each in found:
        if each.status is Status.DATED and not each.is_preliminary and each.statement not in told:
            sides = set(each.side.breasts or (Side.UNSTATED,))
            if not covered or not (Side.UNSTATED in sides | covered or sides & covered):
                usable.append(each._replace(status=Status.CURRENT))
    return sorted(usable, key=lambda each: each.value)


def _in_words(tokens: Tokens, sections: Sections, usable: Sequence[Mention]) -> list[Mention]:
    """Assessments in words: where no category is stated in figures, or for the breast that has none."""
    stated = [each for each in usable if each.status in (Status.CURRENT, Status.OPEN)]
    named = {side for each in stated for side in each.side.breasts}
    if stated and (not named or any(each.side is Side.UNSTATED for each in stated)):
        return []
    found = worded(tokens, sections)
    if not stated:
        return found
    return [each for each in found if each.side in (Side.LEFT, Side.RIGHT) and each.side not in named]


# --------------------------------------------------------------------------------------
# Settling

_ASSESSING = frozenset({"impression", "assessment", "final"})
_OPINIONS = {**dict.fromkeys((*ASIDE, "recommendation"), 0), "impression": 2, "assessment": 2}
"""What naming a breast in a section counts for its having an opinion of its own; 1 elsewhere."""
_ITEM = 10
"""Tokens below which what stands below "recommendation" is advised by standing there."""
_BOX_MARKS = frozenset("[\x01\x02")
_FAR = 8
"""Tokens between a word for history and a category, beyond which the word may be about something else."""
_HISTORY = ROLE["history.strong"] | ROLE["history.of_finding"]
_SIDES = ROLE["side_errors.about"]
_SIDE_ERROR = _SIDES | ROLE["side_errors.wrong"] | ROLE["side_errors.slips"]
_COMBINED = 5
_TIERS = {"final": 4, "impression": 4, "assessment": 4, "recommendation": 2, "preliminary": 1}


def _tier(each: Mention) -> int:
    """How much a mention counts: what combines readings, then impression, assessment, tables and whatever stands like
    the field of a form, then running text."""
    if each.is_preliminary:
        return 1
    if (each.is_combined or (each.is_overall and each.is_tabulated)) and not _is_of_whole(each):
        return _COMBINED
    is_single = each.modality and each.section.kind == "findings"  # the reading of one modality only
    return (
        4
        if each.is_tabulated or each.is_overall or (each.is_formal and not is_single)
        else _TIERS.get(each.section.kind, 3)
    )


def _is_of_whole(each: Mention) -> bool:
    """Whether a mention speaks of the examination and not of one breast."""
    return each.is_overall and not each.side.breasts


def _of(part: Sequence[Mention], side: Side) -> list[Mention]:
    """The mentions about one breast, or those without a side."""
    return [each for each in part if (side in each.side.breasts if side.breasts else not each.side.breasts)]


def _combined(part: Sequence[Mention]) -> Sequence[Mention]:
    """What combines readings or modalities replaces them, apart from what was only said of the other breast. A combined
    category of the whole examination settles which modality counts where they differ."""
    joint = [each for each in part if _tier(each) == _COMBINED and each.category is not None]
    if joint:
        sides = {side for each in joint for side in each.side.breasts or Side.BOTH.breasts}
        return [
            each
            for each in part
            if each in joint or _is_of_whole(each) or (each.side.breasts and not sides & set(each.side.breasts))
        ]
    whole = [each for each in part if each.is_combined and each.category is not None]
    return _settled_by(whole[-1], part) if whole else part


def _settled_by(whole: Mention, part: Sequence[Mention]) -> list[Mention]:
    result = list(part)
    for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
        single = [each for each in _of(part, side) if each.modality and each.category and not each.is_overall]
        if len({each.category for each in single}) < 2:
            continue
        agreeing = [
            each for each in single if each.category and whole.category and whole.category.agrees_with(each.category)
        ]
        if agreeing or side is Side.UNSTATED:
            result = [each for each in result if each not in single or each in agreeing]
    return result


def _without_running_text(part: Sequence[Mention]) -> list[Mention]:
    """What is left when an assessment of the whole examination outranks what running text says of one breast. A
    suspicious category in running text is only outranked by one that says that it is the present one."""
    modalities = {each.modality for each in part}
    whole = [
        each
        for each in part
        if each.side is Side.UNSTATED
        and each.category is not None
        and not each.is_overall
        and (not each.modality or modalities == {each.modality})
    ]
    best = max(map(_tier, whole), default=0)
    if best < 4:
        return list(part)
    worst = max((each.category.severity for each in whole if each.category and _tier(each) == best), default=0)
    is_now = any(each.is_now or _tier(each) > 4 for each in whole if _tier(each) == best)
    return [
        each
        for each in part
        if each.side is Side.UNSTATED
        or _tier(each) >= min(best, 4)
        or each.category is None
        or (each.category.severity > worst and not is_now)
    ]


class _State:
    """The assessments of a report while its parts are gone through in their order."""

    def __init__(self, tokens: Tokens, sections: Sections, *, is_other_document: bool = False) -> None:
        self.tokens = tokens
        self.sections = sections
        self.is_other_document = is_other_document
        self.chosen: dict[Side, Mention] = {}
        self.overall: Mention | None = None
        self.disputed: dict[Side, tuple[Mention, ...]] = {}
        self.withdrawn: frozenset[int] = frozenset()

    def settle(self, usable: Sequence[Mention], found: Sequence[Mention]) -> None:
        """Settles the body of the report, then each addendum on top of it. `found` is what was not usable, too."""
        withdrawn = self._withdrawn(usable)
        self.withdrawn = frozenset(withdrawn)
        usable = [each for each in usable if each.section.addendum not in withdrawn]
        self._body([each for each in usable if each.section.addendum == 0])
        for rank in self.sections.addenda:
            if rank in withdrawn:
                continue
            part = [each for each in usable if each.section.addendum == rank]
            if not part:
                self._correct_side(rank)
                self._doubt(rank, found)
            elif self.chosen or self.overall or self.disputed:
                self._addendum(part)
            else:
                self._body(part)
        if 0 in withdrawn and not any(each.section.addendum for each in usable):
            self.chosen, self.overall = {}, None
            self.disputed = {Side.UNSTATED: tuple(withdrawn[0])}

    def _body(self, part: Sequence[Mention]) -> None:
        exam = self._exam_side()
        if exam is not None:
            part = [
                each._replace(side=exam) if each.side is Side.UNSTATED and not each.is_overall else each
                for each in part
            ]
        part = _without_running_text(_combined(self._with_paragraph_sides(part)))
        for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
            self._choose(side, _of(part, side))
        self._tie()

    def _with_paragraph_sides(self, part: Sequence[Mention]) -> Sequence[Mention]:
        """Where several categories differ and name no side, each takes the one side that was spoken of since the one
        before it."""
        unsided = [each for each in part if each.side is Side.UNSTATED and not each.is_overall]
        if len({each.category for each in part}) < 2 or not unsided:
            return part
        result: list[Mention] = []
        previous = 0
        for each in part:
            if each in unsided:
                begin = max(previous, each.first - 90, each.section.start)
                if result:
                    begin = max(begin, self._behind_its_side(result[-1]))
                named = self._named_sides([(begin, each.first)])
                if not named and each.category in (Category.NEGATIVE, Category.BENIGN):
                    named = {side for _, _, side in self.tokens.sides_in(begin, each.first)} - {Side.BOTH}
                refers = self.tokens.last(REFERRING_SIDE, begin, each.first)
                if len(named) == 1:
                    each = each._replace(side=named.pop())
                elif not named and refers is not None and result and result[-1].side in (Side.LEFT, Side.RIGHT):
                    is_other = self.tokens.roles[refers] & ROLE["sides.other"]
                    each = each._replace(side=result[-1].side.opposite if is_other else result[-1].side)
            previous = each.last
            result.append(each)
        return result

    def _behind_its_side(self, mention: Mention) -> int:
        """The token behind the side that follows a mention, where it is its own: `BI-RADS 2 of the left breast`."""
        named = self.tokens.sides_in(mention.last, min(mention.last + 5, mention.statement[1]))
        return named[0][1] if named and named[0][2] is mention.side else mention.last

    def _choose(self, side: Side, mine: Sequence[Mention]) -> None:
        if side is Side.UNSTATED:
            stated = [each for each in mine if each.is_overall and each.category is not None]
            if stated and self.chosen:
                self.overall = stated[-1]
                mine = [each for each in mine if each not in stated]
        if not mine:
            return
        best = max(map(_tier, mine))
        top = [each for each in mine if _tier(each) == best]
        modalities = {each.modality for each in top}
        if 0 not in modalities and best < _COMBINED:  # one modality does not outrank another
            top = [each for each in mine if each in top or each.modality not in (0, *modalities)]
        lesions = {each.lesion for each in top}
        if "" not in lesions and best < _COMBINED:  # nor one lesion another
            top = [each for each in mine if each in top or each.lesion not in ("", *lesions)]
        stated = [each for each in top if each.category is not None]
        opened = [each for each in top if each.category is None and each.is_range]
        if not stated:
            self.disputed[side] = tuple(top)
            return
        if opened and not any(each.first > opened[-1].first for each in stated):
            self.disputed[side] = (*opened, *stated)
            return
        stated += _outranked(mine, stated)
        decided = _agreed(stated)
        if decided is None:
            self.disputed[side] = tuple(_different(stated))
        elif side is Side.UNSTATED and self.chosen:
            self.overall = decided
        else:
            self.chosen[side] = decided

    # ------------------------------------------------------------------------------
    # Ties to a side

    def _tie(self) -> None:
        """A single category without a side goes to the side that its finding is clearly on."""
        single = self.chosen.get(Side.UNSTATED)
        if single is None or len(self.chosen) > 1 or single.category is None:
            return
        side = self._finding_side(single)
        if side is not None:
            del self.chosen[Side.UNSTATED]
            self.chosen[side] = single._replace(side=side)

    def _exam_side(self) -> Side | None:
        """The breast that was examined, where the report is an examination of one breast only."""
        tokens = self.tokens
        boxed = ticked_side(tokens)
        if boxed is not None:
            return boxed
        count = 0
        for begin, end in statements(tokens, 0, min(len(tokens), 160)):
            if begin == end or self.sections.at(begin).kind == "history":
                continue
            count += 1
            if count > 6:
                return None
            cut = next((i for i in range(begin, end) if tokens.words[i] == "("), end)
            end = min(cut, begin + 30, tokens.first(_HISTORY, begin + 1, end) or end)
            if not self._is_title(begin, end, is_first=count == 1):
                continue
            named = {side for _, _, side in tokens.sides_in(begin, end)}
            if len(named) == 1 and Side.BOTH not in named:
                side = named.pop()
                return None if self._examines(side.opposite, tokens.statement(begin)[1]) else side
            if named or tokens.has(MODALITY, begin, end):
                return None
        return None

    def _is_title(self, begin: int, end: int, *, is_first: bool) -> bool:
        """Whether a statement at the beginning may say what was examined: it names the way of examining, or a breast
        or, as the first one, a side, and nothing that is denied, was done to a breast, or is told of one of two."""
        tokens = self.tokens
        if self._is_labelled(begin, end):
            return False
        examined = tokens.first(MODALITY, begin, end)
        operated = tokens.first(ROLE["operated"], begin, end)
        if operated is not None:
            return examined is not None and examined < operated
        if examined is not None or self.sections.at(begin).kind == "examination":
            return True
        is_told = tokens.has(ROLE["history.present"], begin, end) or self._is_denied(begin, end)
        return not is_told and (is_first or tokens.has(ROLE["breast"], begin, end))

    def _is_labelled(self, begin: int, end: int) -> bool:
        """Whether a statement is what a label says of a breast: `Left breast: no suspicious mass`."""
        tokens = self.tokens
        named = tokens.sides_in(begin, min(end, begin + 4))
        behind = named[0][1] if named else end
        colon = next((i for i in range(behind, min(end, behind + 3)) if tokens.words[i] == ":"), end)
        return colon + 1 < end and not tokens.has(MODALITY, begin, colon)

    def _examines(self, side: Side, begin: int) -> bool:
        """Whether a breast gets an opinion of its own behind the title, outside history and recommendation."""
        count = 0
        for start, _, named in self.tokens.sides:
            if named is side and start >= begin:
                kind = self.sections.at(start).kind
                count += _OPINIONS.get(kind, 1)
        return count > 1

    def _finding_side(self, single: Mention) -> Side | None:
        """The one side on which the finding behind a category lies. A category 1 or 2 is tied only by the impression of
        an examination that was not of both breasts."""
        is_finding = single.category not in (Category.NEGATIVE, Category.BENIGN)
        spans = self._impression(single)
        if not is_finding and not any(section.kind in _ASSESSING for section in self.sections.all):
            return None
        sides = self._named_sides(spans)
        if is_finding:
            if not sides:
                sides = self._named_sides([(0, len(self.tokens))])
            return sides.pop() if len(sides) == 1 else None
        if len(sides) != 1 or any(
            side not in sides for place, _, side in self.tokens.sides if self.sections.at(place).kind not in ASIDE
        ):
            return None
        return sides.pop()

    def _impression(self, single: Mention) -> list[tuple[int, int]]:
        """The impression and the assessment; where a report has neither, the statements around the category."""
        spans = [
            (section.body, section.end)
            for section in self.sections.all
            if section.kind in _ASSESSING and section.addendum == single.section.addendum
        ]
        return spans or [(max(0, single.first - 50), min(len(self.tokens), single.last + 25))]

    def _named_sides(self, spans: Iterable[tuple[int, int]]) -> set[Side]:
        """The single sides that statements name; those that deny a finding or call it normal do not count, nor does
        history."""
        found: set[Side] = set()
        for span in spans:
            for begin, end in statements(self.tokens, *span):
                is_aside = self.sections.at(begin).kind in ASIDE or self._is_beside(begin, end)
                if not is_aside and not self._is_denied(begin, end):
                    found |= {side for _, _, side in self.tokens.sides_in(begin, end)}
        return found - {Side.BOTH}

    def _is_beside(self, begin: int, end: int) -> bool:
        """Whether a statement speaks of an operation, a device or the past, and of no finding."""
        tokens = self.tokens
        return tokens.has(ROLE["operated"] | _HISTORY, begin, end) and not tokens.has(ROLE["lesion"], begin, end)

    def _is_denied(self, begin: int, end: int) -> bool:
        """Whether a statement denies a finding, or calls the finding that it names normal or unchanged."""
        tokens = self.tokens
        first = tokens.first(ROLE["normal"], begin, end)
        lesion = tokens.first(ROLE["lesion"], begin, end)
        if first is None or lesion is None or first < lesion:
            return first is not None
        return (
            first - lesion <= 3 and "," not in tokens.words[lesion:first] and not tokens.roles[first] & ROLE["negation"]
        )

    # ------------------------------------------------------------------------------
    # Addenda

    def _withdrawn(self, usable: Sequence[Mention]) -> dict[int, list[Mention]]:
        """The ranks of the addenda that a later one takes back, and of those that do so; rank 0 is the report itself,
        with what it said."""
        tokens = self.tokens
        found: dict[int, list[Mention]] = {}
        for section in self.sections.all:
            if section.kind != "addendum" or section.addendum in found:
                continue
            place = tokens.first(ROLE["withdrawn"], section.body, section.end)
            if place is None:
                continue
            mine = [each for each in usable if each.section.addendum == section.addendum]
            begin, end = tokens.statement(place)
            target = self._addendum_named(begin, end, section)
            if target is not None:
                found[target] = []
            elif not [each for each in mine if each.statement != (begin, end) or each.value > place]:
                found[0] = [each for each in usable if each.section.addendum < section.addendum]
                found[section.addendum] = []
        return found

    def _addendum_named(self, begin: int, end: int, within: Section) -> int | None:
        """The rank of an earlier addendum that a statement speaks of."""
        tokens = self.tokens
        for i in range(max(begin, within.body), end):
            for behind, kind in tokens.phrases_at(i, tokens.language.headings):
                if kind == "addendum":
                    number = tokens.words[behind] if behind < len(tokens) else ""
                    rank = int(number) if number.isdigit() and len(number) == 1 else within.addendum - 1
                    return rank if 0 < rank < within.addendum else None
        return None

    def _doubt(self, rank: int, found: Sequence[Mention]) -> None:
        """An addendum whose only categories read like history, but are more suspicious than the report: a person has to
        tell whether the category was raised."""
        told = [
            each
            for each in found
            if each.section.addendum == rank
            and each.status in (Status.HISTORY, Status.DATED)
            and each.category is not None
            and each.category.group is Group.SUSPICIOUS
        ]
        for each in told:
            known = [self.chosen.get(side) for side in (each.side, Side.UNSTATED)]
            stated = [mention for mention in known if mention is not None and mention.category is not None]
            if (
                stated
                and each.category
                and all(each.category.severity > m.category.severity for m in stated if m.category)
            ):
                self.disputed[each.side] = (*stated, each)

    def _correct_side(self, rank: int) -> None:
        """An addendum without a category that says that a side was wrong: the side that it means replaces the other
        one; where it cannot be told which one that is, or both breasts have an assessment, a person has to tell."""
        tokens = self.tokens
        for section in self.sections.of_addendum(rank):
            spoken = tokens.first(ROLE["should_read"], section.body, section.end)
            place = spoken if spoken is not None else tokens.first(_SIDE_ERROR, section.body, section.end)
            if place is None:
                continue
            named = [each for each in tokens.sides_in(section.body, section.end) if each[2] in Side.BOTH.breasts]
            before = [side for start, _, side in named if start < place]
            behind = [side for start, _, side in named if start >= place]
            wrong = {side for start, _, side in named if self._is_called_wrong(start)}
            meant = {side for _, _, side in named} - wrong
            is_about_sides = bool(behind) if spoken is not None else tokens.has(_SIDES, section.body, section.end)
            if not (is_about_sides or wrong or len(meant) > 1):
                continue  # "correction: the right breast cyst measures 8 mm"
            if spoken is not None and before and behind and behind[0] is before[-1].opposite:
                self._move_to(behind[0])
            elif len(wrong) < 2 and len(meant) == 1:
                self._move_to(meant.pop(), tokens.statement(place))
            elif wrong and not meant:
                self._move_to(wrong.pop().opposite, tokens.statement(place))
            else:
                self._doubt_sides(tokens.statement(place))

    def _is_called_wrong(self, i: int) -> bool:
        """Whether a side is named as the wrong one: `not the left`, `incorrectly stated as left`, `left by mistake`."""
        tokens, wrong = self.tokens, ROLE["side_errors.wrong"]
        begin, end = tokens.statement(i)
        cue = tokens.last(ROLE["negation"] | wrong, max(begin, i - 5), i)
        if cue is not None and not tokens.sides_in(cue, i):
            return True
        cue = tokens.first(wrong, i + 1, min(end, i + 7))
        return cue is not None and not tokens.sides_in(i + 1, min(end, cue + 6))  # "right in place of left"

    def _move_to(self, side: Side, said: tuple[int, int] | None = None) -> None:
        """Gives the assessment of the other breast, or the one without a side, to a breast. `said` is the statement of
        an addendum that does not say in so many words what has to be read."""
        if said is not None and side in self.chosen and side.opposite in self.chosen:
            self._doubt_sides(said)
            return
        key = side.opposite if side.opposite in self.chosen else Side.UNSTATED
        mention = self.chosen.pop(key, None) if key is not Side.UNSTATED or side not in self.chosen else None
        if mention is not None:
            self.chosen[side] = mention._replace(side=side)

    def _doubt_sides(self, said: tuple[int, int]) -> None:
        """Leaves it to a person which breast an assessment belongs to."""
        for side, mention in self.chosen.items():
            doubt = mention._replace(first=said[0], value=said[0], last=said[1], category=None, statement=said)
            self.disputed[side] = (mention, doubt)

    def _addendum(self, part: Sequence[Mention]) -> None:
        """An addendum replaces what it speaks of: a side, or the one assessment there is."""
        before = dict(self.chosen)
        fresh = _State(self.tokens, self.sections)
        for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
            fresh._choose(side, _of(part, side))
        if not (fresh.chosen or fresh.disputed):
            return
        self.disputed = dict(fresh.disputed)
        doubt = fresh.disputed.get(Side.UNSTATED)
        if doubt:  # nobody can tell which breast it speaks of
            self.disputed |= {side: (mention, *doubt) for side, mention in before.items()}
        for side, mention in fresh.chosen.items():
            if side is Side.UNSTATED:
                self._replace_unsided(before, mention)
            else:
                self._replace_side(before, side, mention)
        self.overall = fresh.overall

    def _replace_unsided(self, before: dict[Side, Mention], mention: Mention) -> None:
        exam = self._exam_side()
        named = self._named_sides([(mention.section.body, mention.section.end)])
        sided = [side for side in before if side is not Side.UNSTATED]
        is_finding = mention.category not in (Category.NEGATIVE, Category.BENIGN)
        if exam is not None:
            self._replace_side(before, exam, mention)
        elif len(named) == 1 and (is_finding or named == set(sided)):
            self._replace_side(before, named.pop(), mention)
        elif len(sided) == 1 and is_finding:
            self.chosen[sided[0]] = mention._replace(side=sided[0])
        else:
            self.chosen = {Side.UNSTATED: mention}

    def _replace_side(self, before: dict[Side, Mention], side: Side, mention: Mention) -> None:
        self.chosen.pop(Side.UNSTATED, None)
        other = before.get(side.opposite)
        if other is not None and side not in before and other.category is mention.category:
            del self.chosen[side.opposite]  # the addendum corrects the side
        self.chosen[side] = mention._replace(side=side)

    # ------------------------------------------------------------------------------
    # The result

    def reading(self, found: Sequence[Mention]) -> Reading:
        disputed = dict(self.disputed)
        unsided = disputed.get(Side.UNSTATED)
        if unsided and all(each.category is None and not each.is_range for each in unsided):
            if self._stands_beside(unsided):
                del disputed[Side.UNSTATED]
            else:  # the assessment is pending; what stands in the running text is none
                self.chosen = {side: each for side, each in self.chosen.items() if side is Side.UNSTATED}
        sides = [each for side in Side.BOTH.breasts if (each := self.chosen.get(side)) is not None]
        whole = self.overall or self.chosen.get(Side.UNSTATED)
        worst = max((each.category for each in sides if each.category), key=lambda c: c.severity, default=None)
        overall = whole.category if whole is not None else worst
        if whole is not None and whole.category and worst and not _fits(whole.category, worst):
            if any(whole.modality != each.modality or whole.lesion != each.lesion for each in sides):
                overall = worst
            elif not disputed:
                disputed[Side.UNSTATED] = (whole, *sides)
        if not disputed:
            disputed = self._doubts(found)
        deciding = {side: mention for side, mention in self.chosen.items() if side not in disputed}
        if self.overall is not None and not disputed:
            deciding[Side.UNSTATED] = self.overall
        decided = list(deciding.values())
        return Reading(
            overall=None if disputed else overall,
            right=_category(deciding.get(Side.RIGHT)),
            left=_category(deciding.get(Side.LEFT)),
            review=bool(disputed),
            disputed=disputed,
            deciding=deciding,
            mentions=tuple(found),
            prior_films_needed=any(map(self._waits_for_films, decided)),
            mentions_calcifications=self._has_calcifications(decided),
            biopsies_advised=() if self.is_other_document else tuple(self._biopsies_advised()),
            tokens=self.tokens,
        )

    def _stands_beside(self, opened: Sequence[Mention]) -> bool:
        """Whether what the breasts were given holds beside a field for the whole that was left open: where it counts
        as much, and where it is suspicious."""
        sides = [each for side, each in self.chosen.items() if side in Side.BOTH.breasts]
        is_suspicious = any(each.category is not None and each.category.group is Group.SUSPICIOUS for each in sides)
        return bool(sides) and (is_suspicious or max(map(_tier, sides)) >= max(map(_tier, opened)))

    def _doubts(self, found: Sequence[Mention]) -> dict[Side, tuple[Mention, ...]]:
        """What a person has to tell although nothing contradicts: where the text stops, where history may be none."""
        if self.chosen or self.overall:
            lost = self._lost_side() if len(self.chosen) == 1 else None
            return {} if lost is None else {lost: ()}
        doubted = tuple(each for each in found if self._may_be_present(each))
        if doubted:
            return {Side.UNSTATED: doubted}
        is_history = all(each.status is Status.HISTORY for each in found)
        is_lost = is_history and _is_about_breast(self.tokens) and _is_cut_off(self.tokens)
        return {Side.UNSTATED: ()} if is_lost else {}

    def _may_be_present(self, mention: Mention) -> bool:
        """Whether a 4 or 5 was only taken for history by a word far before it, in the body of a report that states no
        other category: a person has to tell."""
        tokens, cues = self.tokens, _HISTORY | ROLE["history.medium"] | ROLE["history.weak"]
        cue = tokens.last(cues, mention.statement[0], mention.first)
        return (
            mention.status is Status.HISTORY
            and mention.category is not None
            and mention.category.group is Group.SUSPICIOUS
            and mention.section.kind not in ASIDE
            and not mention.is_preliminary
            and not self.is_other_document
            and (cue is None or mention.first - tokens.behind(cue) > _FAR)
            and not tokens.has(ROLE["history.after"] | ROLE["history.resolved"], mention.last, mention.statement[1])
        )

    def _lost_side(self) -> Side | None:
        """The breast of which the report speaks where it stops in the middle of a word, and which has no assessment."""
        tokens = self.tokens
        side = next(iter(self.chosen)).opposite
        named = {each for _, _, each in tokens.sides_in(tokens.line(len(tokens) - 1)[0], len(tokens))}
        return side if named == {side} and _is_within_word(tokens) else None

    def _waits_for_films(self, mention: Mention) -> bool:
        """Whether a category 0 asks for older images and not for new ones."""
        if mention.category is not Category.INCOMPLETE:
            return False
        tokens, end = self.tokens, min(len(self.tokens), mention.last + 45)
        films = tokens.first(ROLE["prior_films"], mention.last, end)
        if films is None or not tokens.has(ROLE["needs_words"], mention.last, end):
            return False
        imaging = tokens.first(ROLE["additional_imaging"], mention.last, end)
        return imaging is None or (imaging > films and tokens.has(ROLE["conditional"], films, imaging))

    def _biopsies_advised(self) -> Iterator[tuple[Side, tuple[int, int]]]:
        """The statements that advise to take tissue: not those of a condition, of the past or of a denial."""
        tokens = self.tokens
        if not tokens.present & ROLE["biopsy"]:
            return
        excluded = ROLE["negation"] | ROLE["conditional"] | _HISTORY | ROLE["history.medium"]
        excluded |= BIRADS | ACR  # what is said of a category is the mention's to say
        for section in self.sections.all:
            if section.kind in (*ASIDE, "legend", "preliminary") or section.addendum in self.withdrawn:
                continue
            for begin, end in statements(tokens, section.body, section.end):
                if not tokens.has(ROLE["biopsy"], begin, end) or tokens.has(excluded, begin, end):
                    continue
                is_item = section.kind == "recommendation" and end - begin < _ITEM
                is_advised = is_item or tokens.has(ROLE["advised"], begin, end)
                if is_advised and not any(tokens.words[i] in _BOX_MARKS for i in range(begin, end)):
                    named = {side for _, _, side in tokens.sides_in(begin, end)} & set(Side.BOTH.breasts)
                    yield named.pop() if len(named) == 1 else Side.UNSTATED, (begin, end)

    def _has_calcifications(self, decided: Sequence[Mention]) -> bool:
        """Whether the impression, or the statement that decided, speaks of calcifications without denying them."""
        words, names = self.tokens.words, self.tokens.language.calcifications
        spans = [(s.body, s.end) for s in self.sections.all if s.kind in _ASSESSING]
        spans = [*(each.statement for each in decided), *spans] if spans else [(0, len(self.tokens))]
        for span in spans:
            for begin, end in statements(self.tokens, *span):
                place = next((i for i in range(begin, end) if words[i].startswith(names)), None)
                if place is not None and not self.tokens.has(ROLE["normal"], begin, place):
                    return True
        return False


def _category(mention: Mention | None) -> Category | None:
    return None if mention is None else mention.category


def _fits(whole: Category, worst: Category) -> bool:
    """Whether an overall category can stand beside those of the breasts: it is the worst of them, or says the same
    less precisely, or speaks of a breast that has none of its own."""
    return whole is Category.KNOWN_MALIGNANCY or whole.agrees_with(worst) or whole.severity > worst.severity


def _agreed(stated: Sequence[Mention]) -> Mention | None:
    """The mention that stands for all of them: the same category, its most precise form, or the worst of several
    lesions or modalities. None where they contradict each other."""
    if all(one.category.agrees_with(stated[0].category) for one in stated if one.category and stated[0].category):
        return max(stated, key=lambda each: (len(each.category or ""), each.is_sure))
    worst = max(stated, key=lambda each: each.category.severity if each.category else -1)
    others = {each.category for each in stated} - {Category.KNOWN_MALIGNANCY}
    if len(others) == 1 and Group.SUSPICIOUS in {each.group for each in others if each}:
        return worst  # beside a known cancer, another lesion of the same breast
    keys = [(each.lesion, each.modality) for each in stated]
    apart = {key for key in keys if any(key)}
    whole = [
        each
        for each, key in zip(stated, keys, strict=True)
        if not any(key) and (len(apart) < 2 or (each.is_formal and not each.is_of_finding))
    ]
    if len(apart) > 1 and all(each.category is worst.category for each in whole):
        return worst
    if len(apart) >= len({each.category for each in stated}) and not whole:
        return worst
    return None


def _outranked(mine: Sequence[Mention], stated: Sequence[Mention]) -> list[Mention]:
    """What running text calls more suspicious than the assessment does: a 4 or 5 beside a 1, 2 or 3, or a higher one
    that names no modality or lesion of its own; and a 1, 2 or 3 that the recommendation gives to what the assessment
    calls suspicious. A careful reader would ask which of the two holds."""
    worst = max(each.category.severity for each in stated if each.category)
    if any(each.section.kind == "final" or each.is_combined or each.section.addendum for each in stated):
        return []  # it says itself that it settles what was said before
    is_mild = worst < Category.KNOWN_MALIGNANCY.severity
    if not is_mild and worst < Category.LOW_SUSPICION.severity:
        return []
    return [
        each
        for each in mine
        if each not in stated
        and not each.is_preliminary
        and each.category is not None
        and each.category.severity > worst
        and (each.category.group is Group.SUSPICIOUS if is_mild else not (each.modality or each.lesion))
    ] + [
        each
        for each in mine
        if not is_mild
        and each.section.kind == "recommendation"
        and each.category in (Category.NEGATIVE, Category.BENIGN, Category.PROBABLY_BENIGN)
        and not (each.modality or each.lesion)
    ]


def _different(stated: Sequence[Mention]) -> list[Mention]:
    """One mention of each category, in the order of the text."""
    seen: dict[Category | None, Mention] = {}
    for each in stated:
        seen.setdefault(each.category, each)
    return list(seen.values())


_ENDS = frozenset(".!?:)]\"'*/_=>")


def _is_within_word(tokens: Tokens) -> bool:
    """Whether the text stops in the middle of a word: of any known one by four letters, of the breast or a side by
    three."""
    last = tokens.words[-1]
    if len(last) < 3 or not last.isalpha():
        return False
    singles = tokens.language.singles
    near = [word for word, bits in singles.items() if bits & (ROLE["breast"] | ANY_SIDE)]
    known = (
        near
        if len(last) == 3
        else ("birads", "category", "classification", "biopsy", *near, *tokens.language.vocabulary)
    )
    return last not in singles and last not in known and any(each.startswith(last) for each in known)


def _is_cut_off(tokens: Tokens) -> bool:
    """Whether the text stops in the middle of a statement."""
    words = [word for word in tokens.words[-12:] if word != "\n"]
    if not words or words[-1] in _ENDS or words[-1].isdigit():
        return False
    last, line = words[-1], tokens.line(len(tokens) - 1)
    if _is_within_word(tokens):
        return True
    roles = tokens.language.singles.get(last, 0)
    if not roles and any(len(phrase) > 1 for phrase, _ in tokens.language.statements.get(last, ())):
        return True
    length = tokens.ends[-1] - tokens.starts[line[0]] if line[0] < line[1] else 0
    if last in (",", "-"):
        return length > 20
    is_small = roles & (
        ROLE["fillers"] | ROLE["ands"] | ROLE["history.dated"] | ROLE["negation"] | ROLE["history.present"]
    )
    return bool(is_small) and not roles & (ROLE["breast"] | ROLE["normal"] & ~ROLE["negation"]) and length > 30
