"""Key sets of callers: fetched from registered places, kept, fetched again when a key is missing, and kept through an
outage of the place they come from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import orjson
import requests

from .fhir_elements import Json

FRESH_SECONDS = 600
"""How long a key set is used without asking again; a key that was withdrawn is trusted no longer than this."""
PAUSE_SECONDS = 15
"""The least time between two fetches of one set, whatever tokens ask for."""
STALE_SECONDS = 24 * 3600
"""How long a key set is used while its place cannot be reached."""
TIMEOUT_SECONDS = 2
LONGEST_BYTES = 256 * 1024

FetchJson = Callable[[str], object]

_log = logging.getLogger("cds_service")


class KeysUnreachable(Exception):
    """A key set could not be had. The message names the place and never what it answered."""


def fetch_json(url: str) -> object:
    """The JSON document at a registered URL: no redirect is followed, nothing long or slow is waited for.

    Raises `KeysUnreachable`.
    """
    deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
    try:
        with requests.get(
            url, headers={"Accept": "application/json"}, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code != 200:
                raise KeysUnreachable(f"{url} answered {answer.status_code}")
            body = b""
            for part in answer.iter_content(64):  # in small parts, so that a server that trickles is noticed
                body += part
                if len(body) > LONGEST_BYTES or time.monotonic() > deadline:
                    raise KeysUnreachable(f"{url} answers too much or too slowly")
        return orjson.loads(body)
    except (requests.RequestException, orjson.JSONDecodeError) as problem:
        raise KeysUnreachable(f"{url}: {type(problem).__name__}") from None


@dataclass(slots=True)
class _KeySet:
    keys: list[Json] | None = None
    fetched: float = 0
    attempted: float | None = None
    lock: Lock = field(default_factory=Lock)

    def named(self, kid: str) -> list[Json]:
        return [key for key in self.keys or () if key.get("kid") == kid]


class KeySets:
    """The key sets of one process, by URL. In the steady state a key costs no network round trip."""

    def __init__(self, fetch: FetchJson = fetch_json, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: dict[str, _KeySet] = {}

    def named(self, url: str, kid: str) -> list[Json]:
        """The keys of that name in the set at `url`, none where it has none.

        Raises `KeysUnreachable` where the set was never had, or not for a day.
        """
        held = self._held.setdefault(url, _KeySet())
        found = held.named(kid)
        if not found or self._clock() - held.fetched > FRESH_SECONDS:
            self._refresh(url, held, wait=not found)
            found = held.named(kid)
        if held.keys is None or self._clock() - held.fetched > STALE_SECONDS:
            raise KeysUnreachable(f"{url} could not be reached")
        return found

    def _refresh(self, url: str, held: _KeySet, *, wait: bool) -> None:
        """Fetches once for all threads; those that hold a key already do not wait for it."""
        if not held.lock.acquire(blocking=wait):
            return
        try:
            now = self._clock()
            if held.attempted is not None and now - held.attempted < PAUSE_SECONDS:
                return
            held.attempted = now
            held.keys, held.fetched = _keys(url, self._fetch(url)), now
        except KeysUnreachable as problem:
            _log.warning("keys of a client could not be fetched, %s: %s", _served_by(held), problem)
        finally:
            held.lock.release()


def _served_by(held: _KeySet) -> str:
    return "so its calls cannot be verified" if held.keys is None else "so those fetched before are used"


def _keys(url: str, document: object) -> list[Json]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeysUnreachable(f"{url} does not answer with a JWK Set")
    return [key for key in keys if isinstance(key, dict)]
