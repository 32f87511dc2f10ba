"""Loads the knowledge folder, cross-checks it, and refuses to hand it out while anything in it is wrong.

Everything is read once at start. The errors name the file, the row and the field, so that a clinician who edited a
sentence finds the place.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from .core.concordance import Concern
from .core.dates import Interval
from .core.protocol import (
    Anchor,
    Cell,
    CheckRow,
    Condition,
    DecisionRow,
    Derivation,
    ExclusionRow,
    Limits,
    NoteRow,
    Offer,
    Operator,
    Pattern,
    Protocol,
    Shown,
    StepKind,
    Timing,
    Visit,
)
from .core.situation import FACTS, VALUES
from .core.vocabulary import (
    Category,
    Change,
    Distribution,
    Group,
    Indicator,
    Morphology,
    OrderKind,
    Pathology,
    Side,
)
from .errors import KnowledgeError
from .reading.language import Languages, compiled
from .reading.text import fold
from .terminology import (
    CHECK_DIGITS,
    Concept,
    Family,
    Means,
    Misuse,
    OrderWords,
    PathologyWords,
    Terminology,
    Words,
    any_word,
    folded,
)

Raw = dict[str, Any]

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "cards"

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1 allows fewer than 140 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardText:
    """The words of one kind of card; placeholders in braces."""

    summary: str
    summary_overdue: str | None
    summary_unchecked: str | None
    detail: str
    overrides: tuple[str, ...]
    replace: str | None
    update: str | None
    remove: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The words of one protocol."""

    rows: Mapping[str, CardText]
    checks: Mapping[str, CardText]
    concerns: Mapping[Concern, CardText]
    undecided: CardText
    notes: Mapping[str, str]
    phrases: Mapping[str, str]
    override_reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTemplate:
    """How one order is coded in FHIR; codings by side, complete but for the patient and the dates."""

    id: str
    kind: OrderKind
    label: str
    category: Raw
    codings: Mapping[Side, list[Raw]]
    detail: Raw | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything of `orders.yaml` that the suggested orders are made of."""

    templates: Mapping[str, OrderTemplate]
    sites: Mapping[Side, Raw]
    kind_labels: Mapping[OrderKind, str]
    step_labels: Mapping[str, str]
    category_reasons: Mapping[Category, Raw]
    reasons: Mapping[str, Raw]
    microcalcifications: frozenset[Morphology]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a row comes from; grade A is the strongest evidence."""

    text: str
    grade: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """One protocol with its words and its provenance."""

    protocol: Protocol
    wording: Wording
    citations: Mapping[str, Citation]
    source_label: str
    extends: str | None
    effective: str
    approval: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One offer in discovery."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """What discovery answers, and the systems of our own codes."""

    specification_version: str
    hook_version: str
    topic_system: str
    override_reason_system: str
    source_label: str
    prefetch: Mapping[str, str]
    optional_prefetch: frozenset[str]
    services: Mapping[str, Service]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The whole folder, ready for use."""

    folder: Path
    terminology: Terminology
    languages: Languages
    """How reports are written."""
    catalogue: Catalogue
    offering: Offering
    guidelines: Mapping[str, Guideline]

    def guideline(self, protocol: str) -> Guideline:
        """The protocol of that name with its words. Raises `KnowledgeError` where there is none."""
        if protocol not in self.guidelines:
            raise KnowledgeError([f"there is no protocol {protocol}; there are {', '.join(self.guidelines)}"])
        return self.guidelines[protocol]


def load(folder: Path = DEFAULT_FOLDER) -> Knowledge:
    """The knowledge of a folder.

    Raises `KnowledgeError` with one line for each problem, all of them at once.
    """
    return _Loader(folder).knowledge()


shared = cache(load)
"""`load`, once for a process and for those that are forked from it."""


# --------------------------------------------------------------------------------------
# Reading files


class _Yaml(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without surprises: dates stay text, only true and false are booleans, a key may not occur twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Raw:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge":
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands twice", key_node.start_mark
                    )
                seen.add(key)
        mapping: Raw = super().construct_mapping(node, deep)
        return mapping


_Yaml.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), list("tf"))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises `KnowledgeError` where it cannot be read."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Yaml)  # noqa: S506 (a safe loader)
    except FileNotFoundError:
        raise KnowledgeError([f"{path.name}: the file is missing"]) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise KnowledgeError([f"{path.name}: cannot be read: {problem}"]) from None
    except yaml.YAMLError as problem:
        raise KnowledgeError([f"{path.name}: is not YAML: {' '.join(str(problem).split())}"]) from None


