"""To which server a token may go, and to which it never goes."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cds_service.errors import DataNotObtainable
from cds_service.fhir_client import FhirAccess, FhirClient
from cds_service.knowledge import Knowledge
from cds_service.pipeline import Options, ServiceDesk, World
from tests.conftest import PUBLIC_URL
from tests.fetch.conftest import TOKEN, Fetch, asking, not_checked, outcomes
from tests.fetch.lying_server import Exchange, LyingServer, answered, dripping_head, searchset, status
from tests.spec.hook_requests import SERVICES, patient, study

REGISTERED = "https://ehr.example.org/api/fhir"


# --------------------------------------------------------------------------------------
# Which server


@pytest.mark.requirement("SEC-14")
@pytest.mark.parametrize("asked", [REGISTERED, f"{REGISTERED}/", "HTTPS://EHR.example.org:443/api/fhir"])
def test_a_registered_server_is_asked_however_it_is_spelled(asked: str) -> None:
    assert FhirAccess(servers=(REGISTERED,)).base(asked) is not None


@pytest.mark.requirement("REQ-03", "SEC-14")
@pytest.mark.parametrize(
    "asked",
    [
        "http://ehr.example.org/api/fhir",
        "https://ehr.example.org/api",
        "https://ehr.example.org/api/fhir2",
        "https://ehr.example.org/api/fhir/tenant",
        "https://ehr.example.org/api/fhir/../fhir",
        "https://ehr.example.org/api/%2e%2e/api/fhir",
        "https://ehr.example.org:8443/api/fhir",
        "https://ehr.example.org:99999/api/fhir",
        "https://ehr.example.org.evil.example/api/fhir",
        "https://user@ehr.example.org/api/fhir",
        "https://ehr.example.org@evil.example/api/fhir",
        "https://evil.example/https://ehr.example.org/api/fhir",
        "https://evil.example\\@ehr.example.org/api/fhir",
        "https://ehr.example.org/api/fhir?x=1",
        "https://ehr.example.org/api/fhir#x",
        "https://ehr.example.org/api/fhir\r\nX: y",
        "https://ehr.example.org\t/api/fhir",
        "https://ehr.exаmple.org/api/fhir",  # with a Cyrillic letter
        "https://[::1/api/fhir",
        "https:///api/fhir",
        "file:///etc/passwd",
        "//ehr.example.org/api/fhir",
        "",
    ],
)
def test_any_other_server_is_not(asked: str) -> None:
    assert FhirAccess(servers=(REGISTERED,)).base(asked) is None


@pytest.mark.requirement("REQ-03")
@pytest.mark.parametrize(
    ("server", "in_development"),
    [
        ("http://127.0.0.1:8080/fhir", True),
        ("http://localhost/fhir", True),
        ("http://[::1]:8080/fhir", True),
        ("http://ehr.example.org/fhir", False),
        ("http://10.0.0.1/fhir", False),
    ],
)
def test_plain_http_is_for_loopback_in_development(server: str, in_development: bool) -> None:
    assert FhirAccess(servers=(server,)).base(server) is None
    assert (FhirAccess(servers=(server,), allow_http=True).base(server) is not None) == in_development


@pytest.mark.requirement("SVC-04", "SEC-14")
def test_a_server_that_is_not_registered_is_never_asked(fetch: Fetch, ehr: LyingServer) -> None:
    with pytest.raises(DataNotObtainable, match="not registered for this client") as refusal:
        fetch(servers=("http://127.0.0.1:1/fhir",))
    assert ehr.asked == []
    assert {each[1] for each in refusal.value.fetches} == {"server-not-registered"}


def test_a_call_that_names_no_server_fetches_nothing(fetch: Fetch, ehr: LyingServer) -> None:
    asked = {name: each for name, each in asking(ehr.base, token=None).items() if name != "fhirServer"}
    with pytest.raises(DataNotObtainable, match="was not sent") as refusal:
        fetch(asked, is_open=True)
    assert (list(refusal.value.fetches), ehr.asked) == ([], [])


# --------------------------------------------------------------------------------------
# The token


@pytest.mark.requirement("SVC-06", "SEC-14")
def test_every_request_carries_the_token_of_its_call(knowledge: Knowledge, world: World, ehr: LyingServer) -> None:
    ehr.lies["Patient"] = answered(patient(), Set_Cookie="session=1; Path=/")
    client = FhirClient(budget_seconds=30)
    desk = ServiceDesk(knowledge, client)
    access = FhirAccess(servers=(ehr.base,), allow_http=True)
    options = Options(protocol="brochure-calcification", public_url=PUBLIC_URL, fhir=access)
    for token in ("one", "two"):
        body = orjson.dumps(asking(ehr.base, token))
        desk.answer(SERVICES["patient-view"], desk.request(SERVICES["patient-view"], body), options, world)
    client.session.close()
    assert [each.headers["authorization"] for each in ehr.exchanges] == ["Bearer one"] * 6 + ["Bearer two"] * 6
    assert {each.headers["accept"] for each in ehr.exchanges} == {"application/fhir+json"}
    assert not any("cookie" in each.headers for each in ehr.exchanges)


@pytest.mark.requirement("REQ-04")
@pytest.mark.parametrize("token", ["", None, " ", "a b", "a\r\nX-Evil: 1", "tökén", 5, ["x"]], ids=repr)
def test_without_a_usable_token_nothing_is_asked(fetch: Fetch, ehr: LyingServer, token: object) -> None:
    asked = asking(ehr.base)
    asked["fhirAuthorization"]["access_token"] = token
    with pytest.raises(DataNotObtainable, match="no access token"):
        fetch(asked)
    assert ehr.asked == []


@pytest.mark.requirement("REQ-04")
def test_an_empty_token_still_leaves_what_was_sent(fetch: Fetch, ehr: LyingServer) -> None:
    report, seen = study("4B")
    answer = fetch(asking(ehr.base, "", {"reports": report, "observations": seen, "orders": None, "procedures": None}))
    assert "4B" in answer.cards[0]["summary"]
    assert not_checked(answer) == "**Not checked:** patient (not received); conditions (not received)."
    assert outcomes(answer) == {"patient": "no-token", "conditions": "no-token"}


def test_an_open_server_is_asked_without_a_token(fetch: Fetch, ehr: LyingServer) -> None:
    assert fetch(asking(ehr.base, token=None), is_open=True).cards
    assert not any("authorization" in each.headers for each in ehr.exchanges)


def test_a_netrc_file_never_replaces_the_token(
    fetch: Fetch, ehr: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fetch()
    assert {each.headers["authorization"] for each in ehr.exchanges} == {f"Bearer {TOKEN}"}


# --------------------------------------------------------------------------------------
# Where answers lead


@pytest.fixture
def elsewhere() -> Iterator[LyingServer]:
    """A server that the EHR points to."""
    with LyingServer() as server:
        yield server


@pytest.mark.requirement("SEC-14")
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(fetch: Fetch, ehr: LyingServer, elsewhere: LyingServer, code: int) -> None:
    ehr.lies["Procedure"] = status(code, Location=f"{elsewhere.base}/Procedure")
    assert outcomes(fetch())["procedures"] == "redirected"
    assert elsewhere.asked == []


@pytest.mark.requirement("SEC-14", "SVC-15")
@pytest.mark.parametrize(
    "link",
    [
        "{elsewhere}/fhir/ServiceRequest?page=2",
        "//{elsewhere_host}/fhir/ServiceRequest?page=2",
        "{ehr}/admin?page=2",
        "{ehr}/fhir2/ServiceRequest?page=2",
        "{ehr}/fhir/../admin?page=2",
        "../admin?page=2",
        "/admin?page=2",
        "{ehr}/fhir/%2e%2e/admin?page=2",
        "{user_at_ehr}/fhir/ServiceRequest?page=2",
        "https://{ehr_host}/fhir/ServiceRequest?page=2",
        "file:///etc/passwd",
        "javascript:1",
        "{ehr}/fhir/ServiceRequest?page=2\r\nX: y",
    ],
)
def test_a_next_link_that_leads_out_of_the_server_is_not_followed(
    fetch: Fetch, ehr: LyingServer, elsewhere: LyingServer, link: str
) -> None:
    places = {"ehr": ehr.origin, "ehr_host": ehr.origin[7:], "user_at_ehr": ehr.origin.replace("//", "//u@")}
    target = link.format(elsewhere=elsewhere.origin, elsewhere_host=elsewhere.origin[7:], **places)
    ehr.lies["ServiceRequest"] = answered(searchset(following=target))
    answer = fetch()
    assert outcomes(answer)["orders"] == "outside"
    assert "orders (only the first part was received)" in not_checked(answer)
    assert len(ehr.exchanges) == 6
    assert elsewhere.asked == []


@pytest.mark.parametrize("link", ["{base}?_getpages=7", "{base}/ServiceRequest?page=2", "ServiceRequest?page=2"])
def test_a_next_link_on_the_same_server_is_followed(fetch: Fetch, ehr: LyingServer, link: str) -> None:
    def orders(exchange: Exchange) -> None:
        is_second = "page" in exchange.query or "_getpages" in exchange.query
        answered(searchset(following=None if is_second else link.format(base=ehr.base)))(exchange)

    ehr.lies |= {"ServiceRequest": orders, "": orders}
    answer = fetch()
    assert outcomes(answer)["orders"] == "empty"
    assert len(ehr.exchanges) == 7


# --------------------------------------------------------------------------------------
# Certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that nobody has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ehr")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "ehr.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def tls_ehr(certificate: Path) -> Iterator[LyingServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with LyingServer([patient(), *study("4B")], tls=context) as server:
        yield server


def test_a_certificate_that_is_not_trusted_is_an_outcome(fetch: Fetch, tls_ehr: LyingServer) -> None:
    with pytest.raises(DataNotObtainable, match="certificate of the FHIR server is not trusted"):
        fetch(asking(tls_ehr.base), servers=(tls_ehr.base,), allow_http=False)
    assert tls_ehr.asked == []


def test_a_site_can_trust_its_own_certificates(fetch: Fetch, tls_ehr: LyingServer, certificate: Path) -> None:
    answer = fetch(asking(tls_ehr.base), servers=(tls_ehr.base,), allow_http=False, ca_file=certificate)
    assert "4B" in answer.cards[0]["summary"]


def test_a_hanging_server_is_hung_up_on_over_https_too(fetch: Fetch, tls_ehr: LyingServer, certificate: Path) -> None:
    tls_ehr.lies["Procedure"] = dripping_head
    answer = fetch(asking(tls_ehr.base), servers=(tls_ehr.base,), ca_file=certificate, budget=2.0)
    assert outcomes(answer)["procedures"] == "timed-out"
