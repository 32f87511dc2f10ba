"""What the tests share: the shipped knowledge, a service on a fixed day, and small builders."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import knowledge as knowledge_folder
from cds_service.knowledge import Knowledge
from cds_service.pipeline import Answer, Options, ServiceDesk, World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.services import database_url, postgres  # noqa: F401 (fixtures)

TODAY = date(2026, 6, 1)
FIXTURES = Path(__file__).parent / "fixtures"
PUBLIC_URL = "https://cds.example.org"


def counted_ids() -> Callable[[], str]:
    """Ids that are valid, fresh and the same in every run."""
    numbers = itertools.count(1)
    return lambda: str(uuid.UUID(int=next(numbers), version=4))


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return knowledge_folder.load()


@pytest.fixture
def world() -> World:
    return World(today=lambda: TODAY, new_id=counted_ids())


@pytest.fixture(scope="session")
def desk(knowledge: Knowledge) -> ServiceDesk:
    return ServiceDesk(knowledge)


@pytest.fixture
def ask(desk: ServiceDesk, world: World) -> Callable[..., Answer]:
    """Asks a service in memory, without HTTP."""

    def asked(service: str, request: dict[str, Any], protocol: str = "brochure-calcification") -> Answer:
        import orjson

        options = Options(protocol=protocol, public_url=PUBLIC_URL)
        return desk.answer(service, desk.request(service, orjson.dumps(request)), options, world)

    return asked


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(public_url=PUBLIC_URL, database_url=f"sqlite:///{tmp_path / 'store.sqlite'}", development=True)


@pytest.fixture
def app(settings: Settings, world: World) -> Flask:
    return create_app(settings, world)


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data that stays outside the repository; its tests are skipped where it is absent."""
    folder = Path(os.environ.get("CDS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the data folder {folder.name} is not here; set CDS_TEST_DATA to run this test")
    return folder
