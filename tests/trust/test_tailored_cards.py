"""Cards within what a client can do: whatever it cannot, nothing of the guidance is lost, nothing half is offered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from cds_service import wire
from cds_service.clients import ANYONE, Capabilities
from cds_service.core.guidance import Advice
from cds_service.pipeline import Options, ServiceDesk, World
from cds_service.tailor import tailored
from tests.conftest import PUBLIC_URL, TODAY, counted_ids
from tests.spec.hook_requests import SCREENING, draft, request, study
from tests.test_exchanges import EXCHANGES, IDS

Json = dict[str, Any]

SETS = {
    "everything": Capabilities(),
    "epic": Capabilities(
        one_action_per_suggestion=True, selection_behaviors=("any",), actions=frozenset({"create", "delete"})
    ),
    "no deletes": Capabilities(actions=frozenset({"create", "update"})),
    "no updates": Capabilities(actions=frozenset({"create", "delete"})),
    "creates only, one each": Capabilities(one_action_per_suggestion=True, actions=frozenset({"create"})),
    "deletes only": Capabilities(actions=frozenset({"delete"})),
    "links only": Capabilities(actions=frozenset(), extension={"com.example.kind": "text/markdown"}),
}


def cards(desk: ServiceDesk, service: str, body: bytes, can: Capabilities) -> list[Json]:
    options = Options(
        protocol="brochure-calcification", public_url=PUBLIC_URL, client=replace(ANYONE, capabilities=can)
    )
    world = World(today=lambda: TODAY, new_id=counted_ids())
    return desk.answer(service, desk.request(service, body), options, world).cards


def actions(card: Json) -> list[Json]:
    return [action for suggestion in card.get("suggestions", ()) for action in suggestion["actions"]]


@pytest.mark.requirement("GEN-03", "GEN-06")
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("exchange", EXCHANGES, ids=IDS)
def test_every_answer_stays_valid_and_whole(desk: ServiceDesk, exchange: Any, name: str) -> None:
    body, can = (exchange / "request.json").read_bytes(), SETS[name]
    whole = cards(desk, exchange.parent.name, body, Capabilities())
    fitted = cards(desk, exchange.parent.name, body, can)
    wire.dumped(fitted)
    assert [card["summary"] for card in fitted] == [card["summary"] for card in whole]
    for before, after in zip(whole, fitted, strict=True):
        assert {each["type"] for each in actions(after)} <= can.actions
        if can.one_action_per_suggestion:
            assert all(len(each["actions"]) == 1 for each in after.get("suggestions", ()))
        if "suggestions" in after:
            assert after["selectionBehavior"] in can.selection_behaviors
        if (
            len(actions(after)) > 1
            and len(actions(after)) > len(before["suggestions"])
            and can.one_action_per_suggestion
        ):
            assert after["selectionBehavior"] == "any"
        offered = " ".join(each["description"] for each in actions(after))
        for action in actions(before):
            assert action["description"] in offered or action["description"] in after["detail"]


def screening_while_4b_open() -> bytes:
    return orjson.dumps(request("order-select", study("4B"), drafts=[draft(code=SCREENING)]))


def test_without_deletes_the_orders_are_offered_and_the_draft_is_to_be_removed_by_hand(desk: ServiceDesk) -> None:
    (card,) = cards(desk, "breast-imaging-order-select", screening_while_4b_open(), SETS["no deletes"])
    assert {each["type"] for each in actions(card)} == {"create"}
    assert card["detail"].endswith(
        "**To be done by hand, because this system does not offer it:** Delete the draft order: screening mammogram."
    )


def test_an_order_is_never_taken_away_where_none_can_be_put_in_its_place(desk: ServiceDesk) -> None:
    (card,) = cards(desk, "breast-imaging-order-select", screening_while_4b_open(), SETS["deletes only"])
    assert "suggestions" not in card
    assert "selectionBehavior" not in card
    assert "Order: stereotactic core needle biopsy, left breast" in card["detail"]


def test_extension_members_of_the_client_stand_on_every_card(desk: ServiceDesk) -> None:
    (card,) = cards(desk, "breast-imaging-patient-view", orjson.dumps(request()), SETS["links only"])
    assert card["extension"] == {"com.example.kind": "text/markdown"}
    assert card["links"]


def test_a_draft_without_an_id_cannot_be_replaced_and_is_told_in_words(desk: ServiceDesk) -> None:
    update = {"type": "update", "description": "Set the side", "resource": {"resourceType": "ServiceRequest"}}
    card = {
        "detail": "d", "source": {"topic": {"code": "X"}}, "selectionBehavior": "at-most-one",
        "suggestions": [{"label": "l", "uuid": "u", "actions": [update]}],
    }  # fmt: skip
    client = replace(ANYONE, capabilities=SETS["no updates"])
    (fitted,) = tailored([card], [Advice(decisions=())], client, lambda: "n")
    assert fitted == {
        "detail": "d\n\n**To be done by hand, because this system does not offer it:** Set the side.",
        "source": {"topic": {"code": "X"}},
    }
