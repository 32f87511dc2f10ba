"""FHIR elements as they really arrive: an object where a list belongs, a null, a partial date, any form of reference.

Every function takes whatever JSON held and gives the plain value, or nothing. None of them raises: one bad element
costs that element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from .core.dates import PartialDate

Json = dict[str, Any]


def objects(value: object) -> list[Json]:
    """The JSON objects of a list, or the one object that stands where a list belongs."""
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return [value] if isinstance(value, dict) else []


def child(value: object) -> Json:
    """A JSON object, or an empty one; the first of a list that stands where one object belongs."""
    if isinstance(value, dict):
        return value
    return next(iter(objects(value)), {})


def text(value: object) -> str:
    """A string without blanks around it, or nothing."""
    return value.strip() if isinstance(value, str) else ""


def codings(concept: object) -> Iterator[tuple[str, str]]:
    """System and code of every coding of a CodeableConcept that has both. A coding without a system is never one."""
    for coding in objects(concept["coding"]) if isinstance(concept, dict) and "coding" in concept else ():
        system, code = coding.get("system"), coding.get("code")
        if isinstance(system, str) and isinstance(code, str) and system and code:
            yield system, code.strip()


def words(concept: object) -> list[str]:
    """What a person reads of a CodeableConcept: its text, then the displays of its codings."""
    if not isinstance(concept, dict):
        return []
    found = [text(concept.get("text")), *(text(coding.get("display")) for coding in objects(concept.get("coding")))]
    return [each for each in found if each]


def reference(value: object) -> str:
    """The target of a Reference as it stands, or nothing."""
    return text(value.get("reference")) if isinstance(value, dict) else ""


_TYPE_AND_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/]+)?/?$")


def type_and_id(target: str) -> tuple[str, str] | None:
    """Resource type and id of a relative or absolute reference, its version left out; None for `urn:` and `#`."""
    found = _TYPE_AND_ID.search(target)
    return (found[1], found[2]) if found else None


_NAMED = re.compile(r"[A-Za-z]+/[^\s?]+")


def is_named(target: str) -> bool:
    """Whether a relative reference leads to a resource: `name` gives one that does not where there is no id."""
    return _NAMED.fullmatch(target) is not None


def filled(value: Any) -> Any:
    """A JSON value without the null and empty members that FHIR forbids and clients send."""
    if isinstance(value, dict):
        members = {key: filled(inner) for key, inner in value.items()}
        return {key: inner for key, inner in members.items() if not _is_empty(inner)}
    if isinstance(value, list):
        return [inner for inner in map(filled, value) if not _is_empty(inner)]
    return value


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def name(resource: Json) -> str:
    """The relative reference of a resource, as cards and orders name it."""
    return f"{text(resource.get('resourceType')) or 'Resource'}/{text(resource.get('id')) or '?'}"


_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt ](\S+))?)?)?")


def partial_date(value: object) -> PartialDate | None:
    """A FHIR date, dateTime or instant, whatever its precision and with or without a zone."""
    if not isinstance(value, str):
        return None
    return _instant(value) or _dated(value)


def _instant(value: str) -> PartialDate | None:
    """A date with a time of day in the form that nearly all have, without a look at its parts."""
    if value[7:8] != "-" or value[10:11] != "T":
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return PartialDate(at.date(), at.date(), at)


def _dated(value: str) -> PartialDate | None:
    found = _DATE.fullmatch(value.strip())
    if not found:
        return None
    year, month, day = int(found[1]), found[2], found[3]
    try:
        if day is None:
            first = date(year, int(month or 1), 1)
            following = date(year + (month is None or month == "12"), 1 if month in (None, "12") else int(month) + 1, 1)
            return PartialDate(first, following - timedelta(days=1))
        whole = date(year, int(month), int(day))
    except (ValueError, OverflowError):
        return None
    if not found[4]:
        return PartialDate(whole, whole)
    try:
        at = datetime.fromisoformat(f"{found[1]}-{month}-{day}T{found[4]}")
    except ValueError:
        at = None
    return PartialDate(whole, whole, at)


def any_date(resource: Json, *names: str) -> PartialDate | None:
    """The first of several date elements that can be read; of a period its start, else its end."""
    for each in names:
        value = resource.get(each)
        if isinstance(value, dict):
            found = partial_date(value.get("start")) or partial_date(value.get("end"))
        else:
            found = partial_date(value)
        if found is not None:
            return found
    return None


def extensions(value: object, depth: int = 4) -> Iterator[Json]:
    """All extensions of an element, nested ones too."""
    if depth and isinstance(value, dict):
        for extension in objects(value.get("extension")):
            yield extension
            yield from extensions(extension, depth - 1)
