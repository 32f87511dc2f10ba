"""Key sets from a real server on loopback: fetched once, rotated, kept through an outage, and never from elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from threading import Barrier, Thread

import pytest

from cds_service.auth import Authenticator, NotAuthenticated, Step
from cds_service.clients import Client
from cds_service.errors import Busy
from cds_service.jwks import FRESH_SECONDS, LONGEST_BYTES, PAUSE_SECONDS, STALE_SECONDS, KeySets
from tests.trust.ehr import KEYS, NOW, PRIVATE, URL, KeyServer, SeenTokens, client, public_jwk, send, token


class Service:
    """An authenticator of a client with remote keys, with a clock for its key sets that a test moves."""

    def __init__(self, ehr: Client) -> None:
        self.ehr, self.clock = ehr, 1000.0
        self._authenticator = Authenticator(
            [ehr],
            first_use=SeenTokens().first_use,
            key_sets=KeySets(clock=lambda: self.clock),
            now=lambda: NOW,
        )

    def takes(self, asked: str) -> bool:
        """Whether a token is taken; False where its key is not known."""
        try:
            return self._authenticator.authenticate(f"Bearer {asked}", URL) is self.ehr
        except NotAuthenticated as refusal:
            assert refusal.step in (Step.KEY, Step.SIGNATURE), refusal.reason  # noqa: PT017 (nothing else may fail here)
            return False


def remote(server: KeyServer) -> Client:
    return client(keys=(), jwks_url=server.url)


@pytest.fixture
def service(key_server: KeyServer) -> Service:
    return Service(remote(key_server))


def test_the_key_set_is_fetched_once_for_many_calls(service: Service, key_server: KeyServer) -> None:
    assert all(service.takes(token(alg=alg)) for alg in ("ES384", "RS384", "ES384"))
    assert key_server.asked == ["/jwks.json"]


@pytest.mark.requirement("SEC-04")
def test_the_keys_come_from_the_jku_of_the_token_where_it_is_registered(key_server: KeyServer) -> None:
    service = Service(client(keys=(), jku=frozenset({key_server.url})))
    assert service.takes(token(header={"jku": key_server.url}))
    assert key_server.asked == ["/jwks.json"]


@pytest.mark.requirement("SEC-04")
def test_nothing_is_fetched_from_a_place_that_is_not_registered(service: Service, key_server: KeyServer) -> None:
    with pytest.raises(NotAuthenticated) as refusal:
        service._authenticator.authenticate(f"Bearer {token(header={'jku': key_server.url + '/'})}", URL)
    assert refusal.value.step is Step.KEY_PLACE
    assert key_server.asked == []


def test_a_new_key_is_found_when_a_token_names_it(service: Service, key_server: KeyServer) -> None:
    assert service.takes(token())
    key_server.keys = [*KEYS, public_jwk(PRIVATE["ES384"], "new")]
    service.clock += PAUSE_SECONDS
    assert service.takes(token(header={"kid": "new"}))
    assert len(key_server.asked) == 2


def test_unknown_key_names_do_not_make_us_fetch_at_will(service: Service, key_server: KeyServer) -> None:
    assert not any(service.takes(token(header={"kid": f"guess-{number}"})) for number in range(20))
    assert len(key_server.asked) == 1


def test_a_withdrawn_key_is_not_taken_once_the_set_is_fetched_again(service: Service, key_server: KeyServer) -> None:
    assert service.takes(token())
    key_server.keys = [KEYS[2]]
    assert service.takes(token())
    service.clock += FRESH_SECONDS + 1
    assert not service.takes(token())
    assert service.takes(token(alg="RS384"))


def test_the_keys_that_are_held_serve_while_their_place_is_down_but_no_longer_than_a_day(
    service: Service, key_server: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert service.takes(token())
    key_server.answer = lambda asked: send(asked, 500, b"{}")
    service.clock += FRESH_SECONDS + 1
    assert all(service.takes(token()) for _ in range(3))
    assert len(key_server.asked) == 2
    assert "so those fetched before are used" in caplog.text
    service.clock += STALE_SECONDS
    with pytest.raises(Busy):
        service.takes(token())


@pytest.mark.requirement("STA-503")
def test_a_place_that_is_gone_is_not_asked_at_every_call_and_is_found_when_it_is_back(key_server: KeyServer) -> None:
    service = Service(remote(key_server))
    working, key_server.answer = key_server.answer, lambda asked: send(asked, 503, b"")
    for _ in range(3):
        with pytest.raises(Busy):
            service.takes(token())
    assert len(key_server.asked) == 1
    key_server.answer = working
    service.clock += PAUSE_SECONDS
    assert service.takes(token())


def test_a_server_that_is_not_there_at_all_is_no_reason_to_take_a_token() -> None:
    with KeyServer().running() as server:
        service = Service(remote(server))
    with pytest.raises(Busy):
        service.takes(token())


def elsewhere(asked: BaseHTTPRequestHandler) -> None:
    send(asked, 302, b"", [("Location", "/other.json")])


BAD_ANSWERS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "a redirect": elsewhere,
    "HTML": lambda asked: send(asked, 200, b"<html></html>"),
    "no object": lambda asked: send(asked, 200, b"[]"),
    "no keys": lambda asked: send(asked, 200, b'{"pem": {}}'),
    "too long": lambda asked: send(asked, 200, b'{"keys": []}' + b" " * LONGEST_BYTES),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_what_is_not_a_key_set_is_not_used(key_server: KeyServer, answer: str) -> None:
    key_server.answer = BAD_ANSWERS[answer]
    with pytest.raises(Busy):
        Service(remote(key_server)).takes(token())
    assert key_server.asked == ["/jwks.json"]


def test_a_server_that_trickles_is_not_waited_for(key_server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(asked: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"keys": KEYS}).encode().ljust(6400)
        asked.send_response(200)
        asked.end_headers()
        with suppress(OSError):
            for start in range(0, len(body), 64):
                asked.wfile.write(body[start : start + 64])
                time.sleep(0.02)

    monkeypatch.setattr("cds_service.jwks.TIMEOUT_SECONDS", 0.2)
    key_server.answer = trickle
    with pytest.raises(Busy):
        Service(remote(key_server)).takes(token())


def test_keys_of_other_kinds_in_the_set_do_no_harm(service: Service, key_server: KeyServer) -> None:
    key_server.keys = [{"kid": "es384", "kty": "oct", "k": "AAAA"}, {"kid": "es384", "kty": "OKP"}, {}, *KEYS]
    assert service.takes(token())


def test_many_threads_fetch_once(service: Service, key_server: KeyServer) -> None:
    together, taken = Barrier(8), []

    def call() -> None:
        together.wait()
        taken.append(service.takes(token()))

    threads = [Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [True] * 8
    assert len(key_server.asked) == 1
