"""One service for all tests of the specification: they leave it as it is, and building it takes longer than they do."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import vignettes
from flask import Flask

from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.conftest import FIXTURES, PUBLIC_URL, TODAY
from tests.spec.hook_requests import DIAGNOSTIC, Json, draft, request, study, url


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    store = tmp_path_factory.mktemp("spec") / "store.sqlite"
    return Settings(public_url=PUBLIC_URL, database_url=f"sqlite:///{store}", development=True)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    return create_app(settings, World(today=lambda: TODAY))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, the answer as it was sent, and the cards in it."""

    request: Json
    body: bytes

    @property
    def answer(self) -> Json:
        content: Json = json.loads(self.body)
        return content

    @property
    def cards(self) -> list[Json]:
        found: list[Json] = self.answer["cards"]
        return found


@pytest.fixture(scope="session")
def exchanges(app: Flask) -> list[Exchange]:
    """Every vignette that is answered with 200, and an order that is put right: cards of every kind."""
    loaded = [vignettes.load(path, TODAY) for path in sorted((FIXTURES / "vignettes").glob("*.json"))]
    asked = [each["request"] for each in loaded if "request" in each and each["expect"]["status"] == 200]
    asked.append(request("order-select", study("3"), drafts=[draft(code=DIAGNOSTIC, side=None)]))
    client = app.test_client()
    answers = [client.post(url(each["hook"]), json=each) for each in asked]
    assert {each.status_code for each in answers} == {200}
    return [Exchange(content, answer.data) for content, answer in zip(asked, answers, strict=True)]
