"""The CDS Hooks envelope: requests parsed, answers dumped, the rules of the specification kept in both directions.

Schemas are compiled once. What is said about a bad request names its fields, never their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from .errors import BadRequest, InvalidAnswer, NotJson
from .fhir_elements import Json
from .hooks import Hook

_SCHEMAS = Path(__file__).parent / "schemas"

_KINDS: Mapping[str, Json] = {
    "id": {"type": "string", "minLength": 1},
    "reference": {"type": "string", "minLength": 1},
    "references": {"type": ["array", "string", "null"]},
    "bundle": {"type": "object"},
}
"""JSON Schemas of the kinds of fields that a hook's context can have."""

MOST_PROBLEMS = 20


def schema(name: str) -> Json:
    """One of our own JSON Schemas, as data."""
    content: Json = json.loads((_SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """A CDS Hooks request whose envelope and context are in order."""

    hook: str
    hook_instance: str
    context: Json
    prefetch: Mapping[str, object]
    fhir_server: str | None
    fhir_authorization: Mapping[str, Any] | None
    """Lives as long as the request; never stored, logged or sent anywhere but to `fhir_server`."""

    @property
    def patient_id(self) -> str:
        return str(self.context["patientId"])

    def __repr__(self) -> str:  # a traceback or a log line must not hold patient data or a token
        return f"HookRequest(hook={self.hook!r})"


class Envelope:
    """The compiled checks of the requests of one hook."""

    def __init__(self, hook: Hook) -> None:
        rules = schema("request")
        optional = {field: _or_nothing(_KINDS[kind]) for field, kind in hook.optional.items()}
        rules["properties"]["context"] = {
            "type": "object",
            "required": list(hook.required),
            "properties": {field: _KINDS[kind] for field, kind in hook.required.items()} | optional,
        }
        self._hook = hook.name
        self._validator = jsonschema_rs.Draft202012Validator(rules)

    def request(self, body: bytes) -> HookRequest:
        """The request in `body`.

        Raises `NotJson` where it is not a JSON object, `BadRequest` with every problem of the envelope otherwise.
        """
        content = json_object(body)
        context, prefetch = content.get("context"), content.get("prefetch")
        # Only the envelope is looked at: what FHIR it holds is read, not judged, further on.
        envelope = {**content}
        if isinstance(prefetch, dict):
            envelope["prefetch"] = {}
        if isinstance(context, dict) and isinstance(context.get("draftOrders"), dict):
            envelope["context"] = {**context, "draftOrders": {}}
        if not self._validator.is_valid(envelope) or content["hook"] != self._hook:
            raise BadRequest(*self._problems(envelope))
        authorization = content.get("fhirAuthorization")
        return HookRequest(
            hook=content["hook"],
            hook_instance=content["hookInstance"],
            context=content["context"],
            prefetch=prefetch or {},
            fhir_server=content.get("fhirServer"),
            fhir_authorization=authorization,
        )

    def _problems(self, envelope: Json) -> list[str]:
        found = [_sentence(error) for error in self._validator.iter_errors(envelope)]
        hook = envelope.get("hook")
        if isinstance(hook, str) and hook and hook != self._hook:
            found.append(f"hook: this service answers {self._hook}.")
        return sorted(set(found))[:MOST_PROBLEMS]


def _or_nothing(rules: Json) -> Json:
    return {"anyOf": [rules, {"enum": [None, ""]}]}


def json_object(body: bytes) -> Json:
    """The JSON object in `body`. Raises `NotJson` for anything else."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson from None
    if not isinstance(content, dict):
        raise NotJson
    return content


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    """A problem in words that name the field and never its value."""
    path = ".".join(str(part) for part in error.instance_path)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        missing = f"{path}.{kind.property}" if path else kind.property
        return f"{missing}: is required."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type | jsonschema_rs.ValidationErrorKind.AnyOf):
        return f"{path or 'the body'}: has the wrong type."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        return f"{path}: is not one of the values that are known."
    return f"{path or 'the body'}: is not in the form that CDS Hooks asks for."


# --------------------------------------------------------------------------------------
# Answers

_RESPONSE = jsonschema_rs.Draft202012Validator(schema("response"))
_SUMMARY_LIMIT = 139


def dumped(cards: list[Json]) -> bytes:
    """The answer with these cards, as JSON.

    Raises `InvalidAnswer` where it breaks a rule of the specification: a malformed card is never sent.
    """
    answer = {"cards": cards}
    if not _RESPONSE.is_valid(answer):
        raise InvalidAnswer(*sorted({_sentence(error) for error in _RESPONSE.iter_errors(answer)}))
    seen = set()
    for card in cards:
        if len(card["summary"].encode("utf-16-le")) > 2 * _SUMMARY_LIMIT:
            raise InvalidAnswer("cards.summary: is too long for clients that count UTF-16.")
        for item in (card, *card.get("suggestions", ())):
            if item["uuid"] in seen:
                raise InvalidAnswer("cards.uuid: stands twice.")
            seen.add(item["uuid"])
    return orjson.dumps(answer)


# --------------------------------------------------------------------------------------
# Feedback

_FEEDBACK = jsonschema_rs.Draft202012Validator(schema("feedback"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What became of one card."""

    card: str
    outcome: str
    accepted: tuple[str, ...]
    reason_code: str | None
    reason_system: str | None
    at: str
    """When it was given, as an instant in UTC."""


def feedback(body: bytes) -> tuple[list[Feedback], list[str]]:
    """The usable entries of a feedback request, and what is wrong with the others.

    Raises `NotJson` or `BadRequest` where the envelope itself is broken. A comment of the user is free text about a
    patient and is not kept.
    """
    content = json_object(body)
    entries = content.get("feedback")
    if not isinstance(entries, list):
        raise BadRequest("feedback: has to be an array.")
    usable, problems = [], []
    for place, entry in enumerate(entries):
        if _FEEDBACK.is_valid(entry):
            at = _instant(entry["outcomeTimestamp"])
            if at is None:
                problems.append(f"feedback[{place}]: outcomeTimestamp: is not a date with a time.")
            else:
                usable.append(_one(entry, at))
        else:
            problems += [f"feedback[{place}]: {_sentence(error)}" for error in _FEEDBACK.iter_errors(entry)]
    return usable, problems[:MOST_PROBLEMS]


def _instant(stated: str) -> str | None:
    """A time in UTC, which is meant where no zone is stated; None for what is not one."""
    if "T" not in stated:
        return None
    try:
        at = datetime.fromisoformat(stated)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.isoformat().replace("+00:00", "Z")


def _one(entry: Json, at: str) -> Feedback:
    given = entry.get("overrideReason") or entry.get("overrideReasons") or {}
    reason = given[0] if isinstance(given, list) and given else given
    coding = _coding(reason) if isinstance(reason, dict) else {}
    return Feedback(
        card=entry["card"],
        outcome=entry["outcome"],
        accepted=tuple(each["id"] for each in entry.get("acceptedSuggestions") or ()),
        reason_code=_short(coding.get("code")),
        reason_system=_short(coding.get("system")),
        at=at,
    )


def _coding(reason: Json) -> Json:
    """The coded reason, also where one large vendor puts it into an extension."""
    coding = reason.get("reason")
    if isinstance(coding, dict):
        return coding
    if isinstance(reason.get("code"), str):
        return reason
    extension = reason.get("extension")
    for value in extension.values() if isinstance(extension, dict) else ():
        found = value[0] if isinstance(value, list) and value else value
        if isinstance(found, dict) and isinstance(found.get("code"), str):
            return found
    return {}


def _short(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None
