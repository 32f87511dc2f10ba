"""An invented population as a FHIR Bulk Data export, with what is truly open for everybody.

The truth comes from how a history was made up, never from the core: whoever writes "a 3 ten months ago and nobody came
back" knows that a follow-up is overdue. Days of the month stay within 28, so that adding months needs no rule.
"""

from __future__ import annotations

import base64
import csv
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, field, fields
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import orjson

from ..fhir_elements import Json
from . import resources as fhir
from .charts import PATHOLOGY_CODES, STUDY_CODES

PER_FILE = 2500
"""Patients whose resources share the files of one number."""

LEFT, RIGHT = "left", "right"
_OTHER = {LEFT: RIGHT, RIGHT: LEFT}


@dataclass(frozen=True, slots=True)
class Expected:
    """A step that is truly open, or a report that truly has to be read, for one breast."""

    patient: str
    side: str
    step: str
    due: str
    is_overdue: bool
    situation: str
    """How the history was made up."""


# --------------------------------------------------------------------------------------
# What reports say


_SENTENCES: Mapping[str, str] = {
    "en": "IMPRESSION:\nRight breast: BI-RADS {right}.\nLeft breast: BI-RADS {left}.",
    "de": "BEURTEILUNG:\nRechte Mamma: BI-RADS {right}.\nLinke Mamma: BI-RADS {left}.",
    "fr": "CONCLUSION :\nSein droit : BI-RADS {right}.\nSein gauche : BI-RADS {left}.",
    "es": "CONCLUSIÓN:\nMama derecha: BI-RADS {right}.\nMama izquierda: BI-RADS {left}.",
    "it": "CONCLUSIONI:\nMammella destra: BI-RADS {right}.\nMammella sinistra: BI-RADS {left}.",
    "nl": "CONCLUSIE:\nRechter mamma: BI-RADS {right}.\nLinker mamma: BI-RADS {left}.",
    "pt": "CONCLUSÃO:\nMama direita: BI-RADS {right}.\nMama esquerda: BI-RADS {left}.",
}
_BODIES: Mapping[str, str] = {
    "en": "EXAM: Bilateral mammography.\nINDICATION: {age}-year-old woman.\nTECHNIQUE: CC and MLO views of both "
    "breasts.\nFINDINGS: The breasts are heterogeneously dense. The skin and the nipples are unremarkable. No enlarged "
    "axillary lymph nodes are seen. Comparison was made with the study {weeks} weeks earlier.\n\n",
    "de": "Mammographie beidseits in zwei Ebenen.\nIndikation: {age}-jährige Patientin.\nBEFUND: Das Drüsengewebe ist "
    "inhomogen dicht. Haut und Mamillen sind unauffällig. Keine vergrößerten axillären Lymphknoten. Vergleich mit der "
    "Untersuchung vor {weeks} Wochen.\n\n",
    "fr": "Mammographie bilatérale.\nINDICATION : patiente de {age} ans.\nRÉSULTATS : Les seins sont de densité "
    "hétérogène. La peau et les mamelons sont sans particularité. Pas d'adénopathie axillaire. Comparaison avec "
    "l'examen réalisé il y a {weeks} semaines.\n\n",
    "es": "Mamografía bilateral.\nINDICACIÓN: mujer de {age} años.\nHALLAZGOS: Las mamas son heterogéneamente densas. "
    "La piel y los pezones no muestran alteraciones. No se observan adenopatías axilares. Se compara con el estudio de "
    "hace {weeks} semanas.\n\n",
    "it": "Mammografia bilaterale.\nINDICAZIONE: donna di {age} anni.\nREFERTO: Le mammelle sono di densità "
    "eterogenea. La cute e i capezzoli sono regolari. Non si osservano linfonodi ascellari ingranditi. Confronto con "
    "l'esame di {weeks} settimane fa.\n\n",
    "nl": "Mammografie beiderzijds.\nINDICATIE: vrouw van {age} jaar.\nBEVINDINGEN: Het klierweefsel is heterogeen "
    "dicht. Huid en tepels zijn normaal. Geen vergrote lymfeklieren in de oksel. Vergelijking met het onderzoek van "
    "{weeks} weken geleden.\n\n",
    "pt": "Mamografia bilateral.\nINDICAÇÃO: mulher de {age} anos.\nACHADOS: As mamas são heterogeneamente densas. A "
    "pele e os mamilos não apresentam alterações. Não há linfonodos axilares aumentados. Comparação com o exame de "
    "{weeks} semanas atrás.\n\n",
}
LANGUAGES = tuple(_SENTENCES)

