"""An EHR as its tokens show it: its keys, tokens signed with them, and a server that its key set is fetched from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_service.clients import Client
from tests.conftest import PUBLIC_URL

Json = dict[str, Any]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
ISSUER = "https://fhir.st-elsewhere.example"
URL = f"{PUBLIC_URL}/cds-services/breast-imaging-patient-view"
LEFT_OUT = object()
"""As the value of a member: it is not there at all."""

PRIVATE = {
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS384": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
PRIVATE["RS256"] = PRIVATE["RS384"]
STRANGER = ec.generate_private_key(ec.SECP384R1())
_numbers = itertools.count(1)


def public_jwk(key: Any, kid: str, **members: object) -> Json:
    """A public key as a key set shows it."""
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    shown: Json = algorithm.to_jwk(key.public_key(), as_dict=True)
    return shown | {"kid": kid, "use": "sig"} | members


KEYS = tuple(public_jwk(PRIVATE[name], name.lower()) for name in ("ES384", "ES256", "RS384"))
"""The key set; `kid` is the algorithm in lower case, and rs384 serves both RSA algorithms."""

CLIENT = Client(id="st-elsewhere", name="St. Elsewhere", issuer=ISSUER, keys=KEYS)


def client(**changes: Any) -> Client:
    return replace(CLIENT, **changes)


class SeenTokens:
    """Remembers the tokens of one test as the store does for a service; none of them expires."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        is_first = (issuer, jti) not in self._seen
        self._seen.add((issuer, jti))
        return is_first


def token(
    url: str = URL,
    *,
    alg: str = "ES384",
    key: Any = None,
    header: Mapping[str, object] | None = None,
    now: float = NOW,
    **claims: object,
) -> str:
    """A token for one call. Header members and claims can be given another value, or left out."""
    payload = {"iss": ISSUER, "aud": url, "iat": now, "exp": now + 300, "jti": f"call-{next(_numbers)}"} | claims
    head = {"typ": "JWT", "kid": "rs384" if alg.startswith("RS") else alg.lower()} | dict(header or {})
    kept = {
        name: None if value is LEFT_OUT else value for name, value in head.items()
    }  # PyJWT leaves out a typ of None
    if kept.get("kid", "") is None:
        del kept["kid"]
    return jwt.encode(
        {name: value for name, value in payload.items() if value is not LEFT_OUT},
        key or PRIVATE[alg],
        algorithm=alg,
        headers=kept,
    )


def bearer(*arguments: Any, **options: Any) -> dict[str, str]:
    """The header of a call."""
    return {"Authorization": f"Bearer {token(*arguments, **options)}"}


class KeyServer:
    """A real server of a key set on loopback, whose answer a test can change."""

    def __init__(self) -> None:
        self.keys: list[Json] = list(KEYS)
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self._serve
        self.asked: list[str] = []
        served = self

        class Asked(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                served.answer(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"

    def _serve(self, asked: BaseHTTPRequestHandler) -> None:
        send(asked, 200, json.dumps({"keys": self.keys}).encode())

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def running(self) -> Iterator[KeyServer]:
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            thread.join()


def send(asked: BaseHTTPRequestHandler, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
    asked.send_response(status)
    asked.send_header("Content-Length", str(len(body)))
    for name, value in headers:
        asked.send_header(name, value)
    asked.end_headers()
    asked.wfile.write(body)
