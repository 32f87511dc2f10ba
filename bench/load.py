"""A load generator: a number of kept-alive connections, each of which asks again as soon as it was answered.

`wrk` where it is installed. Otherwise connections of our own, which take more of the machine for themselves; what they
measure is only good for comparing what was measured with them.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

CONNECTIONS = 8
WRK = shutil.which("wrk")
_SCRIPT = """
local file = io.open("{body}", "rb")
local body = file:read("*a")
file:close()
local whole = wrk.format("POST", "{path}", {{["Content-Type"] = "application/json"}}, body)
function request() return whole end
function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("measured %d %d %d %d\\n", summary.requests, bad,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What the callers saw: calls answered, and the time in ms that half and all but one in a hundred of them took."""

    calls: int
    p50: float
    p99: float


def load(port: int, path: str, body: bytes, seconds: float) -> Load:
    """Asks as fast as it is answered. Raises `RuntimeError` where any call was not answered with 200."""
    found = _wrk(port, path, body, seconds) if WRK else asyncio.run(_own(port, path, body, seconds))
    if not found.calls:
        raise RuntimeError(f"{path} answered no call in {seconds} s")
    return found


def _wrk(port: int, path: str, body: bytes, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "body").write_bytes(body)
        script = Path(folder, "script.lua")
        script.write_text(_SCRIPT.format(body=Path(folder, "body"), path=path))
        length = f"{max(1, round(seconds))}s"
        command = [WRK or "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{length}", "-s", script, f"http://127.0.0.1:{port}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"measured (\d+) (\d+) (\d+) (\d+)", said)
    if numbers is None:
        raise RuntimeError(f"wrk said nothing that can be read: {said[-300:]}")
    calls, bad, p50, p99 = map(int, numbers.groups())
    if bad:
        raise RuntimeError(f"{path}: {bad} of {calls} calls failed")
    return Load(calls, p50 / 1000, p99 / 1000)


async def _own(port: int, path: str, body: bytes, seconds: float) -> Load:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    until = time.perf_counter() + seconds
    each = await asyncio.gather(*(_one(port, whole, until) for _ in range(CONNECTIONS)))
    taken = sorted(chain.from_iterable(each))
    return Load(len(taken), taken[len(taken) // 2] * 1000, taken[len(taken) * 99 // 100] * 1000)


async def _one(port: int, whole: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (began := time.perf_counter()) < until:
        writer.write(whole)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"a call was answered with {head[:80]!r}")
        await reader.readexactly(int(length[1]))
        taken.append(time.perf_counter() - began)
    writer.close()
    return taken
