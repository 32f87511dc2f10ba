"""A FHIR server on real sockets that tells the truth about a few resources, until it is told to lie."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
Answer = Callable[["Exchange"], None]
"""What is done with one request: anything that can be done with a socket."""

LIFETIME_SECONDS = 60
"""After which a hanging answer gives up, should a test have forgotten it."""


class HungUp(Exception):
    """The client or the answer has ended the connection."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, as it stands on the wire."""

    server: LyingServer
    connection: socket.socket
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The path below the base address."""
        return urlsplit(self.target).path.removeprefix(self.server.path).strip("/")

    @property
    def query(self) -> Mapping[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    def send(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError:
            raise HungUp from None

    def pause(self, seconds: float = LIFETIME_SECONDS) -> None:
        """Waits, though not beyond the end of the test."""
        if self.server.ended.wait(seconds):
            raise HungUp


class LyingServer(socketserver.ThreadingTCPServer):
    """Answers reads and searches of `resources`; `lies` replace the answers of a resource type or a path."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, resources: Iterable[Json] = (), *, path: str = "/fhir", tls: ssl.SSLContext | None = None):
        super().__init__(("127.0.0.1", 0), _Connection)
        self.path, self.tls = path, tls
        self.resources = list(resources)
        self.lies: dict[str, Answer] = {}
        self.exchanges: list[Exchange] = []
        self.ended = threading.Event()

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    @property
    def base(self) -> str:
        return self.origin + self.path

    @property
    def asked(self) -> list[str]:
        """What was asked for: the paths below the base address."""
        return [each.path for each in self.exchanges]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def answer(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        kind = exchange.path.partition("/")[0]
        lie = self.lies.get(exchange.path) or self.lies.get(kind)
        (lie or self.truth)(exchange)

    def truth(self, exchange: Exchange) -> None:
        kind, _, ident = exchange.path.partition("/")
        of_kind = [each for each in self.resources if each["resourceType"] == kind]
        if ident:
            found = next((each for each in of_kind if each["id"] == ident), None)
            answered(found)(exchange) if found else status(404)(exchange)
        else:
            answered(searchset(*of_kind))(exchange)


class _Connection(socketserver.BaseRequestHandler):
    server: LyingServer

    def handle(self) -> None:
        connection: socket.socket = self.request
        connection.settimeout(LIFETIME_SECONDS)
        try:
            if self.server.tls is not None:
                connection = self.server.tls.wrap_socket(connection, server_side=True)
            while head := _head(connection):
                request, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                self.server.answer(Exchange(self.server, connection, request.split(" ")[1], headers))
        except (HungUp, OSError):
            pass
        finally:
            connection.close()


def _head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        head += piece
    return head.strip()


# --------------------------------------------------------------------------------------
# Answers


def searchset(*resources: Json, following: str | None = None, **elements: Any) -> Json:
    """A search answer, with a link to the page that follows."""
    bundle: Json = {"resourceType": "Bundle", "type": "searchset"}
    if resources:
        bundle["entry"] = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    if following is not None:
        bundle["link"] = [{"relation": "next", "url": following}]
    return bundle | elements


def sent(body: bytes, code: int = 200, kind: str = "application/fhir+json", **headers: str) -> Answer:
    """An answer with a body of any kind."""
    lines = {"Content-Type": kind, "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = f"HTTP/1.1 {code} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return lambda exchange: exchange.send(head.encode("latin-1") + body)


def answered(content: object, code: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""
    return sent(json.dumps(content).encode(), code, **headers)


def status(code: int, **headers: str) -> Answer:
    """A failure, told as an OperationOutcome."""
    return answered(failure(), code, **headers)


def failure() -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}


def hanging(exchange: Exchange) -> None:
    exchange.pause()


def closing(exchange: Exchange) -> None:
    raise HungUp


def cut(exchange: Exchange) -> None:
    """Promises more than it sends."""
    exchange.send(
        b'HTTP/1.1 200 X\r\nContent-Type: application/fhir+json\r\nContent-Length: 5000\r\n\r\n{"resourceType":'
    )
    raise HungUp


def cut_in_chunks(exchange: Exchange) -> None:
    exchange.send(b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"res')
    raise HungUp


def dripping_head(exchange: Exchange) -> None:
    """Sends a header without end, byte by byte, so that no time-out of a socket ever strikes."""
    exchange.send(b"HTTP/1.1 200 X\r\nX-Slow: ")
    while True:
        exchange.send(b"x")
        exchange.pause(0.05)


def dripping_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 X\r\nContent-Type: application/fhir+json\r\nConnection: close\r\n\r\n")
    while True:
        exchange.send(b" ")
        exchange.pause(0.05)