_SCT = fhir.SCT
_ORDERS: Mapping[str, tuple[str, str]] = {
    "diagnostic": ("241055006", "Diagnostic mammography"),
    "biopsy": ("116334007", "Stereotactically guided core needle biopsy of breast"),
}
_BACKGROUND = (
    ("8867-4", "Heart rate", "/min", "vital-signs", 55, 100),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", "vital-signs", 100, 160),
    ("29463-7", "Body weight", "kg", "vital-signs", 48, 110),
    ("8310-5", "Body temperature", "Cel", "vital-signs", 36, 38),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", "laboratory", 11, 16),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "laboratory", 1, 2),
)
_PROBLEMS = (
    ("38341003", "Hypertensive disorder"),
    ("44054006", "Diabetes mellitus type 2"),
    ("195967001", "Asthma"),
    ("396275006", "Osteoarthritis"),
)


# --------------------------------------------------------------------------------------
# One person


@dataclass(slots=True)
class _Person:
    """Somebody while the history is being made up. Days are given as days before the day of the export."""

    rng: random.Random
    today: date
    number: int
    gender: str = "female"
    least_age: int = 45
    most_age: int = 74
    is_deceased: bool = False
    ident: str = field(init=False)
    born: date = field(init=False)
    resources: list[Json] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    situation: str = ""

    def __post_init__(self) -> None:
        is_uuid = self.rng.random() < 0.1
        self.ident = str(_uuid(self.rng)) if is_uuid else f"pt-{self.number:08}"

    def day(self, least: int, most: int) -> date:
        """Some day between so many days ago."""
        return _in_month(self.today - timedelta(days=self.rng.randint(least, most)))

    def side(self) -> str:
        return self.rng.choice((LEFT, RIGHT))

    def _ident(self, prefix: str) -> str:
        return f"{self.ident[:30]}-{prefix}{len(self.resources)}"

    # What happened

    def study(self, day: date, kind: str, *, status: str = "final", text: str | None = None, **categories: str) -> None:
        """A breast imaging study with the category of each breast, coded, in words, or both."""
        rng, ident = self.rng, self._ident("r")
        form = rng.choices(("coded", "both", "words", "attached"), (30, 30, 30, 10))[0] if text is None else "both"
        language = rng.choice(LANGUAGES)
        words = text if text is not None else self._said(language, categories)
        if form in ("words", "attached"):
            age, weeks = self.today.year - day.year + rng.randint(40, 60), rng.randint(40, 160)
            words = _BODIES[language].format(age=age, weeks=weeks) + words
        observations = [
            fhir.assessment(f"{ident}-{side}", self.ident, day, category, side, status)
            for side, category in categories.items()
            if form in ("coded", "both")
        ]
        attached = {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(words.encode()).decode()}
        self.resources.append(
            fhir.report(
                ident,
                self.ident,
                day,
                code=STUDY_CODES[kind],
                results=[each["id"] for each in observations],
                conclusion=words if form in ("both", "words") else None,
                presented_form=[attached] if form == "attached" else None,
                status=status,
            )
        )
        self.resources += observations

    @staticmethod
    def _said(language: str, categories: Mapping[str, str]) -> str:
        heading, *lines = _SENTENCES[language].split("\n")
        kept = [line for line, side in zip(lines, (RIGHT, LEFT), strict=True) if side in categories]
        return "\n".join((heading, *kept)).format(**categories)

    def described(self, day: date, side: str, morphology: str, distribution: str) -> None:
        """A study whose calcifications are described and not assessed."""
        ident = self._ident("r")
        finding = fhir.finding(f"{ident}-f", self.ident, day, side, morphology=morphology, distribution=distribution)
        code = STUDY_CODES["diagnostic"]
        self.resources += [fhir.report(ident, self.ident, day, code=code, results=[finding["id"]]), finding]

    def pathology(self, day: date, side: str, result: str) -> None:
        """A biopsy, and its result on the following day or later."""
        self.procedure(day, "biopsy", side)
        self.resources.append(
            fhir.report(
                self._ident("h"),
                self.ident,
                day,
                code=STUDY_CODES["pathology"],
                conclusion=f"{side.capitalize()} breast, core needle biopsy.",
                conclusion_codes=[fhir.concept(_SCT, PATHOLOGY_CODES[result], result.capitalize())],
                section="SP",
            )
        )

    def procedure(self, day: date, what: str, side: str | None) -> None:
        code = fhir.concept(_SCT, *_ORDERS[what])
        self.resources.append(fhir.procedure(self._ident("x"), self.ident, day, code=code, side=side))

    def order(self, day: date, what: str, side: str) -> None:
        code = fhir.concept(_SCT, *_ORDERS[what])
        self.resources.append(fhir.service_request(self._ident("o"), self.ident, day, code=code, side=side))

    def condition(self, day: date, code: tuple[str, str], side: str | None = None) -> None:
        concept = fhir.concept(_SCT, *code)
        self.resources.append(fhir.condition(self._ident("k"), self.ident, day, code=concept, side=side))

    def appointment(self, day: date, what: str) -> None:
        self.resources.append(
            {
                "resourceType": "Appointment",
                "id": self._ident("a"),
                "status": "booked",
                "serviceType": [fhir.concept(_SCT, *_ORDERS[what])],
                "start": fhir.at(day),
                "end": fhir.at(day, "10:50:00"),
                "participant": [{"actor": fhir.reference("Patient", self.ident), "status": "accepted"}],
            }
        )

    # What is truly open

    def open(self, side: str, step: str, due: date, *, overdue_after: date) -> None:
        """A step that nobody has taken."""
        overdue = self.today > overdue_after
        self.expected.append(Expected(self.ident, side, step, due.isoformat(), overdue, self.situation))

    def soon(self, side: str, step: str, since: date) -> None:
        """A step that is due within thirty days."""
        self.open(side, step, since + timedelta(days=30), overdue_after=since + timedelta(days=30))

    def screening(self, since: date, *sides: str) -> None:
        """Screening is worth a line once it is ninety days late."""
        late = _months_after(since, 12) + timedelta(days=90)
        for side in sides:
            if self.today > late:
                self.open(side, "routine-screening", _months_after(since, 12), overdue_after=late)

    def written(self) -> list[Json]:
        """The Patient and everything else, with what else a chart holds."""
        rng = self.rng
        self.born = self.today - timedelta(days=rng.randint(self.least_age * 366, (self.most_age + 1) * 365))
        person = fhir.patient(
            self.ident,
            family=f"Invented{self.number}",
            given=rng.choice(("Ada", "Berta", "Chloé", "Dolores", "Elena", "Femke", "Graça")),
            born=self.born,
            gender=self.gender,
            deceased=self.is_deceased,
        )
        found = [person, *self.resources]
        found += self._background(max(3, round(rng.gauss(12.5, 3)) - len(found)))
        reference = rng.choices(("relative", "absolute"), (85, 15))[0]
        if len(self.ident) == 36:
            reference = "urn"
        if reference != "relative":
            before = "urn:uuid:" if reference == "urn" else "https://ehr.example.org/fhir/Patient/"
            for resource in found:
                if "subject" in resource:
                    resource["subject"] = {"reference": before + self.ident}
        return found

    def _background(self, count: int) -> Iterator[Json]:
        """Resources that have nothing to do with the breast."""
        rng = self.rng
        for place in range(count):
            day, ident = self.day(1, 1500), f"{self.ident[:30]}-b{place}"
            if place % 8 == 6:
                yield fhir.condition(ident, self.ident, day, code=fhir.concept(_SCT, *rng.choice(_PROBLEMS)))
            elif place % 8 == 7:
                yield {
                    "resourceType": "Encounter",
                    "id": ident,
                    "status": "finished",
                    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                    "subject": fhir.reference("Patient", self.ident),
                    "period": {"start": fhir.at(day), "end": fhir.at(day, "11:00:00")},
                }
            else:
                code, display, unit, category, low, high = rng.choice(_BACKGROUND)
                system = "http://terminology.hl7.org/CodeSystem/observation-category"
                yield {
                    "resourceType": "Observation",
                    "id": ident,
                    "meta": {"versionId": "1", "lastUpdated": fhir.at(day, "12:00:00")},
                    "status": "final",
                    "category": [fhir.concept(system, category)],
                    "code": fhir.concept(fhir.LOINC, code, display) | {"text": display},
                    "subject": fhir.reference("Patient", self.ident),
                    "effectiveDateTime": fhir.at(day),
                    "valueQuantity": {
                        "value": round(rng.uniform(low, high), 1),
                        "unit": unit,
                        "system": "http://unitsofmeasure.org",
                        "code": unit,
                    },
                }
                if category == "laboratory" and place:
                    lab = ("http://loinc.org", "58410-2", "CBC panel - Blood by Automated count")
                    yield fhir.report(f"{ident}-p", self.ident, day, code=lab, results=[ident], section="LAB")


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _in_month(day: date) -> date:
    """A day that every month has."""
    return day.replace(day=min(day.day, 28))


