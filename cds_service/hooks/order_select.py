"""order-select: an order is selected. Guidance is about the selected orders; the others are background."""

from __future__ import annotations

from ..core.concordance import Concern
from . import Hook, Json


def _selected(context: Json) -> list[str] | None:
    """The selected references; None, which means all drafts, where a client sends none (as DSTU2-era ones do)."""
    selections = context.get("selections")
    if isinstance(selections, str):
        selections = [selections]
    found = [each for each in selections if isinstance(each, str)] if isinstance(selections, list) else []
    return found or None


HOOK = Hook(
    name="order-select",
    required={"userId": "reference", "patientId": "id", "draftOrders": "bundle"},
    optional={"encounterId": "id", "selections": "references"},
    drafts=lambda context: context.get("draftOrders"),
    selected=_selected,
    is_about_orders=True,
    concerns=frozenset(Concern) - {Concern.IDENTICAL_DRAFTS},
)
