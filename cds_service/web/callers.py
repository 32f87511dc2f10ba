"""Who calls: the client of the request at hand, and the options that go with it."""

from __future__ import annotations

import logging
from dataclasses import replace

from flask import request

from .. import clients
from ..auth import Authenticator, FirstUse, NotAuthenticated
from ..clients import ANYONE, Client
from ..errors import Busy, Forbidden
from ..fhir_client import FhirAccess
from ..knowledge import Knowledge
from ..pipeline import Options
from ..settings import Settings
from ..store import StoreDown
from . import limits, observed

_log = logging.getLogger("cds_service")


class Callers:
    """Everybody who may call, each with the options of a call."""

    def __init__(self, settings: Settings, knowledge: Knowledge, options: Options, first_use: FirstUse) -> None:
        """`options` are those of a client that chose nothing. Raises `ClientsError`."""
        known = settings.trusted_clients(knowledge)
        self._public_url = settings.public_url
        self._authenticator = Authenticator(known.values(), first_use=first_use) if settings.is_authenticated else None
        self._unauthenticated = known.get(settings.development_client, ANYONE)
        self._options = {
            client.id: replace(
                options,
                client=client,
                protocol=client.protocol or options.protocol,
                knowledge=clients.knowledge_of(client, knowledge),
                fhir=FhirAccess(
                    servers=client.fhir_servers, allow_http=settings.development, is_open=client.fhir_without_token
                ),
            )
            for client in known.values()
        }
        self._options[ANYONE.id] = options

    def client(self) -> Client:
        """The client that sent the request at hand. Raises `NotAuthenticated`, or `Busy` where that cannot be told."""
        if self._authenticator is None:
            return self._unauthenticated
        try:
            return self._authenticator.authenticate(
                request.headers.get("Authorization"), f"{self._public_url}{request.path}"
            )
        except NotAuthenticated as refused:
            who = refused.client.id if refused.client else "unknown"
            _log.warning(
                "a call was refused at step %d (%s), client %s: %s",
                refused.step, refused.step.name.lower(), who, refused.reason,
            )  # fmt: skip
            raise
        except StoreDown:
            raise Busy("It could not be told whether the token was used before, so the call is refused.") from None

    def options(self, service_id: str) -> Options:
        """The options of a call of that service. Raises `Forbidden` where it is switched off for the client."""
        client = self.client()
        observed.call().client = client.id
        limits.within_rate()
        if service_id in client.services_off:
            raise Forbidden
        return self._options[client.id]
