"""The settings of a running service: read once from one table of names, checked together, passed on, never imported."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .clients import DEFAULT_FOLDER as CLIENTS_FOLDER
from .clients import Client, trusted
from .fhir_client import FhirAccess
from .knowledge import DEFAULT_FOLDER, Knowledge

DEFAULT_STATE = Path("var")


class SettingsError(Exception):
    """Settings that cannot be used. One line for each problem, naming the variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `docs/operations.md` lists the variables; a test keeps that list complete."""

    public_url: str = "http://127.0.0.1:8080"
    """Where clients and people reach the service from outside, without a slash at the end."""
    cards: Path = DEFAULT_FOLDER
    """The knowledge folder."""
    protocol: str = "brochure-calcification"
    """The protocol of clients that do not choose their own."""
    database_url: str = f"sqlite:///{DEFAULT_STATE / 'cds-service.sqlite'}"
    """SQLAlchemy URL of the store."""
    spool: Path | None = None
    """Folder for records that the database could not take yet; by default beside the SQLite file, or var/spool."""
    spool_bytes: int = 100_000_000
    """The most that the spool may hold, for all workers of a host together."""
    development: bool = False
    """Trial mode: no caller authentication unless it is asked for. Loopback only."""
    beside_unrelated_orders: bool = True
    """An open 4 or 5 is brought up although the orders have nothing to do with the breast."""
    max_body_bytes: int = 4_000_000
    """The largest request body that is accepted."""
    max_concurrent_calls: int = 16
    """Calls that one worker answers at the same time; more are refused with 503."""
    calls_per_second: int = 500
    """Calls that one worker takes from one client in the long run, twice as many at once; more are refused with 429."""
    allowed_origins: tuple[str, ...] = ()
    """Browser origins that may call (CORS). Where none is given, development allows any, production none."""
    clients: Path = CLIENTS_FOLDER
    """The folder with one file for each EHR client that may call."""
    authenticate: bool = False
    """Callers need a token in development too. Outside development they always do."""
    development_client: str = ""
    """The client that callers without a token are taken for, in development."""
    open_discovery: bool = True
    """Discovery is answered to everybody. It holds nothing but what the documentation says."""
    pages: bool = True
    """Whether the pages for people are served."""
    traces_endpoint: str = ""
    """OTLP address (http/protobuf) to which a trace of each call is sent. Without it there are none."""
    fhir_servers: tuple[str, ...] = ()
    """Base addresses of the FHIR servers from which missing data is fetched; https, in development also http on
    loopback."""
    fhir_open: bool = False
    """Those servers answer without an access token, such as a public test server."""
    fhir_budget_seconds: float = 2.5
    """How long a call may wait for a FHIR server altogether."""
    fhir_ca_file: Path | None = None
    """Certificates (PEM) that FHIR servers are verified with, in place of the public ones."""
    playground_fhir_server: str = ""
    """Base address of an open FHIR server that holds the patients of the playground, which are otherwise kept in the
    page; https, in development also http on loopback."""
    insights_password_hash: str = ""
    """Opens the insights page to those who know the password (`cds-service hash-password`). Without it they are off."""
    session_secret: str = ""
    """Signs the cookie of those who signed in; the same for all workers and hosts, at least 32 characters."""

    @property
    def is_authenticated(self) -> bool:
        """Whether callers need a token."""
        return self.authenticate or not self.development

    def trusted_clients(self, knowledge: Knowledge) -> Mapping[str, Client]:
        """The clients by their id. Raises `ClientsError`."""
        return trusted(
            self.clients,
            knowledge,
            development=self.development,
            is_authenticated=self.is_authenticated,
            development_client=self.development_client,
        )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of the environment; whatever is not set keeps its default.

        Raises `SettingsError` with every problem at once.
        """
        problems: list[str] = []
        values: dict[str, Any] = {}
        for field in fields(cls):
            variable = VARIABLES[field.name]
            raw = environ.get(variable)
            if raw is None or raw.strip() == "":
                continue
            try:
                values[field.name] = _PARSERS[field.name](raw.strip())
            except ValueError as problem:
                problems.append(f"{variable}: {problem}")
        unknown = sorted(name for name in environ if name.startswith("CDS_") and name not in VARIABLES.values())
        problems += [f"{name}: there is no such setting" for name in unknown]
        server = values.get("playground_fhir_server")
        if server and not FhirAccess(servers=(server,), allow_http=values.get("development", False)).base(server):
            problems.append(
                f"{VARIABLES['playground_fhir_server']}: has to be a base address with https, or in development with "
                "http on loopback"
            )
        if values.get("insights_password_hash") and not values.get("session_secret"):
            problems.append(f"{VARIABLES['session_secret']}: is needed where there is a password for insights")
        if values.get("fhir_servers") and not values.get("development"):
            problems.append(f"{VARIABLES['fhir_servers']}: is for development; otherwise they stand in client files")
        if problems:
            raise SettingsError(problems)
        return cls(**values)


def _flag(raw: str) -> bool:
    try:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
    except KeyError:
        raise ValueError("has to be true or false") from None


def _count(raw: str) -> int:
    if not raw.isdigit() or int(raw) == 0:
        raise ValueError("has to be a whole number above 0")
    return int(raw)


def _seconds(raw: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", raw) or float(raw) == 0:
        raise ValueError("has to be a number of seconds above 0")
    return float(raw)


def _certificates(raw: str) -> Path:
    if not Path(raw).is_file():
        raise ValueError("there is no such file")
    try:
        ssl.create_default_context(cafile=raw)
    except OSError:
        raise ValueError("holds no certificates in PEM form") from None
    return Path(raw)


def _url(raw: str) -> str:
    if not raw.startswith(("http://", "https://")) or " " in raw:
        raise ValueError("has to be an absolute http or https URL")
    return raw.rstrip("/")


def _urls(raw: str) -> tuple[str, ...]:
    return tuple(map(_url, _words(raw)))


def _words(raw: str) -> tuple[str, ...]:
    return tuple(word.strip().rstrip("/") for word in raw.split(",") if word.strip())


def _password_hash(raw: str) -> str:
    if not raw.startswith("scrypt:") or raw.count("$") != 2:
        raise ValueError("has to be what `cds-service hash-password` prints; quote it, because it holds $ signs")
    return raw


def _secret(raw: str) -> str:
    if len(raw) < 32:
        raise ValueError("has to be at least 32 characters long")
    return raw


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "public_url": _url,
    "cards": Path,
    "protocol": str,
    "database_url": str,
    "spool": Path,
    "spool_bytes": _count,
    "development": _flag,
    "beside_unrelated_orders": _flag,
    "max_body_bytes": _count,
    "max_concurrent_calls": _count,
    "calls_per_second": _count,
    "allowed_origins": _words,
    "clients": Path,
    "authenticate": _flag,
    "development_client": str,
    "open_discovery": _flag,
    "pages": _flag,
    "traces_endpoint": _url,
    "fhir_servers": _urls,
    "fhir_open": _flag,
    "fhir_budget_seconds": _seconds,
    "fhir_ca_file": _certificates,
    "playground_fhir_server": _url,
    "insights_password_hash": _password_hash,
    "session_secret": _secret,
}
VARIABLES: Mapping[str, str] = {field.name: f"CDS_{field.name.upper()}" for field in fields(Settings)}
"""The environment variable of each setting."""