class _Loader:
    """Reads one folder and collects what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def knowledge(self) -> Knowledge:
        if not self.folder.is_dir():
            raise KnowledgeError([f"{self.folder}: there is no such folder"])
        terminology = self._terminology()
        languages = self._languages()
        catalogue, steps = self._catalogue(terminology)
        offering = self._offering()
        self._stop_on_problems()
        guidelines = self._guidelines(catalogue, steps, offering)
        self._stop_on_problems()
        return Knowledge(
            folder=self.folder,
            terminology=terminology,
            languages=languages,
            catalogue=catalogue,
            offering=offering,
            guidelines=guidelines,
        )

    def _stop_on_problems(self) -> None:
        if self.problems:
            raise KnowledgeError(self.problems)

    def file(self, name: str, schema: str) -> Raw:
        """A file that fits its schema; an empty one, and problems, where it does not."""
        try:
            content = read_yaml(self.folder / name)
        except KnowledgeError as error:
            self.problems += [f"{name}: {problem.partition(': ')[2]}" for problem in error.problems]
            raise KnowledgeError(self.problems) from None
        found = schema_problems(self.folder, name, schema, content)
        if found:
            raise KnowledgeError(self.problems + found)
        return content if isinstance(content, dict) else {}

    def problem(self, file: str, where: str, what: str) -> None:
        self.problems.append(f"{file}: {where}: {what}" if where else f"{file}: {what}")

    def member(self, kind: type[Any], value: object, file: str, where: str) -> Any:
        """`value` as a member of one of our enumerations, or a problem that lists what it could be."""
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            self.problem(file, where, f"{value!r} is not known; it can be {known}")
            return next(iter(kind.__members__.values()))

    # ------------------------------------------------------------------------------
    # Terminology

    def _terminology(self) -> Terminology:
        concepts: list[Concept] = []
        aliases: dict[str, str] = {}
        families: dict[str, list[Family]] = {}
        misused: dict[tuple[str, str], Misuse] = {}
        titles: dict[str, str] = {}
        for path in sorted((self.folder / "_terminology").glob("*.yaml")):
            if path.name == "words.yaml":
                continue
            name = f"_terminology/{path.name}"
            raw = self.file(name, "terminology")
            system = raw["system"]
            titles[system] = raw["title"]
            aliases.update(dict.fromkeys(raw.get("aliases", ()), system))
            for code, entry in raw["codes"].items():
                concept = self._concept(name, raw, code, entry)
                concepts.append(concept)
                if entry.get("descendants"):
                    sides = {digit: Side(side) for digit, side in entry.get("side_by_last_digit", {}).items()}
                    families.setdefault(system, []).append(Family(code.replace(".", ""), concept, sides))
            for code, entry in raw.get("misused", {}).items():
                misused[system, code] = Misuse(entry["truth"], entry["action"])
        return Terminology(concepts, aliases, families, misused, titles, self._words())

    _VALUES: Mapping[Means, type[Any]] = {
        Means.CATEGORY: Category,
        Means.MORPHOLOGY: Morphology,
        Means.DISTRIBUTION: Distribution,
        Means.CHANGE: Change,
        Means.SIDE: Side,
        Means.ORDER: OrderKind,
        Means.PATHOLOGY: Pathology,
    }

    def _concept(self, file: str, raw: Raw, code: str, entry: Raw) -> Concept:
        where = f"codes[{code}]"
        means = self.member(Means, entry["means"], file, f"{where}.means")
        value = entry.get("value", "")
        if means in self._VALUES and value != "unspecified":
            self.member(self._VALUES[means], value, file, f"{where}.value")
        for source in entry["sources"]:
            if source not in raw["sources"]:
                self.problem(file, f"{where}.sources", f"{source!r} is not among the sources of the file")
        check = CHECK_DIGITS.get(raw.get("check_digit", ""))
        if check is not None and not check(code):
            self.problem(file, where, f"the check digit of {code} is wrong")
        side = Side(entry.get("side", Side.UNSTATED))
        if means is Means.SIDE:
            side = Side(value)
        return Concept(means, value, side, code, raw["system"], entry.get("display", ""))

    def _words(self) -> Words:
        name = "_terminology/words.yaml"
        raw = self.file(name, "words")

        def descriptors(field: str, kind: type[Any]) -> dict[str, Any]:
            return {
                folded(spelling): self.member(kind, word, name, f"{field}[{word}]")
                for word, spellings in raw[field].items()
                for spelling in spellings
            }

        def groups(entries: Iterable[str]) -> tuple[tuple[str, ...], ...]:
            return tuple(tuple(map(folded, entry.split("|"))) for entry in entries if entry[0] != "-")

        orders = []
        for place, rule in enumerate(raw["orders"]):
            kind = self.member(OrderKind, rule["order"], name, f"orders[{place}].order")
            none_of = [folded(entry[1:]) for entry in rule["when"] if entry[0] == "-"]
            orders.append(OrderWords(kind, groups(rule["when"]), tuple(none_of)))
        return Words(
            sides={Side(side): any_word(map(folded, spellings)) for side, spellings in raw["sides"].items()},
            short_sides={Side(side): frozenset(map(folded, short)) for side, short in raw["short_sides"].items()},
            short_names=(short := {folded(each): folded(name) for each, name in raw["short_names"].items()}),
            shortened=any_word(sorted(short, key=len, reverse=True), within="-"),
            breast=(breast := tuple(map(folded, raw["breast"]))),
            pathology=PathologyWords.of(
                {role: tuple(map(folded, each)) for role, each in raw["pathology"].items()}, breast
            ),
            morphology=descriptors("morphology", Morphology),
            distribution=descriptors("distribution", Distribution),
            marker_film_days=raw["marker_film_days"],
            joints=re.compile(
                rf"(?=[,;&+\u2013\u2014]|\s-|-\s|\b(?:{'|'.join(map(re.escape, raw['joints']))})\b)", re.IGNORECASE
            ),
            not_tissue=tuple(map(groups, raw["not_tissue"])),
            called_off=tuple(map(groups, raw["called_off"])),
            orders=tuple(orders),
        )

    # ------------------------------------------------------------------------------
    # Languages of reports

    def _languages(self) -> Languages:
        """Every language, English first; the others borrow its headings and its words for category."""
        raws = {path.stem: path.name for path in sorted((self.folder / "_reading").glob("*.yaml"))}
        if "en" not in raws:
            self.problem("_reading", "", "en.yaml is missing, whose words the other languages borrow")
            raise KnowledgeError(self.problems)
        english = self._language("en")
        others = [compiled(self._language(code), english) for code in raws if code != "en"]
        return Languages([compiled(english), *others])

    def _language(self, code: str) -> Raw:
        name = f"_reading/{code}.yaml"
        raw = self.file(name, "reading")
        if raw["language"] != code:
            self.problem(name, "language", f"is {raw['language']!r}, but the file is named {code}.yaml")
        for field, groups in (
            ("sides", {side: raw["sides"][side] for side in ("left", "right", "both")}),
            ("headings", raw["headings"]),
            ("statements", raw["statements"]),
        ):
            self._in_one_group(name, field, groups)
        return raw

    def _in_one_group(self, file: str, field: str, groups: Mapping[str, Sequence[str]]) -> None:
        """A word that stands in two groups would be understood as the last of them."""
        seen: dict[str, str] = {}
        for group, listed in groups.items():
            for word in map(fold, listed):
                if seen.setdefault(word, group) != group:
                    self.problem(file, f"{field}.{group}", f"{word!r} stands in {seen[word]} too")

    # ------------------------------------------------------------------------------
    # Orders and steps

    def _catalogue(self, terminology: Terminology) -> tuple[Catalogue, dict[str, StepKind]]:
        name = "orders.yaml"
        raw = self.file(name, "orders")
        systems = raw["systems"]

        def coding(entry: Raw, where: str) -> Raw:
            system = systems.get(entry["system"])
            if system is None:
                self.problem(name, where, f"the system {entry['system']!r} is not among the systems of the file")
                return {}
            check = {"sct": "verhoeff", "loinc": "mod10"}.get(entry["system"])
            if check and not CHECK_DIGITS[check](entry["code"]):
                self.problem(name, where, f"the check digit of {entry['code']} is wrong")
            if terminology.concept(system, entry["code"]) is None and where.startswith("orders["):
                self.problem(name, where, f"{entry['code']} is not in the terminology, so it would not be recognised")
            return {"system": system, "code": entry["code"], "display": entry["display"]}

        categories = {key: coding(entry, f"categories[{key}]") for key, entry in raw["categories"].items()}
        templates = {}
        for key, entry in raw["orders"].items():
            where = f"orders[{key}]"
            kind = self.member(OrderKind, entry["kind"], name, f"{where}.kind")
            if entry["category"] not in categories:
                self.problem(name, f"{where}.category", f"{entry['category']!r} is not among the categories")
                continue
            snomed = coding({"system": "sct", **entry["snomed"]}, f"{where}.snomed")
            by_side = {}
            for side in Side:
                sided = entry["loinc"].get(side.value)
                loinc = [coding({"system": "loinc", **sided}, f"{where}.loinc[{side.value}]")] if sided else []
                by_side[side] = [snomed, *loinc]
            self._agreement(terminology, name, where, kind, by_side)
            detail = entry.get("detail")
            templates[key] = OrderTemplate(
                id=key,
                kind=kind,
                label=entry["label"],
                category=categories[entry["category"]],
                codings=by_side,
                detail=coding({"system": "sct", **detail}, f"{where}.detail") if detail else None,
            )
        reasons = {
            key: coding(entry, f"reasons[{key}]")
            for key, entry in raw["reasons"].items()
            if key not in ("categories", "microcalcification_morphologies")
        }
        catalogue = Catalogue(
            templates=templates,
            sites={Side(side): coding(entry, f"sites[{side}]") for side, entry in raw["sites"].items()},
            kind_labels={self.member(OrderKind, kind, name, "kinds"): label for kind, label in raw["kinds"].items()},
            step_labels={step: entry["label"] for step, entry in raw["steps"].items()},
            category_reasons={
                self.member(Category, category, name, "reasons.categories"): coding(
                    entry, f"reasons.categories[{category}]"
                )
                for category, entry in raw["reasons"]["categories"].items()
            },
            reasons=reasons,
            microcalcifications=frozenset(
                self.member(Morphology, word, name, "reasons.microcalcification_morphologies")
                for word in raw["reasons"]["microcalcification_morphologies"]
            ),
        )
        for kind in OrderKind:
            if kind not in catalogue.kind_labels:
                self.problem(name, "kinds", f"the kind {kind.value} has no label")
        return catalogue, {key: self._step(name, key, entry, templates) for key, entry in raw["steps"].items()}

    def _agreement(
        self, terminology: Terminology, file: str, where: str, kind: OrderKind, by_side: Mapping[Side, list[Raw]]
    ) -> None:
        """The codes of an order mean that order and that side, or we would misread what we suggested ourselves."""
        for side, codings in by_side.items():
            for coding in filter(None, codings):
                concept = terminology.concept(coding["system"], coding["code"])
                if concept is None:
                    continue
                if concept.means is not Means.ORDER or concept.value != kind.value:
                    self.problem(
                        file, where, f"{coding['code']} means {concept.value or concept.means}, not {kind.value}"
                    )
                if concept.side is not Side.UNSTATED and concept.side is not side:
                    self.problem(file, where, f"{concept.code} is for {concept.side}, not {side}")

    def _step(self, file: str, key: str, entry: Raw, templates: Mapping[str, OrderTemplate]) -> StepKind:
        where = f"steps[{key}]"

        def kinds(field: str) -> frozenset[OrderKind]:
            return frozenset(self.member(OrderKind, kind, file, f"{where}.{field}") for kind in entry.get(field, ()))

        offers = []
        for offer in entry.get("offers", ()):
            for order in offer["orders"]:
                if order not in templates:
                    self.problem(file, f"{where}.offers[{offer['id']}].orders", f"{order!r} is not among the orders")
            recommended = offer.get("recommended_when")
            offers.append(
                Offer(
                    id=offer["id"],
                    orders=tuple(offer["orders"]),
                    when=self._conditions(file, f"{where}.offers[{offer['id']}].when", offer.get("when", {})),
                    recommended_when=None
                    if recommended is None
                    else self._conditions(file, f"{where}.offers[{offer['id']}].recommended_when", recommended),
                )
            )
        return StepKind(
            id=key,
            satisfied_by=kinds("satisfied_by"),
            satisfied_by_pathology=entry.get("satisfied_by_pathology", False),
            satisfied_by_same_modality=entry.get("satisfied_by_same_modality", False),
            replaces=kinds("replaces"),
            objects_to=kinds("objects_to"),
            wants_window=entry.get("wants_window", False),
            wants_side=entry.get("wants_side", False),
            offers=tuple(offers),
        )

    def _conditions(self, file: str, where: str, raw: Raw) -> tuple[Condition, ...]:
        conditions = []
        for fact, wanted in raw.items():
            if fact not in FACTS:
                self.problem(file, where, f"the fact {fact!r} is not known; it can be {', '.join(FACTS)}")
                continue
            operator, operand = Operator.IS, wanted
            if isinstance(wanted, dict):
                if len(wanted) != 1:
                    self.problem(file, f"{where}.{fact}", "needs exactly one comparison")
                    continue
                ((name, operand),) = wanted.items()
                operator = self.member(Operator, name, file, f"{where}.{fact}")
            kind = FACTS[fact][0]
            values = operand if operator is Operator.IN else [operand]
            if not isinstance(values, list) or not values:
                self.problem(file, f"{where}.{fact}", "needs a list of values")
                continue
            if fact == "category":
                values = [str(value) for value in values]
            for value in values:
                if type(value) is not kind:
                    self.problem(file, f"{where}.{fact}", f"{value!r} is not a {_KIND_WORDS[kind]}")
                elif fact in VALUES and value not in VALUES[fact]:
                    known = ", ".join(sorted(VALUES[fact]))
                    self.problem(file, f"{where}.{fact}", f"{value!r} is not known; it can be {known}")
            conditions.append(Condition(fact, operator, frozenset(values) if operator is Operator.IN else values[0]))
        return tuple(conditions)

    # ------------------------------------------------------------------------------
    # Services

    def _offering(self) -> Offering:
        name = "services.yaml"
        raw = self.file(name, "services")
        services: dict[str, Service] = {}
        for entry in raw["services"]:
            if entry["id"] in services:
                self.problem(name, f"services[{entry['id']}]", "the id stands twice")
            services[entry["id"]] = Service(
                id=entry["id"],
                hook=entry["hook"],
                title=entry["title"],
                description=entry["description"],
                usage_requirements=entry.get("usage_requirements"),
            )
        for key, template in raw["prefetch"].items():
            _, _, query = template.partition("?")
            names = [parameter.partition("=")[0] for parameter in query.split("&") if parameter]
            if len(names) != len(set(names)):
                self.problem(name, f"prefetch[{key}]", "a parameter stands twice; clients merge such ones")
            for field in re.findall(r"\{\{(.*?)\}\}", template):
                if field != "context.patientId":
                    self.problem(name, f"prefetch[{key}]", f"the token {field!r} is not one that every client resolves")
        return Offering(
            specification_version=raw["specification_version"],
            hook_version=raw["hook_version"],
            topic_system=raw["topic_system"],
            override_reason_system=raw["override_reason_system"],
            source_label=raw["source_label"],
            prefetch=raw["prefetch"],
            optional_prefetch=frozenset(raw["optional_prefetch"]),
            services=services,
        )

    # ------------------------------------------------------------------------------
    # Protocols

    def _guidelines(
        self, catalogue: Catalogue, steps: Mapping[str, StepKind], offering: Offering
    ) -> dict[str, Guideline]:
        raws = {path.parent.name: self._raw_protocol(path.parent.name) for path in self._protocol_files()}
        if not raws:
            self.problem("protocol.yaml", "", "there is no protocol in the folder")
        guidelines = {}
        for name, (protocol, wording) in sorted(raws.items(), key=lambda each: "extends" in each[1][0]):
            parent = protocol.get("extends")
            if parent is not None:
                self._stop_on_problems()  # of what it inherits: they are problems of the files that hold it
                if parent not in raws or raws[parent][0].get("extends"):
                    self.problem(f"{name}/protocol.yaml", "extends", f"{parent!r} cannot be extended")
                    continue
                protocol = self._extended(name, raws[parent][0], protocol)
                wording = _overlaid(raws[parent][1], wording)
            missing = [key for key in _COMPLETE if key not in protocol]
            if missing:
                self.problem(f"{name}/protocol.yaml", "", f"has no {', '.join(missing)}")
                continue
            guidelines[name] = self._guideline(name, protocol, wording, catalogue, steps, offering)
        return dict(sorted(guidelines.items()))

    def _protocol_files(self) -> list[Path]:
        return sorted(self.folder.glob("[!_]*/protocol.yaml"))

    def _raw_protocol(self, name: str) -> tuple[Raw, Raw]:
        protocol = self.file(f"{name}/protocol.yaml", "protocol")
        if protocol["id"] != name:
            self.problem(f"{name}/protocol.yaml", "id", f"is {protocol['id']!r}, but the folder is called {name!r}")
        return protocol, self.file(f"{name}/wording.yaml", "wording")

    def _extended(self, name: str, base: Raw, own: Raw) -> Raw:
        """A protocol on top of another: rows of one id are replaced in place, new ones go where `after` says."""
        merged = {**base, **own}
        for key in ("citations", "limits"):
            merged[key] = {**base.get(key, {}), **own.get(key, {})}
        for key in ("exclusions", "decisions", "checks", "notes"):
            rows = list(base.get(key, ()))
            for row in own.get(key, ()):
                ids = [each["id"] for each in rows]
                if row["id"] in ids:
                    rows[ids.index(row["id"])] = row
                elif row.get("after") in ids:
                    rows.insert(ids.index(row["after"]) + 1, row)
                else:
                    self.problem(f"{name}/protocol.yaml", f"{key}[{row['id']}].after", "names no row to stand behind")
            merged[key] = rows
        return merged

    def _guideline(
        self,
        name: str,
        raw: Raw,
        words: Raw,
        catalogue: Catalogue,
        steps: Mapping[str, StepKind],
        offering: Offering,
    ) -> Guideline:
        file = f"{name}/protocol.yaml"
        for place, cites in _cited_places(raw):
            for cite in cites:
                if cite not in raw["citations"]:
                    self.problem(file, f"{place}.cites", f"{cite!r} is not among the citations")
        ids = [row["id"] for key in ("exclusions", "decisions", "checks", "notes") for row in raw[key]]
        for twice in sorted({each for each in ids if ids.count(each) > 1}):
            self.problem(file, f"[{twice}]", "the id stands twice")
        protocol = self._protocol(file, raw, steps, {service.hook for service in offering.services.values()})
        wording = self._wording(f"{name}/wording.yaml", words, protocol, catalogue)
        return Guideline(
            protocol=protocol,
            wording=wording,
            citations={
                key: Citation(text=entry["text"], grade=entry["grade"], url=entry.get("url"))
                for key, entry in raw["citations"].items()
            },
            source_label=raw["source"]["label"],
            extends=raw.get("extends"),
            effective=raw["effective"],
            approval=raw["approval"],
        )

    def _protocol(self, file: str, raw: Raw, steps: Mapping[str, StepKind], hooks: set[str]) -> Protocol:
        def row(section: str, entry: Raw) -> dict[str, Any]:
            return {
                "id": entry["id"],
                "title": entry["title"],
                "when": self._conditions(file, f"{section}[{entry['id']}].when", entry["when"]),
                "citations": tuple(entry["cites"]),
            }

        def known_steps(section: str, entry: Raw) -> frozenset[str] | None:
            for step in entry.get("steps", ()):
                if step not in steps:
                    self.problem(file, f"{section}[{entry['id']}].steps", f"{step!r} is not a step of orders.yaml")
            return frozenset(entry["steps"]) if "steps" in entry else None

        def known_hooks(section: str, entry: Raw, field: str) -> frozenset[str]:
            for hook in entry.get(field, ()):
                if hook not in hooks:
                    self.problem(file, f"{section}[{entry['id']}].{field}", f"{hook!r} is not a hook of services.yaml")
            return frozenset(entry.get(field, ()))

        exclusions = tuple(
            ExclusionRow(**row("exclusions", entry), steps=known_steps("exclusions", entry))
            for entry in raw["exclusions"]
        )
        full = {each.id for each in exclusions if each.steps is None}
        for entry in raw["checks"]:
            for beside in entry.get("beside_exclusions", ()):
                if beside not in full:
                    self.problem(file, f"checks[{entry['id']}].beside_exclusions", f"{beside!r} is not an exclusion")
        decisions = []
        for entry in raw["decisions"]:
            where = f"decisions[{entry['id']}]"
            if entry["step"] is not None and entry["step"] not in steps:
                self.problem(file, f"{where}.step", f"{entry['step']!r} is not a step of orders.yaml")
            indicator = Indicator(entry.get("indicator", "info"))
            decisions.append(
                DecisionRow(
                    **row("decisions", entry),
                    step=entry["step"],
                    group=Group(entry["group"]) if "group" in entry else None,
                    timing=_timing(entry["timing"]) if "timing" in entry else None,
                    indicator=indicator,
                    indicator_overdue=Indicator(entry.get("indicator_overdue", indicator.value)),
                    is_urgent=entry.get("urgent", False),
                    may_recommend=entry.get("may_recommend", True),
                    on_chart_open=Shown(entry.get("on_chart_open", "always")),
                    beside_unrelated_orders=known_hooks("decisions", entry, "beside_unrelated_orders"),
                    both_breasts=entry.get("both_breasts", False),
                )
            )
        self._reachable(file, decisions)
        visits = tuple(
            Visit(id=entry["id"], accepted_from=_interval(entry["accepted_from"])) for entry in raw["visits"]
        )
        known_visits = {*(visit.id for visit in visits), "none"}
        for decision in decisions:
            for each in decision.when:
                named = each.operand if isinstance(each.operand, frozenset) else {each.operand}
                if each.fact == "next_visit" and not named <= known_visits:
                    strange = ", ".join(sorted(map(str, named - known_visits)))
                    self.problem(
                        file, f"decisions[{decision.id}].when.next_visit", f"{strange} is not among the visits"
                    )
        starts = [visit.accepted_from.after(date(2000, 1, 1)) for visit in visits]
        if starts != sorted(starts):
            self.problem(file, "visits", "have to stand in the order in which they take place")
        missing = [key for key in Limits.__dataclass_fields__ if key not in raw["limits"]]
        unknown = [key for key in raw["limits"] if key not in Limits.__dataclass_fields__]
        if missing or unknown:
            self.problem(file, "limits", f"lack {missing}" if missing else f"are not known: {unknown}")
            raise KnowledgeError(self.problems)
        return Protocol(
            id=raw["id"],
            version=raw["version"],
            title=raw["title"],
            exclusions=exclusions,
            decisions=tuple(decisions),
            checks=tuple(
                CheckRow(
                    **row("checks", entry),
                    indicator=Indicator(entry["indicator"]),
                    hooks=known_hooks("checks", entry, "hooks"),
                    beside_exclusions=frozenset(entry.get("beside_exclusions", ())),
                )
                for entry in raw["checks"]
            ),
            notes=tuple(NoteRow(**row("notes", entry), steps=known_steps("notes", entry)) for entry in raw["notes"]),
            visits=visits,
            derivation=self._derivation(file, raw["derivation"]),
            limits=Limits(**{key: _interval(entry) for key, entry in raw["limits"].items()}),
            steps=steps,
        )

    def _reachable(self, file: str, decisions: Sequence[DecisionRow]) -> None:
        """A row behind one that asks for less, and for nothing else, can never decide."""
        for place, later in enumerate(decisions):
            for earlier in decisions[:place]:
                if all(any(_implies(own, theirs) for own in later.when) for theirs in earlier.when):
                    self.problem(
                        file,
                        f"decisions[{later.id}]",
                        f"can never be reached: {earlier.id} stands before it and holds whenever it does",
                    )

    def _derivation(self, file: str, raw: Raw) -> Derivation:
        cells: dict[tuple[Morphology, Distribution], Cell] = {}
        for place, entry in enumerate(raw["table"]):
            for word, distribution in product(entry["morphologies"], Distribution):
                where = f"derivation.table[{place}].morphologies"
                morphology = self.member(Morphology, word, file, where)
                if (morphology, distribution) in cells:
                    self.problem(file, where, f"{word} stands in the table twice")
                cells[morphology, distribution] = _cell(entry[distribution.value])
        for morphology in Morphology:
            if (morphology, Distribution.DIFFUSE) not in cells:
                self.problem(file, "derivation.table", f"{morphology.value} is missing")
        return Derivation(cells=cells, full_year_days=raw["full_year_days"], citations=tuple(raw["cites"]))

    # ------------------------------------------------------------------------------
    # Wording

    def _wording(self, file: str, raw: Raw, protocol: Protocol, catalogue: Catalogue) -> Wording:
        reasons = raw.get("override_reasons", {})
        needed = {
            "rows": [row.id for row in protocol.decisions if row.step is not None],
            "checks": [row.id for row in protocol.checks],
            "notes": [row.id for row in protocol.notes],
            "concerns": [concern.value for concern in Concern],
        }
        for section, ids in needed.items():
            known = set(raw.get(section, ()))
            for each in ids:
                if each not in known:
                    self.problem(file, f"{section}[{each}]", "has no words")
            for each in sorted(known - set(ids)):
                self.problem(file, f"{section}[{each}]", "words for a row that the protocol does not have")
        if "undecided" not in raw:
            self.problem(file, "undecided", "has no words")
        for phrase in ("biopsy_choice_calcifications", "biopsy_choice_ultrasound", "biopsy_choice_other"):
            if phrase not in raw.get("phrases", {}):
                self.problem(file, f"phrases[{phrase}]", "is missing")
        self._stop_on_problems()
        texts = {
            f"{section}[{key}]": entry
            for section in ("rows", "checks", "concerns")
            for key, entry in raw[section].items()
        } | {"undecided": raw["undecided"]}
        longest = _longest_values(catalogue)
        for where, entry in texts.items():
            for field in ("summary", "summary_overdue", "summary_unchecked", "detail", "replace", "update", "remove"):
                if field in entry:
                    self._placeholders(file, f"{where}.{field}", entry[field], longest)
            for reason in entry.get("overrides", ()):
                if reason not in reasons:
                    self.problem(file, f"{where}.overrides", f"{reason!r} is not among the override reasons")
        self._stop_on_problems()
        return Wording(
            rows={key: _card_text(entry) for key, entry in raw["rows"].items()},
            checks={key: _card_text(entry) for key, entry in raw["checks"].items()},
            concerns={Concern(key): _card_text(entry) for key, entry in raw["concerns"].items()},
            undecided=_card_text(raw["undecided"]),
            notes=raw["notes"],
            phrases=raw["phrases"],
            override_reasons=reasons,
        )

    def _placeholders(self, file: str, where: str, text: str, longest: Mapping[str, str]) -> None:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as problem:
            self.problem(file, where, f"has braces that do not match: {problem}")
            return
        strange = [name for name in names if name not in longest]
        if strange:
            self.problem(file, where, f"the placeholder {strange[0]!r} is not known; it can be {', '.join(longest)}")
            return
        if ".summary" in where:
            filled = text.format_map(longest)
            if len(filled.encode("utf-16-le")) // 2 > SUMMARY_LIMIT:
                self.problem(file, where, f"can get {len(filled)} characters long, {SUMMARY_LIMIT} at most: {filled}")
            if "%" in text or re.search(r"\bmust\b", text, re.IGNORECASE):
                self.problem(file, where, "has a percentage or a 'must'")
        if re.search(r"<[a-zA-Z/!]", text):
            self.problem(file, where, "has HTML")


_KIND_WORDS = {bool: "truth value (true or false)", int: "whole number", str: "word"}
_COMPLETE = ("citations", "limits", "visits", "exclusions", "decisions", "checks", "notes", "derivation")


@cache
def _schema(folder: Path, schema: str) -> tuple[Raw, jsonschema_rs.Draft202012Validator]:
    """A schema of a knowledge folder, as data and compiled."""
    try:
        rules: Raw = json.loads((folder / "_schema" / f"{schema}.json").read_text(encoding="utf-8"))
        return rules, jsonschema_rs.Draft202012Validator(rules)
    except (OSError, ValueError) as problem:
        raise KnowledgeError([f"_schema/{schema}.json: cannot be read: {problem}"]) from None


def schema_problems(folder: Path, name: str, schema: str, content: Any) -> list[str]:
    """What is wrong with a knowledge file against the schema of its kind, as `file: field: problem`."""
    rules, compiled_rules = _schema(folder, schema)
    if compiled_rules.is_valid(content):
        return []
    from jsonschema import Draft202012Validator  # for its words; nobody waits for it where there is nothing to say

    errors = Draft202012Validator(rules).iter_errors(content)
    return [
        f"{name}: {_field(error.absolute_path, content)}: {error.message}"
        for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path)))
    ]


def _field(path: Iterable[str | int], content: Any) -> str:
    """The path of a field, list entries named by their id where they have one."""
    words: list[str] = []
    for part in path:
        content = content[part]
        if isinstance(part, int):
            label = content.get("id") or content.get("name") if isinstance(content, dict) else None
            words[-1] += f"[{label or part}]"
        else:
            words.append(str(part))
    return ".".join(words) or "the file"


def _interval(raw: Raw) -> Interval:
    return Interval(months=raw.get("months", 0), days=raw.get("days", 0))


def _timing(raw: Raw) -> Timing:
    def interval(key: str) -> Interval:
        return _interval(raw.get(key, {}))

    return Timing(
        anchor=Anchor(raw["from"]),
        due=interval("due"),
        accepted_from=interval("accepted_from"),
        overdue_after=interval("overdue_after"),
        escalates_after=interval("escalates_after") if "escalates_after" in raw else None,
        window_before=interval("window_before") if "window_before" in raw else interval("due"),
        window_after=interval("window_after"),
    )


def _cell(raw: object) -> Cell:
    if isinstance(raw, dict):
        when = {Pattern(pattern): Category(str(category)) for pattern, category in raw["when"].items()}
        return Cell(category=Category(str(raw["category"])), when=when)
    return Cell(category=Category(str(raw)))


def _implies(own: Condition, theirs: Condition) -> bool:
    """Whether whatever meets `own` also meets `theirs`."""
    if own.fact != theirs.fact:
        return False
    if own == theirs:
        return True
    if own.operator is Operator.IS:
        return theirs.holds(own.operand)
    if own.operator is Operator.IN and isinstance(own.operand, frozenset):
        return all(theirs.holds(value) for value in own.operand)
    return False


def _cited_places(raw: Raw) -> Iterable[tuple[str, list[str]]]:
    for key in ("exclusions", "decisions", "checks", "notes", "visits"):
        for row in raw[key]:
            yield f"{key}[{row['id']}]", row["cites"]
    for key, entry in raw["limits"].items():
        yield f"limits[{key}]", entry["cites"]
    yield "derivation", raw["derivation"]["cites"]


def _overlaid(base: Raw, own: Raw) -> Raw:
    """Wording on top of another's: single entries are replaced, the others stay."""
    merged = dict(base)
    for key, value in own.items():
        merged[key] = {**base[key], **value} if key != "undecided" and key in base else value
    return merged


