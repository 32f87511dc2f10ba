"""A real FHIR R4 server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.services import PATIENCE_SECONDS, free_port, until


@contextmanager
def fhir_server(folder: Path, **server_auth: Any) -> Iterator[str]:
    """The root of an empty server with its data in `folder`; its FHIR base is `/fhir`. By default open to everybody."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    set_up = {
        "base_url": f"{root}/fhir",
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(folder),
        "simulator": {"enabled": False},
        "server_auth": server_auth or {"types": ["none"]},
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(set_up))
    command = [Path(sys.executable).parent / "sekmet", "serve", "--config", folder / "settings.yaml"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        until(lambda: process.poll() is not None or _is_up(root), "the FHIR server to start")
        assert process.poll() is None, (folder / "log").read_text()
        yield root
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _is_up(root: str) -> bool:
    try:
        return requests.get(f"{root}/fhir/metadata", timeout=1).ok
    except requests.RequestException:
        return False
