"""Every clinical vignette of the behaviour contract, through the Flask client and once through the real server."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import vignettes
from flask.testing import FlaskClient

from tests.conftest import FIXTURES, TODAY

FILES = sorted((FIXTURES / "vignettes").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_service_answers_as_the_vignette_says(path: Path, client: FlaskClient) -> None:
    vignette = vignettes.load(path, TODAY)
    assert not vignettes.file_problems(vignette)
    body = vignette["request_text"] if "request_text" in vignette else json.dumps(vignette["request"])
    answer = client.post(f"/cds-services/{vignette['service']}", data=body, content_type="application/json")
    runner = vignettes.Runner("", {}, 1)
    problems = runner.judge(
        vignette["expect"], answer.status_code, answer.content_type, answer.data, vignette.get("request", {})
    )
    assert problems == []


@pytest.mark.slow
def test_the_real_server_answers_every_vignette(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--development", "--port", str(port)],
        env={"CDS_DATABASE_URL": f"sqlite:///{tmp_path / 'store.sqlite'}", "PATH": ""},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/cds-services", service)
        outcome = _run(port)
        assert outcome.stdout.splitlines()[-1] == f"vignettes: {len(FILES)} passed, 0 failed", outcome.stdout
    finally:
        service.terminate()
        service.wait(timeout=20)


def _run(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, vignettes.__file__, "--base-url", f"http://127.0.0.1:{port}", str(FIXTURES / "vignettes")],
        capture_output=True,
        text=True,
        check=False,
    )


def _wait_for(url: str, service: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert service.poll() is None, "the service ended"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the service did not come up")


def test_the_vignettes_are_about_every_service() -> None:
    asked = {json.loads(path.read_text())["service"] for path in FILES}
    assert asked == {"breast-imaging-order-select", "breast-imaging-order-sign", "breast-imaging-patient-view"}


def test_dates_in_vignettes_count_from_today() -> None:
    assert vignettes.shift(date(2026, 1, 31), "+1m") == date(2026, 2, 28)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", vignettes.expand("{{today-3d}}", TODAY))
