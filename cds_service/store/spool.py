"""Records on disk that the database could not take yet: one file for each batch, whole or not there at all."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .records import DecisionRecord

_WHOLE, _PART, _BAD = ".jsonl", ".part", ".bad"
_ABANDONED_SECONDS = 60


class Spool:
    """A folder of batches, shared by the workers of a host, that never grows beyond `limit` bytes.

    A batch that was written to the database twice is there once (`Store` sees to it), so nothing has to be locked.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit

    def put(self, records: Sequence[DecisionRecord]) -> bool:
        """Keeps a batch durably. False where there is no room for it on the disk or within the limit, or where the
        folder cannot be written to; the batch is lost then."""
        content = "".join(f"{record.as_json()}\n" for record in records).encode()
        if self.size() + len(content) > self._limit:
            return False
        name = f"{time.time_ns():020}-{uuid.uuid4().hex}"
        part = self.folder / f"{name}{_PART}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(part.with_suffix(_WHOLE))
            self._sync_folder()
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        return True

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def batches(self) -> Iterator[tuple[Path, list[DecisionRecord]]]:
        """The batches, oldest first. One that cannot be read is set aside under another name and left out."""
        for path in sorted(self._files(_WHOLE)):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
                yield path, [DecisionRecord.from_json(line) for line in lines]
            except FileNotFoundError:
                continue  # another worker was faster
            except (OSError, ValueError):
                with suppress(OSError):
                    path.rename(path.with_suffix(_BAD))

    def done(self, path: Path) -> None:
        """Forgets a batch that is in the database."""
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes in the folder, with batches that were set aside."""
        return sum(_size(path) for path in self._files(_WHOLE, _PART, _BAD))

    def is_empty(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._files(_WHOLE)

    def tidy(self) -> None:
        """Removes what a process left half-written when it was killed."""
        for path in self._files(_PART):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)

    def _files(self, *suffixes: str) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.suffix in suffixes]
        except OSError:
            return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
