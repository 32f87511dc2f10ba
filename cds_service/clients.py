"""The EHR clients that may call: whom each is trusted as, where its FHIR servers are, and what it can take.

A client is one YAML file; what is common to a vendor stands in a profile that the file names and overrides. Nothing in
these files is secret: keys are public keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .core.concordance import Concern
from .core.vocabulary import Side
from .errors import ClientsError, KnowledgeError
from .fhir_elements import Json
from .knowledge import Knowledge, Raw, read_yaml, schema_problems
from .prefetch import RESOURCE_TYPES
from .terminology import Concept, Means

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "clients"
PROFILES = DEFAULT_FOLDER / "profiles"

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "ES384": ("EC", "P-384"),
    "RS384": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", None),
}
"""The signature algorithms that can be allowed, each with the `kty` and the `crv` of its keys (RFC 7518)."""

RECOMMENDED_ALGORITHMS = ("ES384", "RS384")
"""What CDS Hooks recommends, and what a client has unless its file says otherwise."""

LEAST_RSA_BITS = 2048

_ANYBODY_CAN_SIGN = ("https://sandbox.cds-hooks.org",)
"""Issuers whose private key is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a client can do with cards. The default is the whole of CDS Hooks 2.0.1."""

    one_action_per_suggestion: bool = False
    selection_behaviors: tuple[str, ...] = ("at-most-one", "any")
    """The first one is used where it fits."""
    actions: frozenset[str] = frozenset({"create", "update", "delete"})
    associated_orders: str | None = None
    """The extension member under which a card names the drafts that it is about."""
    extension: Mapping[str, str | float | bool] = field(default_factory=dict)
    """Extension members that every card carries as they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCodes:
    """A site's own orderable codes for one order of `orders.yaml`."""

    replace: bool
    """Whether they stand in the place of ours; otherwise they stand before ours."""
    codings: Mapping[Side, tuple[Json, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One EHR, or one tenant of one."""

    id: str
    name: str
    issuer: str
    """`iss` of its tokens."""
    tenants: frozenset[str] = frozenset()
    """The only values of `tenant` that are taken; empty where the claim does not matter."""
    keys: tuple[Json, ...] = ()
    """Its public keys (JWK), where they were exchanged out of band."""
    jwks_url: str | None = None
    jku: frozenset[str] = frozenset()
    """The only values of `jku` that are taken."""
    algorithms: tuple[str, ...] = RECOMMENDED_ALGORITHMS
    audiences: frozenset[str] = frozenset()
    """Further values of `aud`, beside the URL that is called."""
    max_lifetime_seconds: int = 3600
    leeway_seconds: int = 60
    """How far its clock may be off."""
    fhir_servers: tuple[str, ...] = ()
    """Base URLs, without a slash at the end, that its access tokens may be sent to."""
    fhir_without_token: bool = False
    """Whether those servers are asked without an access token, because they are open (ruling 17)."""
    protocol: str | None = None
    """The protocol it chose; None for that of the settings."""
    capabilities: Capabilities = Capabilities()
    prefetch_keys: Mapping[str, str] = field(default_factory=dict)
    """Our prefetch key to the name that the site gave it."""
    orders: Mapping[str, SiteCodes] = field(default_factory=dict)
    services_off: frozenset[str] = frozenset()
    rows_off: frozenset[str] = frozenset()
    """Topic codes whose cards are not sent."""

    def prefetch(self, sent: Mapping[str, object]) -> Mapping[str, object]:
        """A prefetch under our own keys. What already stands under one of ours stays."""
        renamed = {ours: sent[theirs] for ours, theirs in self.prefetch_keys.items() if theirs in sent}
        return {**renamed, **sent} if renamed else sent

    def introduction(self) -> str:
        """One line for the log of a start: whom we trust for what."""
        places = {self.jwks_url, *self.jku} if self.jwks_url else self.jku
        keys = f"{len(self.keys)} keys of its file" if self.keys else f"the keys at {', '.join(sorted(places))}"
        parts = [
            f"{self.id}: {self.name}",
            f"issuer {self.issuer}" + (f" (tenant {', '.join(sorted(self.tenants))})" if self.tenants else ""),
            f"{' or '.join(self.algorithms)} with {keys}",
            f"FHIR {', '.join(self.fhir_servers) or 'none'}",
        ]
        off = sorted(self.services_off) + sorted(self.rows_off)
        return "; ".join(parts + ([f"switched off: {', '.join(off)}"] if off else []))


ANYONE = Client(id="anyone", name="unauthenticated callers in development", issuer="urn:development")
"""The caller of a service that does not ask who calls."""


def trusted(
    folder: Path, knowledge: Knowledge, *, development: bool, is_authenticated: bool, development_client: str
) -> Mapping[str, Client]:
    """The clients that may call. Raises `ClientsError`, also where nobody could ever call."""
    found = load(folder, knowledge, development=development)
    if is_authenticated and not found:
        raise ClientsError(
            [
                f"no client may call: write a file for each EHR into {folder} (docs/integration/trust.md says how), or"
                " try the service out with CDS_DEVELOPMENT=true"
            ]
        )
    if development_client and development_client not in found:
        known = ", ".join(found) or "none"
        raise ClientsError([f"CDS_DEVELOPMENT_CLIENT: there is no such client; there is {known}"])
    return found


def load(folder: Path, knowledge: Knowledge, *, development: bool = False) -> Mapping[str, Client]:
    """The clients of a folder, by id. A folder without client files has none.

    Raises `ClientsError` with one line for each problem, all of them at once. Plain http and issuers whose private key
    is public are accepted in development only.
    """
    if not folder.is_dir():
        raise ClientsError([f"{folder}: there is no such folder"])
    problems = [f"{path.name}: would not be read; name it {path.stem}.yaml" for path in sorted(folder.glob("*.yml"))]
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        reader = _Reader(folder, path.name, knowledge, development)
        try:
            found[path.stem] = reader.client(path.stem)
        except KnowledgeError as error:
            problems += error.problems
        problems += reader.problems
    problems += _mistakable(list(found.values()))
    if problems:
        raise ClientsError(problems)
    return found


def _mistakable(clients: Sequence[Client]) -> Iterator[str]:
    """Clients that no token could tell apart."""
    for place, client in enumerate(clients):
        for other in clients[:place]:
            is_apart = client.tenants and other.tenants and not client.tenants & other.tenants
            if client.issuer == other.issuer and not is_apart:
                yield (
                    f"{client.id}.yaml: issuer: {other.id}.yaml has the same one; give both files `tenants` that differ"
                )


_AS_THEY_STAND = (
    "name", "issuer", "protocol", "prefetch_keys", "max_lifetime_seconds", "leeway_seconds", "fhir_without_token",
)  # fmt: skip


class _Reader:
    """Reads one client file and collects what is wrong with it."""

    def __init__(self, folder: Path, name: str, knowledge: Knowledge, development: bool) -> None:
        self.folder, self.name, self.knowledge, self.development = folder, name, knowledge, development
        self.problems: list[str] = []
        self.kinds: dict[tuple[str, str], str] = {}
        """What the codes of the site that were read so far stand for."""

    def problem(self, where: str, what: str) -> None:
        self.problems.append(f"{self.name}: {where}: {what}")

    def unknown(self, where: str, value: str, known: Iterable[str]) -> None:
        self.problem(where, f"{value!r} is not known; it can be {', '.join(sorted(known))}")

    def client(self, ident: str) -> Client:
        raw = self._raw()
        algorithms = tuple(raw.get("algorithms", RECOMMENDED_ALGORITHMS))
        off = raw.get("switched_off", {})
        given: dict[str, Any] = {name: raw[name] for name in _AS_THEY_STAND if name in raw}
        given |= {name: frozenset(raw[name]) for name in ("tenants", "jku", "audiences") if name in raw}
        client = Client(
            id=ident,
            algorithms=algorithms,
            keys=self._keys(raw.get("keys", {}), algorithms),
            jwks_url=raw.get("keys", {}).get("jwks_url"),
            fhir_servers=tuple(url.rstrip("/") for url in raw.get("fhir_servers", ())),
            capabilities=self._capabilities(raw.get("cards", {})),
            orders={order: self._site_codes(order, entry) for order, entry in raw.get("orders", {}).items()},
            services_off=frozenset(off.get("services", ())),
            rows_off=frozenset(off.get("rows", ())),
            **given,
        )
        self._check_trust(client, raw)
        self._check_names(client)
        return client

    def _raw(self) -> Raw:
        """The file on top of its profile; maps are merged one level deep, everything else is replaced."""
        raw = read_yaml(self.folder / self.name)
        if isinstance(raw, dict) and isinstance(raw.get("profile"), str):
            raw = _overlaid(self._profile(raw["profile"]), raw)
        found = schema_problems(DEFAULT_FOLDER, self.name, "client", raw)
        if found:
            raise ClientsError(found)
        content: Raw = raw
        return content

    def _profile(self, name: str) -> Raw:
        known = {path.stem: path for folder in (PROFILES, self.folder / "profiles") for path in folder.glob("*.yaml")}
        if name not in known:
            self.unknown("profile", name, known)
            return {}
        profile: Raw = read_yaml(known[name])
        return profile

    # ------------------------------------------------------------------------------
    # Trust

    def _keys(self, keys: Raw, algorithms: Sequence[str]) -> tuple[Json, ...]:
        where, key_set = "keys.jwks", keys.get("jwks")
        if "jwks_file" in keys:
            where = "keys.jwks_file"
            try:
                key_set = json.loads((self.folder / keys["jwks_file"]).read_text(encoding="utf-8"))
            except (OSError, ValueError) as problem:
                self.problem(where, f"cannot be read: {problem}")
                return ()
        if key_set is None:
            return ()
        found = key_set.get("keys") if isinstance(key_set, dict) else None
        if not isinstance(found, list) or not found or not all(isinstance(key, dict) for key in found):
            self.problem(where, "is not a JWK Set: an object with a list `keys`")
            return ()
        usable = [key for key in found if any(fits(key, algorithm) for algorithm in algorithms)]
        if not usable:
            self.problem(where, f"holds no signature key for {' or '.join(algorithms)}")
        names = [key.get("kid") for key in usable]
        for place, key in enumerate(found):
            entry = f"{where}[{key.get('kid') or place}]"
            if "d" in key or "k" in key:
                self.problem(entry, "is private or shared; whoever has read this file can sign with it, so replace it")
            elif key in usable and not key.get("kid"):
                self.problem(entry, "has no kid, by which tokens name their key")
            elif key in usable and names.count(key["kid"]) > 1:
                self.problem(entry, "the kid stands twice")
        return tuple(found)

    def _check_trust(self, client: Client, raw: Raw) -> None:
        if not raw.get("keys") and not client.jku:
            self.problem("keys", "is missing: give jwks, jwks_file or jwks_url, or register a jku")
        if self.development:
            return
        places = {"keys.jwks_url": [client.jwks_url or ""], "jku": client.jku, "fhir_servers": client.fhir_servers}
        for where, urls in places.items():
            for url in urls:
                if url.startswith("http://"):
                    self.problem(where, f"{url} is not https, which only development mode accepts")
        for issuer in _ANYBODY_CAN_SIGN:
            if any(url.startswith(issuer) for url in (client.issuer, client.jwks_url or "", *client.jku)):
                self.problem("issuer", f"the private key of {issuer} is public, so only development mode accepts it")

    # ------------------------------------------------------------------------------
    # Names of the knowledge folder

    def _check_names(self, client: Client) -> None:
        guidelines, services = self.knowledge.guidelines, self.knowledge.offering.services
        if client.protocol is not None and client.protocol not in guidelines:
            self.unknown("protocol", client.protocol, guidelines)
        for service in sorted(client.services_off - services.keys()):
            self.unknown("switched_off.services", service, services)
        topics = topic_codes(self.knowledge)
        for row in sorted(client.rows_off - topics):
            self.unknown("switched_off.rows", row, topics)
        for key in client.prefetch_keys:
            if key not in RESOURCE_TYPES:
                self.unknown("prefetch_keys", key, RESOURCE_TYPES)
        for key, theirs in client.prefetch_keys.items():
            if theirs in RESOURCE_TYPES and theirs != key:
                self.problem(f"prefetch_keys.{key}", f"{theirs!r} is one of our own keys and means something else")

    def _capabilities(self, raw: Raw) -> Capabilities:
        values: dict[str, Any] = dict(raw)
        if "actions" in raw:
            values["actions"] = frozenset(raw["actions"])
        if "selection_behaviors" in raw:
            values["selection_behaviors"] = tuple(raw["selection_behaviors"])
        capabilities = Capabilities(**values)
        if capabilities.one_action_per_suggestion and "any" not in capabilities.selection_behaviors:
            self.problem(
                "cards.selection_behaviors",
                "needs `any`, because one action per suggestion makes several of what belongs together",
            )
        return capabilities

    def _site_codes(self, order: str, raw: Raw) -> SiteCodes:
        where, templates = f"orders.{order}", self.knowledge.catalogue.templates
        if order not in templates:
            self.unknown("orders", order, templates)
        codings: dict[Side, tuple[Json, ...]] = {}
        for entry in raw["codes"]:
            coding = {name: entry[name] for name in ("system", "code", "display") if name in entry}
            for side in [Side(entry["side"])] if "side" in entry else list(Side):
                codings[side] = (*codings.get(side, ()), coding)
            known = self.knowledge.terminology.concept(entry["system"], entry["code"])
            if order in templates:
                kind = templates[order].kind.value
                meant = (
                    known.value or known.means
                    if known
                    else self.kinds.setdefault((entry["system"], entry["code"]), kind)
                )
                if meant != kind:
                    self.problem(where, f"{entry['code']} already means {meant}")
        return SiteCodes(replace=raw.get("replace", False), codings=codings)


def _overlaid(profile: Raw, own: Raw) -> Raw:
    merged = {**profile, **own}
    for key, value in profile.items():
        if isinstance(value, dict) and isinstance(own.get(key), dict) and key != "keys":
            merged[key] = {**value, **own[key]}
    return merged


def fits(key: Json, algorithm: str) -> bool:
    """Whether a JWK is one that `algorithm` verifies with: its type, its curve or length, and the use it is for."""
    kind, curve = ALGORITHMS[algorithm]
    operations = key.get("key_ops")
    return (
        key.get("kty") == kind
        and key.get("crv") == curve
        and key.get("use") in (None, "sig")
        and key.get("alg") in (None, algorithm)
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and (kind != "RSA" or (isinstance(key.get("n"), str) and len(key["n"]) * 6 >= LEAST_RSA_BITS))
    )


def topic_codes(knowledge: Knowledge) -> frozenset[str]:
    """Every topic code that a card can carry: the rows of all protocols, and what can be the matter with an order."""
    rows = {
        row.id
        for guideline in knowledge.guidelines.values()
        for row in (*guideline.protocol.decisions, *guideline.protocol.checks)
    }
    return frozenset(rows | {concern.topic for concern in Concern})


def knowledge_of(client: Client, knowledge: Knowledge) -> Knowledge:
    """The knowledge with the client's own order codes: suggested in its orders, and recognised in what it sends."""
    if not client.orders:
        return knowledge
    templates = dict(knowledge.catalogue.templates)
    concepts: list[Concept] = []
    for order, site in client.orders.items():
        template = templates[order]
        codings = {
            side: list(own) if site.replace and own else [*own, *ours]
            for side, ours in template.codings.items()
            for own in [site.codings.get(side, ())]
        }
        templates[order] = replace(template, codings=codings)
        concepts += _concepts(template.kind.value, site)
    return replace(
        knowledge,
        catalogue=replace(knowledge.catalogue, templates=templates),
        terminology=knowledge.terminology.extended(concepts),
    )


def _concepts(kind: str, site: SiteCodes) -> Iterator[Concept]:
    """What the site's codes mean. A code for more than one side tells none."""
    sides: dict[tuple[str, str], list[Side]] = {}
    shown: dict[tuple[str, str], str] = {}
    for side, codings in site.codings.items():
        for coding in codings:
            key = (coding["system"], coding["code"])
            sides.setdefault(key, []).append(side)
            shown[key] = coding.get("display", "")
    for (system, code), meant in sides.items():
        yield Concept(
            Means.ORDER, kind, meant[0] if len(meant) == 1 else Side.UNSTATED, code, system, shown[system, code]
        )
