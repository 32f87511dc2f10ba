"""Golden exchanges: hook requests as an EHR sends them, and the answers that they get, byte for byte.

A change of an answer is a change of what a clinician reads. `python -m tests.test_exchanges --write` writes all answers
anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.core.concordance import Concern
from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests import vignettes
from tests.case_charts import SERVICES
from tests.conftest import FIXTURES, PUBLIC_URL, TODAY, counted_ids

Json = dict[str, Any]
Answerer = Callable[[Path], Json]

FOLDER = FIXTURES / "exchanges"
EXCHANGES = sorted(path.parent for path in FOLDER.glob("*/*/request.json"))
IDS = [f"{path.parent.name}/{path.name}" for path in EXCHANGES]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def written(content: Any) -> str:
    """JSON as it is stored."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def answerer() -> Answerer:
    """Puts an exchange's request through the front door, on the tests' day and with ids counted from one."""
    ids = [counted_ids()]
    settings = Settings(public_url=PUBLIC_URL, database_url="sqlite://", development=True)
    client = create_app(settings, World(today=lambda: TODAY, new_id=lambda: ids[-1]())).test_client()

    def answer(exchange: Path) -> Json:
        ids.append(counted_ids())
        body = (exchange / "request.json").read_bytes()
        response = client.post(f"/cds-services/{exchange.parent.name}", data=body, content_type="application/json")
        assert response.status_code == 200, response.data
        content: Json = json.loads(response.data)
        return content

    return answer


@pytest.fixture(scope="session")
def answer() -> Answerer:
    return answerer()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=IDS)
def test_the_answer_is_the_golden_one(answer: Answerer, exchange: Path) -> None:
    assert answer(exchange) == read(exchange / "response.json")


@pytest.mark.parametrize("exchange", EXCHANGES, ids=IDS)
def test_the_request_is_one_that_an_ehr_sends(exchange: Path) -> None:
    asked = read(exchange / "request.json")
    assert asked["hook"] == SERVICES[exchange.parent.name]
    told: Json = {"service": exchange.parent.name, "request": asked, "expect": {"status": 200}}
    assert vignettes.file_problems(told) == []


@pytest.mark.parametrize("exchange", EXCHANGES, ids=IDS)
def test_the_golden_answer_keeps_the_rules_for_every_answer(exchange: Path) -> None:
    body = (exchange / "response.json").read_bytes()
    asked = read(exchange / "request.json")
    assert vignettes.Runner("", {}, 1).judge({"status": 200}, 200, "application/json", body, asked) == []


@pytest.mark.parametrize("exchange", EXCHANGES, ids=IDS)
def test_only_where_nothing_is_to_do_nothing_is_said(exchange: Path) -> None:
    assert (read(exchange / "response.json")["cards"] == []) == exchange.name.startswith("nothing-to-do")


def test_the_exchanges_are_stored_as_they_are_written() -> None:
    for path in FOLDER.glob("*/*/*.json"):
        assert path.name in ("request.json", "response.json")
        assert path.read_text(encoding="utf-8") == written(read(path)), path


def cards() -> list[Json]:
    return [card for exchange in EXCHANGES for card in read(exchange / "response.json")["cards"]]


def test_there_are_exchanges_for_every_service_and_every_indicator() -> None:
    assert {exchange.parent.name for exchange in EXCHANGES} == set(SERVICES)
    assert {card["indicator"] for card in cards()} == {"info", "warning", "critical"}


def test_the_exchanges_show_the_rows_that_matter() -> None:
    shown = {card["source"]["topic"]["code"] for card in cards()}
    assert shown >= {
        "Category5", "Category4", "Category3FirstVisit", "Category3FullYear", "Category3Complete", "Category0",
        "Category0PriorFilms", "Conflict", "DiscordantBenign", "DerivedSuspicious", "UnconfirmedSuspicion",
        "KnownMalignancyOrder", Concern.IDENTICAL_DRAFTS.topic, "Benign",
    }  # fmt: skip


def test_the_exchanges_show_every_kind_of_action() -> None:
    actions = {action["type"] for card in cards() for each in card.get("suggestions", ()) for action in each["actions"]}
    assert actions == {"create", "update", "delete"}


def write() -> None:
    """Writes every answer anew."""
    answer = answerer()
    for exchange in EXCHANGES:
        (exchange / "response.json").write_text(written(answer(exchange)), encoding="utf-8")
    print(f"{len(EXCHANGES)} answers written")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.test_exchanges --write")
    write()
