"""The main job, shown: a service, an EHR that selects an order, and the cards as a clinician would see them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime
from pathlib import Path

import requests
from rich.console import Console
from rich.rule import Rule

from .settings import VARIABLES
from .synthetic import charts
from .terminal import show_card

PATIENCE_SECONDS = 30
LOG = "service.log"


def run_demo(console: Console, port: int, keep: bool) -> int:
    """Starts the service on loopback, fires order-select for an invented patient, prints the cards, and says where to
    look further. Gives an exit status."""
    port = port or _free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="cds-service-demo-") as state:
        service = _start(port, Path(state))
        try:
            if not _is_up(base, service):
                console.print((Path(state) / LOG).read_text(), markup=False)
                console.print("The service did not start; its own words stand above.", style="red")
                return 1
            _show(base, console)
            if keep:
                _explore(base, console)
                console.print(f"\nThe service runs at [bold]{base}[/bold] until you press Ctrl-C.")
                service.wait()
            else:
                _explore("http://127.0.0.1:8080", console)
                console.print("\n[bold]make serve[/bold] keeps the service running at that address.")
        except KeyboardInterrupt:
            console.print("Stopped.")
        finally:
            service.terminate()
            service.wait(timeout=PATIENCE_SECONDS)
    return 0


def _show(base: str, console: Console) -> None:
    today = datetime.now().astimezone().date()
    chart = charts.chart("01-open-4b", today)
    draft = charts.screening_draft(chart.patient["id"], today)
    request = charts.hook_request(
        chart.resources,
        "order-select",
        hook_instance=str(uuid.uuid4()),
        drafts=[draft],
        selections=[f"ServiceRequest/{draft['id']}"],
    )
    console.print(Rule("A clinician opens the chart"))
    console.print(f"[bold]{chart.name}[/bold] (invented), born {chart.patient['birthDate']}")
    console.print(chart.story)
    console.print("The clinician selects: [bold]screening mammogram, both breasts[/bold].\n")
    answer = requests.post(f"{base}/cds-services/breast-imaging-order-select", json=request, timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    cards = answer.json()["cards"]
    console.print(Rule(f"POST {base}/cds-services/breast-imaging-order-select: {len(cards)} card"))
    for card in cards:
        show_card(card, console)


def _explore(base: str, console: Console) -> None:
    console.print(Rule("Explore"))
    console.print(f"An EHR simulator:      {base}/playground")
    console.print(f"Discovery, for an EHR: {base}/cds-services")
    console.print("Why, step by step:     .venv/bin/cds-service explain REQUEST.json")


def _start(port: int, state: Path) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environ[VARIABLES["database_url"]] = f"sqlite:///{state / 'demo.sqlite'}"
    command = [sys.executable, "-m", "cds_service", "serve", "--development", "--workers", "1", "--port", str(port)]
    with (state / LOG).open("wb") as log:
        return subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)


def _is_up(base: str, service: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if requests.get(f"{base}/cds-services", timeout=1).ok:
                return True
        except requests.ConnectionError:
            time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
