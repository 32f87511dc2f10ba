"""A database of any age is brought to the form of this release, once, whoever starts at the same time."""

from __future__ import annotations

import os
import subprocess
import sys

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from cds_service.store import Store
from cds_service.store.migration import NEWEST
from cds_service.store.tables import metadata
from tests.store.conftest import NOON, connected, overridden

FIRST_RELEASE = sa.Table(
    "feedback",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("service", sa.String(100), nullable=False),
    sa.Column("card", sa.String(200), nullable=False, index=True),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("accepted", sa.Text, nullable=False),
    sa.Column("reason_system", sa.String(200), nullable=False),
    sa.Column("reason_code", sa.String(200), nullable=False),
    sa.Column("outcome_at", sa.String(64), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
)
OLD_ROW = {
    "service": "breast-imaging-patient-view",
    "card": "c-1",
    "outcome": "overridden",
    "accepted": "",
    "reason_system": "",
    "reason_code": "",
    "outcome_at": "2026-05-01T08:00:00Z",
    "received_at": NOON,
}


def test_the_migrations_lead_to_the_tables(store: Store, database_url: str) -> None:
    store.prepare()
    with connected(database_url) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert MigrationContext.configure(connection).get_current_revision() == NEWEST


def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    environ = os.environ | {"CDS_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "cds_service", "migrate"]
    started = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [each.communicate() for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], outputs
    assert {out for out, _ in outputs} == {"the database is at revision 0002\n"}


def test_a_database_of_the_first_release_keeps_its_feedback(store: Store, database_url: str) -> None:
    with connected(database_url) as connection:
        FIRST_RELEASE.create(connection)
        connection.execute(FIRST_RELEASE.insert(), OLD_ROW)
    store.prepare()
    store.add_feedback("breast-imaging-patient-view", [overridden("c-2")])
    with connected(database_url) as connection:
        cards = connection.execute(sa.text("select card from feedback order by card")).scalars().all()
        assert cards == ["c-1", "c-2"]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_of_a_later_release_is_used_as_it_is(store: Store, database_url: str) -> None:
    store.prepare()
    with connected(database_url) as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    earlier = Store(database_url)
    assert earlier.prepare() == "9999"
    earlier.add_feedback("breast-imaging-patient-view", [overridden("c-1")])
    earlier.close()
