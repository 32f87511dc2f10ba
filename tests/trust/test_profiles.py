"""Golden answers of the same situations to the client of each profile: what Epic gets is not what the sandbox gets.

`python -m tests.trust.test_profiles --write` writes them anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.clients import Client, load
from cds_service.knowledge import load as load_knowledge
from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests import vignettes
from tests.conftest import PUBLIC_URL, TODAY, counted_ids
from tests.test_exchanges import FOLDER as EXCHANGES
from tests.test_exchanges import read, written
from tests.trust.test_client_files import SAMPLES, VENDORS

Json = dict[str, Any]

SITUATIONS = (
    "breast-imaging-order-select/screening-chosen-while-4b-open",
    "breast-imaging-order-select/missing-side",
    "breast-imaging-patient-view/open-4b",
)
BOTH = [(vendor, situation) for vendor in VENDORS for situation in SITUATIONS]


@cache
def clients() -> dict[str, Client]:
    return dict(load(SAMPLES, load_knowledge(), development=True))


def asked(vendor: str, situation: str) -> Json:
    """The request of an exchange, its prefetch under the names of the site."""
    request: Json = read(EXCHANGES / situation / "request.json")
    names = clients()[vendor].prefetch_keys
    request["prefetch"] = {names.get(key, key): value for key, value in request["prefetch"].items()}
    return request


def answered(vendor: str, situation: str) -> Json:
    """The answer to the client of a vendor, or the refusal."""
    settings = Settings(
        public_url=PUBLIC_URL, database_url="sqlite://", development=True, development_client=vendor, clients=SAMPLES
    )
    service = create_app(settings, World(today=lambda: TODAY, new_id=counted_ids())).test_client()
    answer = service.post(f"/cds-services/{situation.partition('/')[0]}", json=asked(vendor, situation))
    content: Json = answer.get_json()
    return content


def golden(vendor: str, situation: str) -> Path:
    return SAMPLES / vendor / f"{situation.rpartition('/')[2]}.json"


def cards(vendor: str, situation: str) -> list[Json]:
    found: list[Json] = read(golden(vendor, situation))["cards"]
    return found


@pytest.mark.parametrize(("vendor", "situation"), BOTH)
def test_the_answer_is_the_golden_one(vendor: str, situation: str) -> None:
    assert answered(vendor, situation) == read(golden(vendor, situation))


@pytest.mark.parametrize(("vendor", "situation"), BOTH)
def test_the_golden_answer_keeps_the_rules_for_every_answer(vendor: str, situation: str) -> None:
    answer = read(golden(vendor, situation))
    status = 200 if "cards" in answer else 403
    body, request = json.dumps(answer).encode(), asked(vendor, situation)
    problems = vignettes.Runner("", {}, 1).judge({"status": status}, status, "application/json", body, request)
    # The one rule that a client's capabilities change: Epic knows no other selectionBehavior.
    assert problems == (["card 1: selectionBehavior is 'any', not at-most-one"] if vendor == "epic" else [])


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_sandbox_gets_what_cds_hooks_describes(situation: str) -> None:
    assert read(golden("cds-hooks-sandbox", situation)) == read(EXCHANGES / situation / "response.json")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_epic_gets_one_action_per_suggestion_no_update_and_selection_any(situation: str) -> None:
    for card in cards("epic", situation):
        assert card["selectionBehavior"] == "any"
        assert [len(each["actions"]) for each in card["suggestions"]] == [1] * len(card["suggestions"])
        assert {each["actions"][0]["type"] for each in card["suggestions"]} <= {"create", "delete"}
        assert sum(each.get("isRecommended", False) for each in card["suggestions"]) <= 1


def test_for_epic_a_draft_is_deleted_once_though_two_biopsies_are_offered_in_its_place() -> None:
    (card,) = cards("epic", SITUATIONS[0])
    actions = [each["actions"][0] for each in card["suggestions"]]
    assert [each["type"] for each in actions] == ["create", "create", "create", "delete"]
    assert [each["description"].rpartition(" (")[2] for each in actions[1:3]] == [
        "1 of 2 that belong together)", "2 of 2 that belong together)",
    ]  # fmt: skip


def test_for_epic_a_change_of_a_draft_is_a_delete_and_a_new_order_that_is_whole() -> None:
    (card,) = cards("epic", SITUATIONS[1])
    created, removed = (each["actions"][0] for each in card["suggestions"])
    (update,) = read(EXCHANGES / SITUATIONS[1] / "response.json")["cards"][0]["suggestions"][0]["actions"]
    assert removed["resourceId"] == f"ServiceRequest/{update['resource']['id']}"
    assert created["resource"] == {name: value for name, value in update["resource"].items() if name != "id"}


def test_epic_orders_by_the_code_of_the_preference_list() -> None:
    (card,) = cards("epic", SITUATIONS[2])
    codes = [each["actions"][0]["resource"]["code"]["coding"] for each in card["suggestions"]]
    assert [each["code"] for each in codes[0]] == ["BIC-STEREO-L"]


def test_oracle_health_is_served_at_chart_open_only() -> None:
    assert cards("oracle-health", SITUATIONS[2]) == read(EXCHANGES / SITUATIONS[2] / "response.json")["cards"]
    assert read(golden("oracle-health", SITUATIONS[0]))["issue"][0]["code"] == "forbidden"


def test_da_vinci_is_told_which_order_a_card_is_about() -> None:
    assert [card["extension"] for card in cards("da-vinci-request-generator", SITUATIONS[0])] == [
        {"davinci-crd.associated-resource": ["ServiceRequest/draft-1"]}
    ]
    assert "extension" not in cards("da-vinci-request-generator", SITUATIONS[2])[0]


def write() -> None:
    """Writes every answer anew."""
    for vendor, situation in BOTH:
        golden(vendor, situation).parent.mkdir(exist_ok=True)
        golden(vendor, situation).write_text(written(answered(vendor, situation)), encoding="utf-8")
    print(f"{len(BOTH)} answers written")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.trust.test_profiles --write")
    write()
