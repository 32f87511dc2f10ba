"""Log lines as JSON that hold no patient data: a message stands in them only where this project wrote it."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

_OWN = ("cds_service", "_granian", "granian", "alembic")
"""Loggers whose words are fixed. Other libraries quote what they work on: addresses, texts, names."""


class JsonLines(logging.Formatter):
    """Time, level, logger, message, and what was given as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        is_own = record.name.partition(".")[0] in _OWN
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage() if is_own else f"at {record.module}:{record.lineno}",
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = place(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def place(error: BaseException) -> str:
    """The type of an exception and where it was raised, without its message, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    return f"{type(error).__name__} at {where}"


def config() -> dict[str, Any]:
    """The configuration of all processes of a service, in the form of `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            # granian brings handlers of its own, which would write each line a second time in another form.
            "_granian": {"level": "INFO", "handlers": [], "propagate": True},
            "granian.access": {"level": "WARNING", "handlers": [], "propagate": True},
            "alembic": {"level": "WARNING"},
        },
    }
