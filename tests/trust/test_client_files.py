"""Client files: what they say, what a profile gives them, and what the checker says of a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_service.clients import DEFAULT_FOLDER, PROFILES, Client, load
from cds_service.core.vocabulary import Side
from cds_service.errors import ClientsError
from cds_service.knowledge import Knowledge, read_yaml
from tests.conftest import FIXTURES
from tests.trust.ehr import KEYS

SAMPLES = FIXTURES / "clients"
VENDORS = sorted(path.stem for path in PROFILES.glob("*.yaml"))
GOOD: dict[str, Any] = {
    "name": "St. Elsewhere",
    "issuer": "https://fhir.st-elsewhere.example",
    "keys": {"jwks_url": "https://fhir.st-elsewhere.example/jwks.json"},
}
Loads = Callable[..., Client]


def key_set(*keys: object) -> dict[str, Any]:
    return {"jwks": {"keys": list(keys)}}


@pytest.fixture
def loaded(tmp_path: Path, knowledge: Knowledge) -> Loads:
    """The client of a file with these members; those given as None are left out."""

    def of(development: bool = False, **members: Any) -> Client:
        content = {name: value for name, value in (GOOD | members).items() if value is not None}
        (tmp_path / "st-elsewhere.yaml").write_text(json.dumps(content))
        return load(tmp_path, knowledge, development=development)["st-elsewhere"]

    return of


# --------------------------------------------------------------------------------------
# What a file says


def test_little_is_needed_and_the_rest_is_the_recommended(loaded: Loads) -> None:
    client = loaded()
    assert client.id == "st-elsewhere"
    assert client.jwks_url == "https://fhir.st-elsewhere.example/jwks.json"
    assert client.algorithms == ("ES384", "RS384")
    assert (client.max_lifetime_seconds, client.leeway_seconds) == (3600, 60)
    assert (client.fhir_servers, client.fhir_without_token) == ((), False)
    assert client.capabilities.actions == {"create", "update", "delete"}
    assert client.capabilities.selection_behaviors == ("at-most-one", "any")


def test_fhir_servers_end_without_a_slash(loaded: Loads) -> None:
    assert loaded(fhir_servers=["https://fhir.example/r4/"]).fhir_servers == ("https://fhir.example/r4",)


@pytest.mark.requirement("SEC-08")
def test_keys_may_stand_in_the_file_or_in_one_beside_it(loaded: Loads, tmp_path: Path) -> None:
    assert loaded(keys=key_set(KEYS[0])).keys == (KEYS[0],)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": KEYS}))
    assert loaded(keys={"jwks_file": "keys.json"}).keys == KEYS


def test_a_code_of_the_site_may_hold_for_one_side_or_for_all(loaded: Loads) -> None:
    codes = [{"system": "urn:oid:1.2", "code": "L", "side": "left"}, {"system": "urn:oid:1.2", "code": "A"}]
    codings = loaded(orders={"ultrasound": {"codes": codes}}).orders["ultrasound"].codings
    assert [each["code"] for each in codings[Side.LEFT]] == ["L", "A"]
    assert [each["code"] for each in codings[Side.RIGHT]] == ["A"]


def test_the_introduction_says_whom_we_trust_for_what(loaded: Loads) -> None:
    client = loaded(fhir_servers=["https://fhir.example/r4"], switched_off={"rows": ["Category4"]}, tenants=["north"])
    assert client.introduction() == (
        "st-elsewhere: St. Elsewhere; issuer https://fhir.st-elsewhere.example (tenant north); ES384 or RS384 with the "
        "keys at https://fhir.st-elsewhere.example/jwks.json; FHIR https://fhir.example/r4; switched off: Category4"
    )


# --------------------------------------------------------------------------------------
# Profiles


def test_there_are_profiles_for_the_clients_that_are_documented() -> None:
    pages = {path.stem for path in (DEFAULT_FOLDER.parent / "docs" / "integration").glob("*.md")}
    assert VENDORS == ["cds-hooks-sandbox", "da-vinci-request-generator", "epic", "oracle-health"]
    assert set(VENDORS) | {"trust"} <= pages


def test_a_file_needs_little_beside_its_profile(knowledge: Knowledge) -> None:
    found = load(SAMPLES, knowledge, development=True)
    assert sorted(found) == VENDORS
    assert found["epic"].capabilities.one_action_per_suggestion
    assert found["epic"].capabilities.selection_behaviors == ("any",)
    assert found["da-vinci-request-generator"].algorithms == ("RS256",)
    assert "breast-imaging-order-sign" in found["oracle-health"].services_off


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_sample_of_a_documentation_page_is_the_one_that_is_tested(vendor: str) -> None:
    page = (DEFAULT_FOLDER.parent / "docs" / "integration" / f"{vendor}.md").read_text()
    assert f"```yaml\n{(SAMPLES / f'{vendor}.yaml').read_text()}```" in page


def test_a_file_overrides_its_profile_member_by_member(loaded: Loads) -> None:
    client = loaded(profile="epic", cards={"actions": ["create"]}, algorithms=["ES384"])
    assert client.capabilities.actions == {"create"}
    assert client.capabilities.one_action_per_suggestion
    assert client.algorithms == ("ES384",)


def test_a_folder_may_bring_a_profile_of_its_own(loaded: Loads, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "our-vendor.yaml").write_text("max_lifetime_seconds: 900\n")
    assert loaded(profile="our-vendor").max_lifetime_seconds == 900


# --------------------------------------------------------------------------------------
# Mistakes


PRIVATE = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True) | {"kid": "k"}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "the file: 'name' is a required property"),
    ({"issuer": None}, "the file: 'issuer' is a required property"),
    ({"isuer": "x"}, "the file: Additional properties are not allowed ('isuer' was unexpected)"),
    ({"issuer": "st-elsewhere"}, "issuer: 'st-elsewhere' does not match"),
    ({"profile": "epik"}, "profile: 'epik' is not known; it can be cds-hooks-sandbox, da-vinci-request-generator,"),
    ({"algorithms": ["HS256"]}, "algorithms[0]: 'HS256' is not one of"),
    ({"algorithms": ["none"]}, "algorithms[0]: 'none' is not one of"),
    ({"algorithms": []}, "algorithms: [] should be non-empty"),
    ({"keys": None}, "keys: is missing: give jwks, jwks_file or jwks_url, or register a jku"),
    ({"keys": {"jwks_url": "https://k.example/j", "jwks_file": "x"}}, "keys: "),
    ({"keys": {"jwks_url": "http://k.example/j"}}, "keys.jwks_url: http://k.example/j is not https, which only"),
    ({"keys": {"jwks_url": "https://user@k.example/j"}}, "keys.jwks_url: "),
    ({"keys": {"jwks_file": "absent.json"}}, "keys.jwks_file: cannot be read: "),
    ({"keys": key_set(PRIVATE)}, "keys.jwks[k]: is private or shared; whoever has read this file can sign"),
    ({"keys": key_set(KEYS[0], {"kty": "oct", "k": "AA", "kid": "s"})}, "keys.jwks[s]: is private or shared"),
    ({"keys": key_set(KEYS[1])}, "keys.jwks: holds no signature key for ES384 or RS384"),
    ({"keys": key_set(KEYS[0], KEYS[0])}, "keys.jwks[es384]: the kid stands twice"),
    ({"keys": key_set({**KEYS[0], "kid": ""})}, "keys.jwks[0]: has no kid, by which tokens name their key"),
    ({"jku": ["http://k.example/j"]}, "jku: http://k.example/j is not https"),
    ({"fhir_servers": ["http://fhir.example"]}, "fhir_servers: http://fhir.example is not https"),
    ({"fhir_servers": ["ftp://fhir.example"]}, "fhir_servers[0]: 'ftp://fhir.example' does not match"),
    ({"fhir_servers": ["https://fhir.example/r4?x=1"]}, "fhir_servers[0]: "),
    ({"max_lifetime_seconds": 90000}, "max_lifetime_seconds: 90000 is greater than the maximum of 86400"),
    ({"leeway_seconds": -1}, "leeway_seconds: -1 is less than the minimum of 0"),
    ({"protocol": "acr"}, "protocol: 'acr' is not known; it can be acr-surveillance, brochure-calcification"),
    ({"switched_off": {"services": ["order-sign"]}}, "switched_off.services: 'order-sign' is not known; it can be "),
    ({"switched_off": {"rows": ["Categry4"]}}, "switched_off.rows: 'Categry4' is not known; it can be "),
    ({"prefetch_keys": {"report": "x"}}, "prefetch_keys: 'report' is not known; it can be appointments, conditions, "),
    ({"prefetch_keys": {"reports": "orders"}}, "prefetch_keys.reports: 'orders' is one of our own keys and means"),
    ({"cards": {"one_action_per_suggestion": True, "selection_behaviors": ["at-most-one"]}},
     "cards.selection_behaviors: needs `any`, because one action per suggestion makes several"),
    ({"cards": {"selection_behaviors": ["all"]}}, "cards.selection_behaviors[0]: 'all' is not one of"),
    ({"orders": {"biopsy": {"codes": [{"system": "urn:x", "code": "1"}]}}}, "orders: 'biopsy' is not known; it can be"),
    ({"orders": {"ultrasound": {"codes": []}}}, "orders.ultrasound.codes: [] should be non-empty"),
    ({"orders": {"ultrasound": {"codes": [{"system": "http://loinc.org", "code": "24605-8"}]}}},
     "orders.ultrasound: 24605-8 already means diagnostic-mammogram"),
    ({"orders": {each: {"codes": [{"system": "urn:x", "code": "1"}]} for each in ("ultrasound", "mri")}},
     "orders.mri: 1 already means ultrasound"),
    ({"issuer": "https://sandbox.cds-hooks.org"}, "issuer: the private key of https://sandbox.cds-hooks.org is public"),
    ({"jku": ["https://sandbox.cds-hooks.org/.well-known/jwks.json"]}, "issuer: the private key of https://sandbox"),
]  # fmt: skip


@pytest.mark.requirement("SEC-04", "SEC-06", "REQ-03")
@pytest.mark.parametrize(("members", "problem"), MISTAKES, ids=[problem[:50] for _, problem in MISTAKES])
def test_a_mistake_is_told_with_its_file_and_field(loaded: Loads, members: dict[str, Any], problem: str) -> None:
    with pytest.raises(ClientsError) as error:
        loaded(**members)
    assert any(each.startswith(f"st-elsewhere.yaml: {problem}") for each in error.value.problems), error.value.problems


def test_all_mistakes_are_told_at_once(loaded: Loads) -> None:
    with pytest.raises(ClientsError) as error:
        loaded(protocol="acr", fhir_servers=["http://fhir.example"], switched_off={"rows": ["X"]})
    assert len(error.value.problems) == 3


def test_what_is_not_yaml_is_told_with_its_line(tmp_path: Path, knowledge: Knowledge) -> None:
    (tmp_path / "odd.yaml").write_text("name: x\nname: y\n")
    with pytest.raises(ClientsError, match=r"odd.yaml: is not YAML: the key 'name' stands twice .* line 2"):
        load(tmp_path, knowledge)


@pytest.mark.parametrize(("tenants", "others"), [([], []), (["a"], []), (["a", "b"], ["b"])])
def test_two_clients_that_no_token_tells_apart_are_a_mistake(
    loaded: Loads, tmp_path: Path, tenants: list[str], others: list[str]
) -> None:
    (tmp_path / "north.yaml").write_text(json.dumps(GOOD | {"tenants": others}))
    with pytest.raises(ClientsError, match=r"st-elsewhere.yaml: issuer: north.yaml has the same one"):
        loaded(tenants=tenants)


def test_two_tenants_of_one_issuer_are_two_clients(loaded: Loads, tmp_path: Path) -> None:
    (tmp_path / "north.yaml").write_text(json.dumps(GOOD | {"tenants": ["a"]}))
    assert loaded(tenants=["b"]).tenants == {"b"}


def test_development_accepts_plain_http_and_the_sandbox(loaded: Loads) -> None:
    assert loaded(development=True, fhir_servers=["http://127.0.0.1:8080"]).fhir_servers == ("http://127.0.0.1:8080",)
    assert loaded(development=True, profile="cds-hooks-sandbox", issuer="https://sandbox.cds-hooks.org", keys=None)


def test_a_file_that_would_not_be_read_is_a_mistake(tmp_path: Path, knowledge: Knowledge) -> None:
    (tmp_path / "north.yml").write_text(json.dumps(GOOD))
    with pytest.raises(ClientsError, match=r"north.yml: would not be read; name it north.yaml"):
        load(tmp_path, knowledge)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, knowledge: Knowledge) -> None:
    with pytest.raises(ClientsError, match="nowhere: there is no such folder"):
        load(tmp_path / "nowhere", knowledge)


def test_every_profile_is_a_part_of_a_client_file() -> None:
    members = json.loads((DEFAULT_FOLDER / "_schema" / "client.json").read_text())["properties"]
    for vendor in VENDORS:
        assert set(read_yaml(PROFILES / f"{vendor}.yaml")) <= members.keys()


# --------------------------------------------------------------------------------------
# The command


def check(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    command = [sys.executable, "-m", "cds_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=kept | environ, check=False)


@pytest.mark.slow
def test_check_clients_introduces_the_clients_or_tells_the_mistakes() -> None:
    good = check("check-clients", str(SAMPLES), "--development")
    assert good.returncode == 0
    assert "epic: Good Health, Epic production; issuer https://epic.good-health.example" in good.stdout
    assert "4 clients, no problem" in good.stdout
    bad = check("check-clients", CDS_CLIENTS=str(SAMPLES))
    assert bad.returncode == 1
    assert "cds-hooks-sandbox.yaml: issuer: the private key of https://sandbox.cds-hooks.org is public" in bad.stdout
    assert "da-vinci-request-generator.yaml: fhir_servers: http://localhost:8080/test-ehr/r4 is not https" in bad.stdout


@pytest.mark.slow
def test_serve_does_not_start_outside_development_without_a_client(tmp_path: Path) -> None:
    refused = check("serve", CDS_CLIENTS=str(tmp_path))
    assert refused.returncode == 1
    assert "no client may call: write a file for each EHR into" in refused.stderr
