"""The files that install the service: complete, in step with its settings, and without rights that it does not need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.serve import LAST_SECONDS
from cds_service.settings import VARIABLES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "chart"
Manifests = dict[str, dict[str, Any]]

CLIENTS = "/etc/cds/clients"
_EACH = re.compile(r"\s*\{\{- range \$name, \$value := \.Values\.(\w+) \}\}(.*?)\s*\{\{- end \}\}", re.DOTALL)
_VALUE = re.compile(r"\{\{ (\.[\w.]+|\$\w+) \}\}")


def rendered(template: str, scope: dict[str, Any]) -> str:
    """The template with its values: the part of Helm's language that the chart uses. Anything else in it fails."""

    def look_up(found: re.Match[str]) -> str:
        value: Any = scope
        for name in found[1].lstrip(".").split("."):
            value = value[name]
        return str(value)

    def repeated(found: re.Match[str]) -> str:
        items = scope["Values"][found[1]].items()
        return "".join(found[2].replace("{{ $name }}", name).replace("{{ $value }}", value) for name, value in items)

    text = _VALUE.sub(look_up, _EACH.sub(repeated, template))
    assert "{{" not in text
    return text


@pytest.fixture(scope="module")
def chart() -> Manifests:
    scope = {"Release": {"Name": "cds"}, "Values": yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))}
    found = [
        document
        for path in sorted((CHART / "templates").glob("*.yaml"))
        for document in yaml.safe_load_all(rendered(path.read_text("utf-8"), scope))
    ]
    return {each["kind"]: each for each in found}


def test_the_chart_has_every_part(chart: Manifests) -> None:
    assert set(chart) == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert all(each["apiVersion"] and each["metadata"]["name"] == "cds" for each in chart.values())
    assert yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["apiVersion"] == "v2"


def test_all_parts_speak_of_the_same_pods(chart: Manifests) -> None:
    pods = chart["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        chart["Deployment"]["spec"]["selector"]["matchLabels"],
        chart["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        chart["Service"]["spec"]["selector"],
    ]
    assert all(selector.items() <= pods.items() for selector in selectors)
    assert chart["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "cds"


def test_a_pod_has_no_rights_that_it_does_not_need(chart: Manifests) -> None:
    pod = chart["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["mountPath"] for each in container["volumeMounts"]} == {"/var/lib/cds", "/tmp", CLIENTS}


def test_the_database_is_named_by_a_secret_and_every_setting_exists(chart: Manifests) -> None:
    (container,) = chart["Deployment"]["spec"]["template"]["spec"]["containers"]
    settings = {each["name"]: each for each in container["env"]}
    assert settings["CDS_DATABASE_URL"]["valueFrom"]["secretKeyRef"]["key"] == "url"
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    used = {*settings, *compose["services"]["service"]["environment"]}
    used |= set(re.findall(r"\bCDS_\w+", (DEPLOY / "Containerfile").read_text("utf-8")))
    assert used <= set(VARIABLES.values())


def test_the_image_knows_the_profiles_and_is_given_the_clients(chart: Manifests) -> None:
    image = (DEPLOY / "Containerfile").read_text("utf-8")
    python = re.search(r"^FROM python:(3\.\d+)-", image, re.MULTILINE)
    assert python is not None
    assert f"COPY clients /opt/cds/lib/python{python[1]}/site-packages/clients" in image
    assert f"CDS_CLIENTS={CLIENTS}" in image
    pod = chart["Deployment"]["spec"]["template"]["spec"]
    assert {"name": "clients", "configMap": {"name": "breast-imaging-cds-clients"}} in pod["volumes"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert f"../clients:{CLIENTS}:ro" in compose["services"]["service"]["volumes"]


def test_a_pod_is_asked_for_its_health_and_given_time_to_end(chart: Manifests) -> None:
    pod = chart["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert set(paths.values()) == {"/health/live", "/health/ready"}
    assert paths["livenessProbe"] == "/health/live"  # a pod must not be restarted because the database is down
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > LAST_SECONDS + pause


def test_the_composed_service_runs_read_only_and_has_time_to_end() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["service"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert int(service["stop_grace_period"].removesuffix("s")) > LAST_SECONDS


def test_the_image_is_built_from_locked_requirements_and_runs_as_nobody_in_particular() -> None:
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    assert any("--require-hashes -r requirements/run.txt" in line for line in lines)
    assert "USER 10001" in lines
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    copied = {word for words in copies for word in words}
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert copied <= allowed
    assert all((ROOT / each).exists() for each in copied)
