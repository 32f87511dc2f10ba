"""Decision records: written behind the answers, spooled while the database is down, never twice, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.store import BadDatabaseUrl, DecisionRecord, Store, StoreDown
from cds_service.store import recorder as recording
from cds_service.store.recorder import Recorder
from cds_service.store.spool import Spool
from cds_service.store.tables import decisions, feedback, shown
from tests.services import Postgres, until
from tests.store.conftest import connected, overridden, record

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
LARGE = 1_000_000


def calls(url: str) -> list[str]:
    with connected(url) as connection:
        return list(connection.execute(sa.select(decisions.c.call)).scalars())


class Tally(Counter[str]):
    """Counts what became of records."""

    def count(self, what: str, number: int) -> None:
        self[what] += number


def test_what_is_handed_over_is_in_the_database_when_the_store_closes(store: Store, database_url: str) -> None:
    given = [record("SuspiciousOpen", "PriorNeeded") for _ in range(1200)]
    for each in given:
        store.add_decision(each)
    store.close()
    assert sorted(calls(database_url)) == sorted(each.call for each in given)


def test_a_record_comes_back_from_its_line_as_it_was() -> None:
    given = record("A", unknowns={"failed": 2}, codes_not_understood=("24605-8",), fetches={"reports": "fetched"})
    assert DecisionRecord.from_json(given.as_json()) == given


@pytest.mark.parametrize("line", ["", "{}", "[]", "{", '{"at": 1}', record().as_json()[:-9]])
def test_another_line_is_no_record(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        DecisionRecord.from_json(line)


def test_records_wait_in_the_spool_while_the_database_is_down_and_are_written_once(
    postgres: Postgres, tmp_path: Path, open_store: Callable[..., Store]
) -> None:
    url, tally = postgres.new_database(), Tally()
    store = open_store(url, spool=tmp_path / "spool", count=tally.count)
    store.prepare()
    postgres.stop()
    given = [record("SuspiciousOpen") for _ in range(3)]
    try:
        for each in given:
            store.add_decision(each)
        until(lambda: tally["spooled"] == 3, "the spool to hold the records")
        with pytest.raises(StoreDown):
            store.add_feedback("breast-imaging-patient-view", [overridden("c-1")])
    finally:
        postgres.start()
    until(store.spool.is_empty, "the spool to be written")
    assert sorted(calls(url)) == sorted(each.call for each in given)
    assert tally == {"spooled": 3, "written": 3}


def test_a_process_writes_what_an_earlier_one_left_in_the_spool(
    database_url: str, tmp_path: Path, open_store: Callable[..., Store]
) -> None:
    left = record("SuspiciousOpen")
    assert Spool(tmp_path / "spool", LARGE).put([left])
    store = open_store(database_url, spool=tmp_path / "spool")
    store.recover()
    until(store.spool.is_empty, "the spool to be written")
    assert calls(database_url) == [left.call]


def test_a_batch_that_was_written_but_not_forgotten_is_there_once(store: Store, database_url: str) -> None:
    given = record("SuspiciousOpen", unknowns={"failed": 1}, codes_not_understood=("24605-8",))
    for _ in range(2):
        store.add_decision(given)
        store.close()
    with connected(database_url) as connection:
        assert connection.execute(sa.select(shown.c.row)).all() == [("SuspiciousOpen",)]


def test_a_spool_keeps_to_its_limit_and_what_is_lost_is_counted(
    tmp_path: Path, open_store: Callable[..., Store]
) -> None:
    tally = Tally()
    limit = 3 * len(record("Row").as_json())
    store = open_store(NOWHERE, spool=tmp_path / "spool", spool_bytes=limit, count=tally.count)
    for number in range(1, 6):
        store.add_decision(record("Row"))
        until(lambda number=number: tally.total() == number, "the record to be dealt with")
    assert tally == {"spooled": 2, "dropped": 3}
    assert store.spool.size() <= limit


FULL_DISK = """
import resource, sys
from pathlib import Path
from cds_service.store.spool import Spool
from tests.store.conftest import record
spool = Spool(Path(sys.argv[1]), 1_000_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # the kernel refuses to write more, as on a disk that is full
print(spool.put([record("Row")]), spool.put([record("Row")] * 10), spool.put([record("Row")]))
"""


def test_a_disk_that_is_full_costs_the_batch_and_leaves_no_half_of_it(tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False", "True"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl"}
    assert [len(batch) for _, batch in Spool(tmp_path, LARGE).batches()] == [1, 1]


def test_a_spool_that_cannot_be_written_to_costs_its_records_only(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    assert not Spool(tmp_path / "spool", LARGE).put([record("Row")])


def test_a_damaged_batch_is_set_aside_and_the_others_are_written(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    folder = store.spool.folder = tmp_path / "spool"
    good = record("Row")
    store.spool.put([good])
    (folder / "00-damaged.jsonl").write_text(record("Row").as_json()[:40])
    store.recover()
    until(store.spool.is_empty, "the spool to be written")
    assert calls(database_url) == [good.call]
    assert [path.name for path in folder.iterdir()] == ["00-damaged.bad"]


def test_half_a_batch_of_a_process_that_was_killed_is_never_read_and_is_removed_in_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LARGE)
    for name, age in (("old.part", 120), ("new.part", 0)):
        (tmp_path / name).write_text("{")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert list(spool.batches()) == []
    spool.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["new.part"]


def test_a_record_that_the_database_refuses_does_not_keep_the_others_out(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    good, twin = record("Row"), record()
    stranger = record(cards=dict(good.cards), version="\0" * 60)
    store.spool.put([good, stranger, twin])
    store.recover()
    until(store.spool.is_empty, "the spool to be written")
    assert set(calls(database_url)) >= {good.call, twin.call}


def test_an_answer_never_waits_for_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING", 5)
    tally, release = Tally(), threading.Event()

    def stuck(records: Sequence[DecisionRecord]) -> None:
        release.wait()

    recorder = Recorder(stuck, Spool(tmp_path, LARGE), tally.count)
    for _ in range(20):
        recorder.add(record("Row"))
    assert tally["dropped"] >= 20 - 5 - recording.BATCH
    assert tally["dropped"] > 0
    release.set()
    recorder.finish()
    assert tally["written"] == 20 - tally["dropped"]


# --------------------------------------------------------------------------------------
# Feedback and URLs


def test_feedback_that_two_hosts_take_at_once_is_kept_once(database_url: str, open_store: Callable[..., Store]) -> None:
    hosts = [open_store(database_url) for _ in range(2)]
    hosts[0].prepare()
    entries = [overridden(f"c-{number}") for number in range(100)]

    def send(host: Store) -> None:
        for entry in entries:
            host.add_feedback("breast-imaging-patient-view", [entry, entry])

    threads = [threading.Thread(target=send, args=[host]) for host in hosts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with connected(database_url) as connection:
        kept = connection.execute(sa.select(feedback.c.card)).scalars().all()
    assert sorted(kept) == sorted(entry.card for entry in entries)


def test_a_card_id_of_any_characters_is_kept(store: Store, database_url: str) -> None:
    store.add_feedback("breast-imaging-patient-view", [overridden("\0 é 🎗", accepted=("a\0b",))])
    with connected(database_url) as connection:
        assert connection.execute(sa.select(feedback.c.card, feedback.c.accepted)).one() == (
            "\N{REPLACEMENT CHARACTER} é 🎗",
            "a\N{REPLACEMENT CHARACTER}b",
        )


@pytest.mark.parametrize("url", ["nonsense", "mysql://somewhere/db", ""])
def test_a_url_of_no_known_database_is_refused(url: str) -> None:
    with pytest.raises(BadDatabaseUrl):
        Store(url)


def test_a_store_can_be_asked_whether_it_is_there(store: Store, open_store: Callable[..., Store]) -> None:
    store.check()
    with pytest.raises(StoreDown):
        open_store(NOWHERE).check()


def test_a_store_recovers_by_itself(postgres: Postgres, open_store: Callable[..., Store]) -> None:
    store = open_store(postgres.new_database())
    store.check()
    postgres.stop()
    with pytest.raises(StoreDown):
        store.check()
    postgres.start()

    def is_back() -> bool:
        try:
            return store.first_use("issuer", "jti", datetime(2100, 1, 1, tzinfo=UTC))
        except StoreDown:
            return False

    until(is_back, "the store to recover")
