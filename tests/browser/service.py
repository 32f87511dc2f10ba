"""A real service process and a real browser, for the tests of the pages and for the screenshots."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Browser, sync_playwright

from tests.services import PATIENCE_SECONDS, free_port, until

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
CLIENT_FILE = Path(__file__).parent.parent / "fixtures" / "clients" / "epic.yaml"


@contextmanager
def serving(state: Path, *, development: bool = True, **settings: str) -> Iterator[str]:
    """A service on a free port of this machine, with its own database; gives its address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environ |= {"CDS_DATABASE_URL": f"sqlite:///{state / 'store.sqlite'}"} | settings
    if not development:  # without a client that may call, the service does not start
        (state / "clients").mkdir(exist_ok=True)
        shutil.copy(CLIENT_FILE, state / "clients")
        environ["CDS_CLIENTS"] = str(state / "clients")
    command = [sys.executable, "-m", "cds_service", "serve", "--workers", "1", "--port", str(port)]
    process = subprocess.Popen([*command, *(["--development"] if development else [])], env=environ)
    try:
        until(lambda: process.poll() is not None or _is_up(base), "the service to start")
        assert process.poll() is None, "the service stopped; its own words stand above"
        yield base
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _is_up(base: str) -> bool:
    try:
        return requests.get(f"{base}/cds-services", timeout=2).ok
    except requests.ConnectionError:
        return False


@contextmanager
def browsing() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