def _months_after(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return day.replace(year=day.year + years, month=month + 1)


# --------------------------------------------------------------------------------------
# How histories come about


def _nothing(person: _Person) -> None:
    """No breast imaging on record at all."""


def _screened(person: _Person) -> None:
    years = person.rng.randint(1, 3)
    newest = person.day(5, 700)
    for year in reversed(range(years)):
        day = _months_after(newest, -12 * year)
        person.study(day, "screening", left=person.rng.choice("12"), right=person.rng.choice("12"))
    person.screening(newest, LEFT, RIGHT)


def _first_three(person: _Person) -> None:
    side, index = person.side(), person.day(5, 700)
    person.study(index, "diagnostic", **{side: "3", _OTHER[side]: "2"})
    person.open(side, "follow-up", _months_after(index, 6), overdue_after=_months_after(index, 9))
    person.screening(index, _OTHER[side])


def _three_at_six_months(person: _Person) -> None:
    side, index = person.side(), person.day(300, 700)
    visit = index + timedelta(days=person.rng.randint(150, 220))
    person.study(index, "diagnostic", **{side: "3", _OTHER[side]: "1"})
    person.study(visit, f"diagnostic-{side}", **{side: "3"})
    person.open(side, "follow-up", _months_after(index, 12), overdue_after=_months_after(index, 14))
    person.screening(index, _OTHER[side])


def _three_completed(person: _Person) -> None:
    side, last = person.side(), person.day(5, 700)
    person.study(last - timedelta(days=370), "diagnostic", **{side: "3", _OTHER[side]: "2"})
    person.study(last - timedelta(days=185), f"diagnostic-{side}", **{side: "3"})
    person.study(last, "diagnostic", **{side: "3", _OTHER[side]: "2"})
    person.screening(last, LEFT, RIGHT)


def _three_resolved(person: _Person) -> None:
    side, last = person.side(), person.day(5, 700)
    person.study(last - timedelta(days=190), "diagnostic", **{side: "3", _OTHER[side]: "2"})
    person.study(last, "diagnostic", **{side: "2", _OTHER[side]: "2"})
    person.screening(last, LEFT, RIGHT)


def _three_ordered(person: _Person) -> None:
    side, index = person.side(), person.day(10, 400)
    person.study(index, "diagnostic", **{side: "3", _OTHER[side]: "2"})
    if person.rng.random() < 0.7:
        person.order(index + timedelta(days=2), "diagnostic", side)
    else:
        person.appointment(person.today + timedelta(days=20), "diagnostic")


def _suspicious(person: _Person) -> None:
    side, day = person.side(), person.day(1, 500)
    category = person.rng.choice(("4", "4A", "4B", "4C", "5"))
    person.study(day, "diagnostic", **{side: category, _OTHER[side]: person.rng.choice("12")})
    person.soon(side, "tissue-diagnosis", day)
    person.screening(day, _OTHER[side])


def _suspicious_after_screening(person: _Person) -> None:
    """A 0 at screening, worked up, suspicious: only the biopsy is open."""
    side, day = person.side(), person.day(1, 300)
    person.study(day - timedelta(days=12), "screening", **{side: "0", _OTHER[side]: "1"})
    person.study(day, f"diagnostic-{side}", **{side: "4B"})
    person.soon(side, "tissue-diagnosis", day)


def _suspicious_in_a_man(person: _Person) -> None:
    person.gender = "male"
    _suspicious(person)
    person.expected = [each for each in person.expected if each.step != "routine-screening"]


def _biopsy_ordered(person: _Person) -> None:
    side, day = person.side(), person.day(3, 300)
    person.study(day, "diagnostic", **{side: "4B", _OTHER[side]: "2"})
    person.order(day + timedelta(days=1), "biopsy", side)


def _biopsy_done(person: _Person) -> None:
    side, day = person.side(), person.day(20, 300)
    person.study(day, "diagnostic", **{side: "4A", _OTHER[side]: "2"})
    person.procedure(day + timedelta(days=9), "biopsy", side)


def _biopsy_benign(person: _Person) -> None:
    side, seen = person.side(), person.day(40, 600)
    day = _in_month(seen + timedelta(days=12))
    person.study(seen, "diagnostic", **{side: "4A", _OTHER[side]: "2"})
    person.pathology(day, side, "benign")
    person.screening(day, side)
    person.screening(seen, _OTHER[side])


def _biopsy_malignant(person: _Person) -> None:
    side, day = person.side(), person.day(10, 400)
    person.study(day - timedelta(days=10), "diagnostic", **{side: "5", _OTHER[side]: "2"})
    person.pathology(day, side, "malignant")
    person.condition(day, ("254837009", "Malignant neoplasm of breast"), side)


def _biopsy_discordant(person: _Person) -> None:
    side, day = person.side(), person.day(5, 300)
    category, result = person.rng.choice(
        (("5", "benign"), ("4C", "benign"), ("4A", "high-risk"), ("4B", "insufficient"))
    )
    person.study(day - timedelta(days=10), "diagnostic", **{side: category, _OTHER[side]: "2"})
    person.pathology(day, side, result)
    person.soon(side, "repeat-tissue-diagnosis", day)


def _incomplete(person: _Person) -> None:
    side, day = person.side(), person.day(1, 500)
    person.study(day, "screening", **{side: "0", _OTHER[side]: "1"})
    person.soon(side, "work-up", day)
    person.screening(day, _OTHER[side])


def _incomplete_resolved(person: _Person) -> None:
    side, recalled = person.side(), person.day(20, 600)
    day = _in_month(recalled + timedelta(days=14))
    person.study(recalled, "screening", **{side: "0", _OTHER[side]: "1"})
    person.study(day, f"diagnostic-{side}", **{side: "2"})
    person.screening(day, side)
    person.screening(recalled, _OTHER[side])


def _incomplete_ordered(person: _Person) -> None:
    side, day = person.side(), person.day(3, 300)
    person.study(day, "screening", **{side: "0", _OTHER[side]: "2"})
    person.order(day + timedelta(days=1), "diagnostic", side)


def _contradicted(person: _Person) -> None:
    side, day = person.side(), person.day(2, 300)
    words = person._said(person.rng.choice(LANGUAGES), {side: "4", _OTHER[side]: "2"})
    person.study(day, "diagnostic", text=words, **{side: "2", _OTHER[side]: "2"})
    person.soon(side, "resolve-conflict", day)


def _suspicion_dropped(person: _Person) -> None:
    """A 4, then a 2 without tissue in between."""
    side, last = person.side(), person.day(2, 300)
    first = last - timedelta(days=person.rng.randint(60, 250))
    person.study(first, "diagnostic", **{side: "4B", _OTHER[side]: "2"})
    person.study(last, "diagnostic", **{side: "2", _OTHER[side]: "2"})
    person.soon(side, "confirm-assessment", first)


def _unread(person: _Person) -> None:
    """The newest report has no assessment."""
    day = person.day(2, 300)
    person.study(_months_after(day, -12), "screening", left="1", right="2")
    person.study(day, "screening", text="Mammography was performed. Comparison with prior films is pending.")
    late = _months_after(day, 0)
    for side in (LEFT, RIGHT):
        person.expected.append(Expected(person.ident, side, "read-report", late.isoformat(), False, person.situation))


def _described_only(person: _Person) -> None:
    side, day = person.side(), person.day(2, 300)
    person.described(day, side, "fine_linear_branching", person.rng.choice(("segmental", "linear", "grouped")))
    person.soon(side, "tissue-diagnosis", day)


def _deceased(person: _Person) -> None:
    _suspicious(person)
    person.is_deceased = True
    person.expected = []


def _breast_removed(person: _Person) -> None:
    side, day = person.side(), person.day(100, 400)
    person.study(day, "diagnostic", **{side: "4C", _OTHER[side]: "2"})
    person.condition(day + timedelta(days=40), ("248802009", "Absence of breast"), side)


def _both_removed(person: _Person) -> None:
    day = person.day(200, 2000)
    person.study(day, "diagnostic", left="5", right="4B")
    person.condition(day + timedelta(days=60), ("428529004", "History of bilateral mastectomy"))


def _known_cancer(person: _Person) -> None:
    side, day = person.side(), person.day(10, 300)
    person.study(day, "diagnostic", **{side: "6", _OTHER[side]: "2"})
    person.condition(day - timedelta(days=20), ("254837009", "Malignant neoplasm of breast"), side)


def _preliminary(person: _Person) -> None:
    day = person.day(2, 60)
    person.study(day - timedelta(days=100), "screening", left="1", right="1")
    person.study(day, "diagnostic", status="preliminary", left="4B", right="1")


def _young(person: _Person) -> None:
    person.least_age, person.most_age = 25, 37
    person.study(person.day(5, 900), "diagnostic", left="2", right="1")


SITUATIONS: Mapping[Callable[[_Person], None], int] = {
    _nothing: 140,
    _screened: 520,
    _first_three: 40,
    _three_at_six_months: 20,
    _three_completed: 15,
    _three_resolved: 15,
    _three_ordered: 20,
    _suspicious: 25,
    _suspicious_after_screening: 8,
    _suspicious_in_a_man: 2,
    _biopsy_ordered: 12,
    _biopsy_done: 12,
    _biopsy_benign: 15,
    _biopsy_malignant: 8,
    _biopsy_discordant: 6,
    _incomplete: 30,
    _incomplete_resolved: 30,
    _incomplete_ordered: 20,
    _contradicted: 5,
    _suspicion_dropped: 6,
    _unread: 8,
    _described_only: 5,
    _deceased: 8,
    _breast_removed: 6,
    _both_removed: 4,
    _known_cancer: 6,
    _preliminary: 6,
    _young: 8,
}
"""How histories come about, and how many in a thousand do so."""


# --------------------------------------------------------------------------------------
# Writing


def person(number: int, seed: int, today: date) -> tuple[list[Json], list[Expected]]:
    """The resources of one invented patient, and what is truly open."""
    rng = random.Random(seed * 1_000_000_007 + number)  # noqa: S311 (nothing here is secret)
    invented = _Person(rng, today, number)
    (how,) = rng.choices(tuple(SITUATIONS), tuple(SITUATIONS.values()))
    invented.situation = how.__name__.removeprefix("_")
    how(invented)
    return invented.written(), invented.expected


def write(out: Path, patients: int, seed: int, today: date, workers: int) -> None:
    """Writes `export/<type>.<number>.ndjson` and `truth.csv` below a folder. The same for any number of workers."""
    export = out / "export"
    export.mkdir(parents=True, exist_ok=True)
    with (
        ProcessPoolExecutor(workers) as pool,
        (out / "truth.csv").open("w", encoding="utf-8", newline="") as truth,
    ):
        writer = csv.writer(truth)
        writer.writerow(each.name for each in fields(Expected))
        some = partial(_write_some, export, patients, seed, today)
        for found in pool.map(some, range(0, patients, PER_FILE)):
            writer.writerows(astuple(each) for each in found)


def _write_some(export: Path, patients: int, seed: int, today: date, start: int) -> list[Expected]:
    lines: dict[str, list[bytes]] = {}
    truth: list[Expected] = []
    for number in range(start, min(start + PER_FILE, patients)):
        resources, expected = person(number, seed, today)
        truth += expected
        for resource in resources:
            lines.setdefault(resource["resourceType"], []).append(orjson.dumps(resource))
    for kind, found in lines.items():
        (export / f"{kind}.{start // PER_FILE:05}.ndjson").write_bytes(b"\n".join(found) + b"\n")
    return truth
