"""Cards as one client can take them: actions that it does not offer are said in words instead of being lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .clients import Capabilities, Client
from .core.guidance import Advice
from .fhir_elements import Json


def tailored(cards: Iterable[Json], advice: Iterable[Advice], client: Client, new_id: Callable[[], str]) -> list[Json]:
    """The cards that the client wants, within what it can do. `advice` is what the cards say, in the same order."""
    return [
        _tailored(card, each, client.capabilities, new_id)
        for card, each in zip(cards, advice, strict=True)
        if card["source"]["topic"]["code"] not in client.rows_off
    ]


def _tailored(card: Json, advice: Advice, can: Capabilities, new_id: Callable[[], str]) -> Json:
    fitted = {key: value for key, value in card.items() if key not in ("suggestions", "selectionBehavior")}
    by_hand: dict[str, None] = {}
    suggestions = [each for one in card.get("suggestions", ()) if (each := _feasible(one, can, by_hand))]
    offers = len(suggestions)
    if can.one_action_per_suggestion:
        suggestions = _one_action_each(suggestions, new_id)
    if by_hand:
        fitted["detail"] += f"\n\n**To be done by hand, because this system does not offer it:** {'; '.join(by_hand)}."
    if suggestions:
        fitted["suggestions"] = suggestions
        fitted["selectionBehavior"] = "any" if len(suggestions) > offers else can.selection_behaviors[0]
    extension: Json = dict(can.extension)
    if can.associated_orders and (about := _associated(advice)):
        extension[can.associated_orders] = about
    if extension:
        fitted["extension"] = extension
    return fitted


def _associated(advice: Advice) -> list[str]:
    return [draft.reference for draft in advice.objection.drafts] if advice.objection else []


def _feasible(suggestion: Json, can: Capabilities, by_hand: dict[str, None]) -> Json | None:
    """The suggestion without what the client does not offer. Where that is the very order, nothing is left: a delete
    alone would take an order away and put none in its place."""
    actions: list[Json] = []
    for action in suggestion["actions"]:
        kinds = [action]
        if action["type"] == "update" and "update" not in can.actions and (again := _replacement(action)):
            kinds = again
        if all(each["type"] in can.actions for each in kinds):
            actions += kinds
            continue
        by_hand[action["description"]] = None
        if action["type"] != "delete":
            by_hand.update(dict.fromkeys(each["description"] for each in suggestion["actions"]))
            return None
    return {**suggestion, "actions": actions} if actions else None


def _replacement(update: Json) -> list[Json]:
    """A delete and a create that come to the same as an update; nothing for a draft that has no id to delete it by."""
    resource = update["resource"]
    if not resource.get("id"):
        return []
    return [
        {
            "type": "delete",
            "description": "Delete the draft order, which the new one replaces",
            "resourceId": f"{resource['resourceType']}/{resource['id']}",
        },
        {
            "type": "create",
            "description": f"{update['description']} (as a new order)",
            "resource": {name: value for name, value in resource.items() if name not in ("id", "meta")},
        },
    ]


def _one_action_each(suggestions: Sequence[Json], new_id: Callable[[], str]) -> list[Json]:
    """Every action as a suggestion of its own: the orders, saying which belong together; then what to delete, once and
    last, because who takes only that is left without an order. The first order of a recommended suggestion stays
    recommended."""
    deletes: dict[str, Json] = {}
    orders: list[Json] = []
    for suggestion in suggestions:
        own = [action for action in suggestion["actions"] if action["type"] != "delete"]
        deletes |= {each["resourceId"]: each for each in suggestion["actions"] if each["type"] == "delete"}
        for number, action in enumerate(own, 1):
            description = action["description"]
            if len(own) > 1:
                description += f" ({number} of {len(own)} that belong together)"
            kept = suggestion if number == 1 else {"label": suggestion["label"], "uuid": new_id()}
            orders.append({**kept, "actions": [{**action, "description": description}]})
    removed = [{"label": each["description"], "uuid": new_id(), "actions": [each]} for each in deletes.values()]
    return orders + removed
