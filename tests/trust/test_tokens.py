"""The eleven steps of verification, each passed and each refused, at a pinned moment."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.auth import Authenticator, NotAuthenticated, Step
from cds_service.clients import Client
from cds_service.errors import Busy
from tests.conftest import PUBLIC_URL
from tests.trust.ehr import (
    CLIENT,
    ISSUER,
    KEYS,
    LEFT_OUT,
    NOW,
    PRIVATE,
    STRANGER,
    URL,
    SeenTokens,
    client,
    public_jwk,
    token,
)

ALL = ("ES384", "RS384", "ES256", "RS256")


def authenticator(*clients: Client, now: float = NOW) -> Authenticator:
    return Authenticator(clients or (CLIENT,), first_use=SeenTokens().first_use, now=lambda: now)


def refused(asked: str | None, *clients: Client, url: str = URL) -> NotAuthenticated:
    """How a header is refused."""
    with pytest.raises(NotAuthenticated) as refusal:
        authenticator(*clients).authenticate(asked, url)
    return refusal.value


def accepted(asked: str, *clients: Client, url: str = URL) -> Client:
    return authenticator(*clients).authenticate(f"Bearer {asked}", url)


def unsigned(header: object, claims: object, signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


CLAIMS = {"iss": ISSUER, "aud": URL, "iat": NOW, "exp": NOW + 300, "jti": "by-hand"}


@pytest.mark.requirement("SEC-01", "SEC-02", "SEC-03", "SEC-07", "SEC-08")
@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_token_with_a_recommended_algorithm_and_a_key_exchanged_before_is_taken(alg: str) -> None:
    assert accepted(token(alg=alg)) is CLIENT


def test_the_sample_of_the_specification_is_taken_at_its_time() -> None:
    """The complete example under "Trusting CDS Clients" of CDS Hooks, with the public key printed beside it."""
    sample = (
        "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVoci5leGFtcGxlLmNvbS"
        "9qd2tfdXJpIn0.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6Imh0dHBzOi8vY2RzLmV4YW1wbGUub3JnL2Nkc"
        "y1zZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpIjoiZWUyMmIwMjEtZTFiNy00NjEx"
        "LWJhNWItOGVlYzZhMzNhYzFlIiwidGVuYW50IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEyIn0.d1WfLjGRKlcWB94l9do"
        "4cM8REXeYJLL6SGUBO8VHZhfM8mwKYP70EMxJ67War4TQblEpaQrp11wx5p7oPFm2ETYgCicS84vXWEIYTdjooZdooCSDf2L8-i4awdoUwiEb"
    )
    key = {
        "kty": "EC", "use": "sig", "crv": "P-384", "kid": "example-kid", "alg": "ES384",
        "x": "46SDH7Znh821wblCBglA61sNE9ZrHYKKt3qRtRTmSXyOI_FIGBLWrWa0GPUkDCEk",
        "y": "XMcRuuoGW7CXjQdy-F5i3FeBE0x9hPLdeFdSoDd3ELmx404tLX0VRRcqzAsPhXcI",
    }  # fmt: skip
    ehr = client(
        issuer="https://fhir-ehr.example.com/",
        keys=(key,),
        jku=frozenset({"https://fhir-ehr.example.com/jwk_uri"}),
        max_lifetime_seconds=1422568860 - 1311280970,
        tenants=frozenset({"2ddd6c3a-8e9a-44c6-a305-52111ad302a2"}),
    )
    then = datetime(2012, 6, 1, tzinfo=UTC).timestamp()
    asked = authenticator(ehr, now=then)
    assert asked.authenticate(f"Bearer {sample}", "https://cds.example.org/cds-services/some-service") is ehr


# --------------------------------------------------------------------------------------
# 1. The header


@pytest.mark.requirement("SEC-01")
@pytest.mark.parametrize(
    "asked",
    [None, "", "null", "Bearer", "Bearer ", "Bearer null", "Basic YTpi", "{token}", "Bearer {token},Bearer {token}",
     "Bearer {token}, Bearer {token}", "Bearer {token} {token}"],
)  # fmt: skip
def test_anything_but_one_bearer_token_is_refused(asked: str | None) -> None:
    assert refused(asked and asked.replace("{token}", token())).step is Step.HEADER


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    assert authenticator().authenticate(f"{scheme} {token()}", URL) is CLIENT


# --------------------------------------------------------------------------------------
# 2. The token


@pytest.mark.requirement("SEC-02", "SEC-06")
@pytest.mark.parametrize(
    "asked",
    [
        "garbage",
        "a.b.c",
        unsigned([], CLAIMS),
        unsigned({"alg": "ES384", "typ": "JWT", "kid": "es384"}, ["a list"]),
        token(header={"typ": LEFT_OUT}),
        token(header={"typ": "at+jwt"}),
        token(header={"kid": LEFT_OUT}),
        token(header={"kid": ""}),
        token(header={"crit": ["urn:x"], "urn:x": True}),
        unsigned({"alg": ["ES384"], "typ": "JWT", "kid": "es384"}, CLAIMS),
        unsigned({"typ": "JWT", "kid": "es384"}, CLAIMS),
        unsigned({"alg": "ES512", "typ": "JWT", "kid": "es384"}, CLAIMS, b"x"),
        token()[:-40] + "=",
    ],
)
def test_a_token_of_another_form_is_refused(asked: str) -> None:
    assert refused(f"Bearer {asked}").step in (Step.TOKEN, Step.SIGNATURE)
    assert refused(f"Bearer {asked}").status == 401


@pytest.mark.requirement("SEC-06")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(alg: str) -> None:
    assert refused(f"Bearer {unsigned({'alg': alg, 'typ': 'JWT', 'kid': 'es384'}, CLAIMS)}").step is Step.TOKEN


@pytest.mark.requirement("SEC-06")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("name", ["RS384", "ES384"])
def test_a_public_key_is_never_taken_for_a_shared_secret(alg: str, name: str) -> None:
    encoded = (
        PRIVATE[name]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = unsigned({"alg": alg, "typ": "JWT", "kid": name.lower()}, CLAIMS).rpartition(".")[0]
    mac = hmac.new(encoded, signed.encode(), f"sha{alg[2:]}").digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refused(f"Bearer {forged}", client(algorithms=ALL)).step is Step.TOKEN


# --------------------------------------------------------------------------------------
# 3. The issuer


@pytest.mark.requirement("SEC-04", "SEC-03")
@pytest.mark.parametrize("issuer", ["https://evil.example", f"{ISSUER}/", ISSUER.upper(), "", None, LEFT_OUT, [ISSUER]])
def test_an_issuer_that_no_client_has_is_refused(issuer: object) -> None:
    by_hand = {name: value for name, value in (CLAIMS | {"iss": issuer}).items() if value is not LEFT_OUT}
    asked = unsigned({"alg": "ES384", "typ": "JWT", "kid": "es384"}, by_hand, b"x")
    assert refused(f"Bearer {asked}").step in (Step.ISSUER, Step.TOKEN)


def test_the_log_names_the_host_of_an_unknown_issuer_and_nothing_else_of_it() -> None:
    asked = token(iss="https://ehr.example/patients/Ada?born=1966")
    reason = refused(f"Bearer {asked}").reason
    assert "ehr.example" in reason
    assert "Ada" not in reason


def test_clients_of_one_issuer_are_told_apart_by_their_tenants() -> None:
    north, south = (client(id=name, tenants=frozenset({name})) for name in ("north", "south"))
    assert accepted(token(tenant="south"), north, south) is south
    for tenant in ("west", LEFT_OUT, ["south"], None):
        assert refused(f"Bearer {token(tenant=tenant)}", north, south).step is Step.ISSUER


# --------------------------------------------------------------------------------------
# 4. The place of the keys


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize(
    "jku", ["https://keys.example/jwks.json?x", "https://keys.example/", "http://127.0.0.1:1/", 7, ["a"]]
)
def test_a_jku_that_is_not_registered_is_refused_before_anything_is_fetched(jku: object) -> None:
    registered = client(keys=(), jku=frozenset({"https://keys.example/jwks.json"}))
    if isinstance(jku, str):
        asked = token(header={"jku": jku})
    else:
        asked = unsigned({"alg": "ES384", "typ": "JWT", "kid": "es384", "jku": jku}, CLAIMS, b"x")
    assert refused(f"Bearer {asked}", registered).step is Step.KEY_PLACE


@pytest.mark.requirement("SEC-08")
def test_a_registered_jku_may_stand_beside_keys_exchanged_before() -> None:
    ehr = client(jku=frozenset({"https://keys.example/jwks.json"}))
    assert accepted(token(header={"jku": "https://keys.example/jwks.json"}), ehr) is ehr


def test_without_keys_exchanged_before_a_jku_is_needed() -> None:
    assert refused(f"Bearer {token()}", client(keys=(), jku=frozenset({"https://k.example/j"}))).step is Step.KEY_SET


# --------------------------------------------------------------------------------------
# 6. The key


@pytest.mark.parametrize("kid", ["another", "ES384", "es384 "])
def test_a_kid_that_is_not_in_the_key_set_is_refused(kid: str) -> None:
    assert refused(f"Bearer {token(header={'kid': kid})}").step is Step.KEY


@pytest.mark.parametrize("kid", ["a+b/c==", "../../etc/passwd", "ключ"])
def test_a_kid_is_opaque(kid: str) -> None:
    ehr = client(keys=(public_jwk(PRIVATE["ES384"], kid),))
    assert accepted(token(header={"kid": kid}), ehr) is ehr


@pytest.mark.requirement("SEC-07")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_other_algorithms_are_for_clients_that_are_allowed_them(alg: str) -> None:
    assert refused(f"Bearer {token(alg=alg)}").step is Step.KEY
    ehr = client(algorithms=(alg,))
    assert accepted(token(alg=alg), ehr) is ehr
    assert refused(f"Bearer {token(alg='ES384')}", ehr).step is Step.KEY


@pytest.mark.requirement("SEC-06")
@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("ES384", public_jwk(PRIVATE["ES384"], "k", use="enc")),
        ("ES384", public_jwk(PRIVATE["ES384"], "k", alg="ES256")),
        ("ES384", public_jwk(PRIVATE["ES384"], "k", key_ops=["sign"])),
        ("ES384", public_jwk(PRIVATE["ES384"], "k", key_ops="verify")),
        ("ES384", public_jwk(PRIVATE["ES256"], "k")),
        ("ES384", public_jwk(PRIVATE["RS384"], "k")),
        ("RS384", public_jwk(PRIVATE["RS384"], "k", alg="RS256")),
        ("RS384", public_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "k")),
        ("ES384", {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "ES384"}),
    ],
)
def test_a_key_of_another_kind_is_not_used(alg: str, key: dict[str, Any]) -> None:
    assert (
        refused(f"Bearer {token(alg=alg, header={'kid': 'k'})}", client(keys=(key,), algorithms=ALL)).step is Step.KEY
    )


# --------------------------------------------------------------------------------------
# 7. The signature


@pytest.mark.requirement("SEC-09")
def test_a_signature_of_another_key_is_refused() -> None:
    assert refused(f"Bearer {token(key=STRANGER)}").step is Step.SIGNATURE


@pytest.mark.requirement("SEC-09")
def test_a_changed_claim_is_refused() -> None:
    head, _, signature = token().split(".")
    changed = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"exp": NOW + 999}).encode()).rstrip(b"=").decode()
    assert refused(f"Bearer {head}.{changed}.{signature}").step is Step.SIGNATURE


def test_the_signature_has_to_be_raw_not_der() -> None:
    signed = token().rpartition(".")[0]
    der = PRIVATE["ES384"].sign(signed.encode(), ec.ECDSA(hashes.SHA384()))
    forged = f"{signed}.{base64.urlsafe_b64encode(der).rstrip(b'=').decode()}"
    assert refused(f"Bearer {forged}").step is Step.SIGNATURE


def test_a_key_set_with_nonsense_in_the_key_refuses() -> None:
    broken = KEYS[0] | {"x": "AAAA"}
    assert refused(f"Bearer {token()}", client(keys=(broken,))).step is Step.SIGNATURE


# --------------------------------------------------------------------------------------
# 8. The time


@pytest.mark.requirement("SEC-03", "SEC-09")
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 60},
        {"iat": NOW + 61, "exp": NOW + 300},
        {"nbf": NOW + 61},
        {"exp": NOW + 3601},
        {"exp": LEFT_OUT},
        {"iat": LEFT_OUT},
        {"exp": None},
        {"exp": "2026-06-01"},
        {"iat": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 1e300, "iat": 1e300},
        {"nbf": "soon"},
    ],
    ids=str,
)
def test_a_token_out_of_its_time_is_refused(claims: dict[str, object]) -> None:
    assert refused(f"Bearer {token(**claims)}").step is Step.TIME  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 59},
        {"iat": NOW + 60},
        {"nbf": NOW + 60},
        {"nbf": NOW - 300},
        {"exp": NOW + 3600},
        {"iat": NOW - 0.5},
    ],
    ids=str,
)
def test_clocks_may_differ_by_the_leeway(claims: dict[str, object]) -> None:
    assert accepted(token(**claims)) is CLIENT  # type: ignore[arg-type]


def test_leeway_and_lifetime_are_set_for_each_client() -> None:
    strict, lenient = client(leeway_seconds=0, max_lifetime_seconds=300), client(max_lifetime_seconds=86400)
    assert refused(f"Bearer {token(exp=NOW)}", strict).step is Step.TIME
    assert refused(f"Bearer {token(exp=NOW + 301)}", strict).step is Step.TIME
    assert accepted(token(exp=NOW + 86400), lenient) is lenient


# --------------------------------------------------------------------------------------
# 9. The audience


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("audience", [URL, f"{URL}/", [URL], ["https://other.example", f"{URL}/"]], ids=str)
def test_the_audience_is_the_url_that_is_called(audience: object) -> None:
    assert accepted(token(aud=audience)) is CLIENT
    assert accepted(token(aud=audience), url=f"{URL}/") is CLIENT


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    "audience",
    [f"{PUBLIC_URL}/cds-services", PUBLIC_URL, f"{URL}/feedback", f"{URL}//", f"{URL}?x", URL.upper(), "sand_man", "",
     LEFT_OUT, None, 7, [], [[URL]], {"aud": URL}],
    ids=str,
)  # fmt: skip
def test_a_token_for_another_url_is_refused(audience: object) -> None:
    assert refused(f"Bearer {token(aud=audience)}").step is Step.AUDIENCE


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("audience", [f"{URL}/feedback", URL])
def test_feedback_is_taken_with_the_audience_of_its_service(audience: str) -> None:
    assert accepted(token(aud=audience), url=f"{URL}/feedback") is CLIENT


def test_a_client_may_have_audiences_that_were_typed_by_hand() -> None:
    ehr = client(audiences=frozenset({"sand_man"}))
    assert accepted(token(aud="sand_man"), ehr) is ehr


# --------------------------------------------------------------------------------------
# 10. Replay


@pytest.mark.requirement("SEC-09")
def test_a_token_is_taken_once() -> None:
    asked = authenticator()
    same = f"Bearer {token()}"
    assert asked.authenticate(same, URL) is CLIENT
    for _ in range(2):
        with pytest.raises(NotAuthenticated) as refusal:
            asked.authenticate(same, URL)
        assert refusal.value.step is Step.REPLAY


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("jti", [LEFT_OUT, ""])
def test_a_token_without_a_name_of_its_own_is_refused(jti: object) -> None:
    assert refused(f"Bearer {token(jti=jti)}").step is Step.REPLAY


@pytest.mark.parametrize("jti", ["8f1c6ad1-1c52-4a57-9a8b-4c52f1c4f0d2", "f" * 64, "-" * 128, "ключ 1"])
def test_a_jti_has_any_form(jti: str) -> None:
    assert accepted(token(jti=jti)) is CLIENT


def test_two_issuers_may_use_the_same_jti() -> None:
    other = client(id="other", issuer="https://other.example")
    asked = authenticator(CLIENT, other)
    assert asked.authenticate(f"Bearer {token(jti='1')}", URL) is CLIENT
    assert asked.authenticate(f"Bearer {token(jti='1', iss=other.issuer)}", URL) is other


def test_a_token_is_remembered_until_nobody_would_take_it_any_more() -> None:
    kept: list[tuple[str, str, datetime]] = []

    def first_use(issuer: str, jti: str, expires: datetime) -> bool:
        kept.append((issuer, jti, expires))
        return True

    Authenticator([CLIENT], first_use=first_use, now=lambda: NOW).authenticate(f"Bearer {token(jti='1')}", URL)
    assert kept == [(ISSUER, "1", datetime.fromtimestamp(NOW + 300 + 60, UTC))]


def test_what_is_refused_for_another_reason_is_not_remembered() -> None:
    def never(*_: object) -> bool:
        raise AssertionError

    asked = Authenticator([CLIENT], first_use=never, now=lambda: NOW)
    for spoilt in (token(key=STRANGER), token(exp=NOW - 600), token(aud="x")):
        with pytest.raises(NotAuthenticated):
            asked.authenticate(f"Bearer {spoilt}", URL)


# --------------------------------------------------------------------------------------
# 11. The tenant


@pytest.mark.requirement("SEC-09", "SEC-03")
@pytest.mark.parametrize("tenant", ["other", LEFT_OUT, "", None, ["north"]])
def test_a_tenant_that_is_not_listed_is_refused(tenant: object) -> None:
    assert refused(f"Bearer {token(tenant=tenant)}", client(tenants=frozenset({"north"}))).step is Step.TENANT


def test_the_tenant_does_not_matter_where_none_is_listed() -> None:
    assert accepted(token(tenant="anything")) is CLIENT


# --------------------------------------------------------------------------------------
# All of them


@pytest.mark.requirement("SEC-09")
def test_the_steps_come_in_their_order() -> None:
    """Of a token in which everything is wrong, each step is told in turn as the ones before it are put right."""
    ehr = client(tenants=frozenset({"north"}), jku=frozenset({"https://keys.example/jwks.json"}))
    wrong: dict[str, Any] = {
        "iss": "https://evil.example", "exp": NOW - 600, "iat": NOW - 900, "aud": "x", "jti": "", "tenant": "south",
    }  # fmt: skip
    head: dict[str, object] = {"jku": "https://evil.example/keys", "kid": "another", "typ": "x"}
    signed_by: dict[str, Any] = {"key": STRANGER}
    repairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (head, {"typ": "JWT"}),
        (wrong, {"iss": ISSUER}),
        (head, {"jku": "https://keys.example/jwks.json"}),
        (head, {"kid": "es384"}),
        (signed_by, {"key": PRIVATE["ES384"]}),
        (wrong, {"iat": NOW, "exp": NOW + 300}),
        (wrong, {"aud": URL}),
        (wrong, {"jti": "in-order"}),
        (wrong, {"tenant": "north"}),
    ]
    steps = []
    for part, repair in repairs:
        steps.append(refused(f"Bearer {token(header=head, **signed_by, **wrong)}", ehr).step)
        part |= repair
    assert steps == [
        Step.TOKEN, Step.ISSUER, Step.KEY_PLACE, Step.KEY, Step.SIGNATURE, Step.TIME, Step.AUDIENCE, Step.REPLAY,
        Step.TENANT,
    ]  # fmt: skip
    assert accepted(token(header=head, **signed_by, **wrong), ehr) is ehr


JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jku", "crit", "b64", "jwk", "x5u"]), JSONS),
    claims=st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "tenant", "sub"]), JSONS),
)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_token_it_is_refused_and_nothing_breaks(header: object, claims: object) -> None:
    good_head: Any = {"alg": "ES384", "typ": "JWT", "kid": "es384"}
    for asked in (unsigned(header, claims), unsigned(good_head | header, CLAIMS | claims, b"x")):  # type: ignore[operator]
        assert refused(f"Bearer {asked}").status == 401


@given(claims=st.dictionaries(st.sampled_from(["exp", "iat", "nbf", "jti", "tenant", "sub", "aud"]), JSONS, min_size=1))
@settings(max_examples=200, deadline=None)
def test_whatever_a_trusted_client_signs_is_taken_or_refused(claims: dict[str, object]) -> None:
    signed = jwt.api_jws.encode(
        json.dumps(CLAIMS | claims).encode(), PRIVATE["ES384"], "ES384", headers={"typ": "JWT", "kid": "es384"}
    )
    try:
        step = 12 if accepted(signed, client(tenants=frozenset({"a"}))) else 0
    except NotAuthenticated as refusal:
        step = refusal.step
    assert step > Step.ISSUER


def test_a_refusal_tells_the_caller_nothing() -> None:
    refusals = [refused(None), refused(f"Bearer {token(key=STRANGER)}"), refused(f"Bearer {token(aud='x')}")]
    assert {(each.status, tuple(each.diagnostics), str(each)) for each in refusals} == {
        (401, ("Authentication is required.",), "Authentication is required.")
    }


def test_a_client_whose_keys_were_never_had_is_told_to_come_again() -> None:
    ehr = client(keys=(), jwks_url="http://127.0.0.1:9/jwks.json")
    with pytest.raises(Busy):
        authenticator(ehr).authenticate(f"Bearer {token()}", URL)
