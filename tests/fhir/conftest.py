"""A patient whose record is put together resource by resource.

This folder is no package on purpose: as `fhir` it would stand in front of fhir.resources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cds_service.pipeline import Answer, ServiceDesk
from cds_service.synthetic import charts
from tests.case_charts import HOOK_INSTANCE, Asker

PATIENT = {"resourceType": "Patient", "id": "case", "gender": "female", "birthDate": "1966-01-01"}


@pytest.fixture(scope="session")
def ask_with(desk: ServiceDesk) -> Callable[..., Answer]:
    """Opens the chart of a patient with these resources; `prefetch` replaces whole keys."""
    ask = Asker(desk)

    def asked(*resources: dict[str, Any], **prefetch: Any) -> Answer:
        request = charts.hook_request([PATIENT, *resources], "patient-view", hook_instance=HOOK_INSTANCE)
        request["prefetch"] |= prefetch
        return ask(request)

    return asked
