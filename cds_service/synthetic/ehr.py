"""The FHIR server behind the playground, where the operator has named one. Nothing else in the service writes to a FHIR
server, and nothing but invented patients and their orders is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
import requests

from ..errors import NotPutOnServer
from ..fhir_elements import Json, name


@dataclass(frozen=True, slots=True, kw_only=True)
class Ehr:
    """A FHIR R4 server that takes transactions without an access token."""

    base: str
    """Its base address, without a slash at the end."""
    seconds: float
    """How long it may keep a transaction waiting."""
    ca_file: Path | None = None

    def put(self, resources: Iterable[Json], gone: Iterable[str] = ()) -> None:
        """Stores resources under their own ids and deletes those referred to, all or none.

        Raises `NotPutOnServer`, which says why in words.
        """
        entries = [{"resource": each, "request": {"method": "PUT", "url": name(each)}} for each in resources]
        entries += [{"request": {"method": "DELETE", "url": each}} for each in gone]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        try:
            with requests.Session() as session:
                session.trust_env = False
                status = session.post(
                    self.base,
                    data=orjson.dumps(bundle),
                    headers=headers,
                    timeout=self.seconds,
                    verify=str(self.ca_file) if self.ca_file else True,
                    allow_redirects=False,
                ).status_code
        except requests.Timeout:
            raise NotPutOnServer("The FHIR server of the playground did not answer in time.") from None
        except requests.RequestException:
            raise NotPutOnServer("The FHIR server of the playground cannot be reached.") from None
        if status != 200:
            raise NotPutOnServer(f"The FHIR server of the playground did not take the invented patient ({status}).")