def _card_text(raw: Raw) -> CardText:
    return CardText(
        summary=raw["summary"],
        summary_overdue=raw.get("summary_overdue"),
        summary_unchecked=raw.get("summary_unchecked"),
        detail=raw["detail"],
        overrides=tuple(raw.get("overrides", ())),
        replace=raw.get("replace"),
        update=raw.get("update"),
        remove=raw.get("remove"),
    )


def _longest_values(catalogue: Catalogue) -> dict[str, str]:
    """The longest value of every placeholder: what a summary can grow to."""
    day = "2026-12-31"
    sides = [side.words for side in Side]
    labels = list(catalogue.kind_labels.values())
    assessment = "BI-RADS 4A (suspicious)"
    values: dict[str, str] = {
        "assessment": max(
            (f"BI-RADS {c.value} ({c.group.words})" for c in Category if c.group is not Group.KNOWN_MALIGNANCY),
            key=len,
        ),
        "category": "BI-RADS 4A",
        "implied": "BI-RADS 4A",
        "suspicion": assessment,
        "side": _longest(sides),
        "selected_side": "the right breast",
        "selected": _longest(labels),
        "step": _longest(list(catalogue.step_labels.values())),
        "window": f"{day} to {day}",
        "row": "x" * 30,
        "why": "x" * 80,
        "row_detail": "",
        "biopsy_choice": "",
        "existing_window": f" for {day} to {day}",
    }
    return values | dict.fromkeys(("date", "due", "result_date", "suspicion_date", "index_date", "accepted_from"), day)


def _longest(words: Sequence[str]) -> str:
    return max(chain(words, [""]), key=len)
