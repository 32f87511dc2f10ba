"""order-sign: orders are about to be signed. Only what should stop a signature is said; no reminders."""

from ..core.concordance import Concern
from . import Hook

HOOK = Hook(
    name="order-sign",
    required={"userId": "reference", "patientId": "id", "draftOrders": "bundle"},
    optional={"encounterId": "id"},
    drafts=lambda context: context.get("draftOrders"),
    is_about_orders=True,
    concerns=frozenset(
        {
            Concern.WRONG_BREAST,
            Concern.WRONG_KIND,
            Concern.REMOVED_BREAST,
            Concern.NOT_CALLED_FOR,
            Concern.DUPLICATE,
            Concern.IDENTICAL_DRAFTS,
        }
    ),
)
