"""Settings with which a service must not start, each told by name before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from tests.conftest import FIXTURES


@pytest.mark.parametrize(
    ("environ", "arguments", "told"),
    [
        ({"CDS_PROTOCOL": "acr"}, ["--development"], "there is no protocol acr; there are acr-surveillance,"),
        ({"CDS_CARDS": "{tmp}/none"}, ["--development"], "{tmp}/none: there is no such folder"),
        ({"CDS_DEVELOPMENT": "true"}, ["--host", "0.0.0.0"], "--host 0.0.0.0 is refused"),
        ({}, ["--development", "--host", "0.0.0.0"], "--host 0.0.0.0 is refused"),
        ({"CDS_CLIENTS": "{tmp}"}, [], "no client may call"),
        ({"CDS_FHIR_SERVERS": "https://fhir.example"}, [], "CDS_FHIR_SERVERS: is for development"),
        ({"CDS_FHIR_CA_FILE": "{tmp}/none.pem"}, [], "CDS_FHIR_CA_FILE: there is no such file"),
        ({"CDS_FHIR_CA_FILE": "{tmp}/words.pem"}, [], "CDS_FHIR_CA_FILE: holds no certificates"),
        ({"CDS_DATABASE_URL": "mysql://x"}, ["--development"], "CDS_DATABASE_URL: it has to begin with"),
        ({"CDS_PROTOKOLL": "x"}, ["--development"], "CDS_PROTOKOLL: there is no such setting"),
    ],
)
def test_serve_refuses_and_says_why(environ: dict[str, str], arguments: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "words.pem").write_text("not a certificate")
    variables = {name: value.format(tmp=tmp_path) for name, value in environ.items()}
    result = CliRunner().invoke(main, ["serve", *arguments], env=variables)
    assert result.exit_code != 0
    assert told.format(tmp=tmp_path) in result.output
    assert "Traceback" not in result.output


def test_a_protocol_that_is_not_there_is_told_by_explain_too() -> None:
    request = FIXTURES / "exchanges" / "breast-imaging-patient-view" / "open-4b" / "request.json"
    result = CliRunner().invoke(main, ["explain", "--protocol", "acr", str(request)])
    assert result.exit_code == 1
    assert "there is no protocol acr" in result.output
