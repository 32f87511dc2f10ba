"""What is kept of one answer. No patient data: the call and its cards have random ids that stand nowhere in the EHR
but in the feedback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One answer: who was answered by what, which cards were shown, what was not known, and how long it took."""

    call: str
    """Random id of this answer."""
    at: datetime
    """When it was given, in UTC."""
    service: str
    client: str
    """Id of the client as registered here."""
    protocol: str
    version: str
    """Version of the protocol."""
    cards: Mapping[str, str]
    """The row that each card came from, by the id of the card."""
    duration_ms: float
    unknowns: Mapping[str, int] = field(default_factory=dict)
    """How often each reason for not knowing was met."""
    codes_not_understood: tuple[str, ...] = ()
    """Codes of published systems that the terminology does not map."""
    parts_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of the parts of the call, by name."""
    fetches: Mapping[str, str] = field(default_factory=dict)
    """What became of each fetch, by prefetch key."""

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self) | {"at": self.at.isoformat()}, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> DecisionRecord:
        """The record of a line that `as_json` made. Raises `ValueError` for any other."""
        try:
            content: dict[str, Any] = json.loads(line)
            content["at"] = datetime.fromisoformat(content["at"])
            content["codes_not_understood"] = tuple(content["codes_not_understood"])
            return cls(**content)
        except (TypeError, KeyError) as problem:
            raise ValueError(f"not a decision record: {type(problem).__name__}") from None
