"""No token is taken twice, by any worker of any host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cds_service.store import Store, StoreDown
from cds_service.store.tables import seen_tokens
from tests.store.conftest import connected

ISSUER = "https://ehr.example.org"
TOKENS = 200
HOST = """
import os, sys
from datetime import UTC, datetime, timedelta
from cds_service.store import Store
store = Store(os.environ["CDS_DATABASE_URL"])
sys.stdin.readline()
expires = datetime.now(UTC) + timedelta(minutes=5)
print(*[number for number in range(%d) if store.first_use("https://ehr.example.org", f"jti-{number}", expires)])
"""


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=5)


@pytest.mark.requirement("SEC-09")
def test_two_hosts_with_one_database_never_accept_one_token_twice(store: Store, database_url: str) -> None:
    store.prepare()
    environ = os.environ | {"CDS_DATABASE_URL": database_url}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST % TOKENS], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for host in hosts:  # both have imported everything before either begins
        assert host.stdin is not None
        host.stdin.write("go\n")
        host.stdin.flush()
    taken = [[int(each) for each in host.communicate()[0].split()] for host in hosts]
    assert sorted(taken[0] + taken[1]) == list(range(TOKENS))


def test_a_token_of_another_issuer_is_another_token(store: Store) -> None:
    assert store.first_use(ISSUER, "jti-1", soon())
    assert store.first_use("https://other.example.org", "jti-1", soon())
    assert store.first_use(f"{ISSUER}j", "ti-1", soon())
    assert not store.first_use(ISSUER, "jti-1", soon())


@pytest.mark.parametrize("jti", ["", "\0", "ü" * 5000], ids=["empty", "a zero", "10 kB"])
def test_a_token_id_of_any_form_is_remembered(store: Store, jti: str) -> None:
    assert [store.first_use(ISSUER, jti, soon()) for _ in range(2)] == [True, False]


def test_a_token_is_forgotten_after_it_has_expired(
    store: Store, database_url: str, open_store: Callable[..., Store]
) -> None:
    store.first_use(ISSUER, "old", datetime.now(UTC) - timedelta(seconds=1))
    store.first_use(ISSUER, "new", soon())
    assert open_store(database_url).first_use(ISSUER, "newer", soon())
    with connected(database_url) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(seen_tokens)).scalar_one() == 2


def test_the_token_id_itself_is_not_kept(store: Store, database_url: str) -> None:
    store.first_use(ISSUER, "jti-secret", soon())
    with connected(database_url) as connection:
        assert "jti-secret" not in str(connection.execute(sa.select(seen_tokens)).all())


def test_without_a_database_a_token_is_neither_new_nor_old(open_store: Callable[..., Store]) -> None:
    with pytest.raises(StoreDown):
        open_store("postgresql://nobody@127.0.0.1:1/nothing").first_use(ISSUER, "jti-1", soon())
