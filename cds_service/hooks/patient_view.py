"""patient-view: a chart is opened. Every open step of the patient is shown, most severe first."""

from . import Hook

HOOK = Hook(
    name="patient-view",
    required={"userId": "reference", "patientId": "id"},
    optional={"encounterId": "id"},
)
