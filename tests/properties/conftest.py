"""One profile for all properties: the same examples in every run, no deadline, few enough to run with every change.

`CDS_PROPERTIES=search` looks for new counterexamples instead: random, and many times as many examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from cds_service.pipeline import ServiceDesk, World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.case_charts import Asker
from tests.conftest import PUBLIC_URL, TODAY

SEARCHING = os.environ.get("CDS_PROPERTIES") == "search"
_FACTOR = 20 if SEARCHING else 1

settings.register_profile(
    "cds-properties",
    derandomize=not SEARCHING,
    database=None,
    deadline=None,
    max_examples=60 * _FACTOR,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("cds-properties")


def examples(count: int) -> settings:
    """A property that deserves another number of examples than the others."""
    return settings(max_examples=count * _FACTOR)


@pytest.fixture(scope="session")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The service behind its front door, the same for all examples of a run; failures come as answers."""
    store = tmp_path_factory.mktemp("store") / "store.sqlite"
    chosen = Settings(public_url=PUBLIC_URL, database_url=f"sqlite:///{store}", development=True)
    with create_app(chosen, World(today=lambda: TODAY)).test_client() as client:
        yield client


@pytest.fixture(scope="session")
def ask(desk: ServiceDesk) -> Asker:
    return Asker(desk)
