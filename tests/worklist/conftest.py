from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cds_service.fhir_elements import Json
from cds_service.synthetic import population
from tests.conftest import TODAY
from tests.worklist.exports import listed

PATIENTS, SEED = 2600, 3


@pytest.fixture(scope="session")
def population_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented population in which every situation occurs; its files are cut after 2500 patients."""
    folder = tmp_path_factory.mktemp("population")
    population.write(folder, PATIENTS, SEED, TODAY, workers=2)
    return folder


@pytest.fixture(scope="session")
def export(population_folder: Path) -> Path:
    return population_folder / "export"


@pytest.fixture(scope="session")
def truth(population_folder: Path) -> list[dict[str, str]]:
    with (population_folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def worklist(export: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    """The worklist of the population: its folder and its summary."""
    out = tmp_path_factory.mktemp("worklist")
    return out, listed(export, out, workers=2)


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    population.write(folder, 500, SEED, TODAY, workers=1)
    return folder / "export"


@pytest.fixture(scope="session")
def small_worklist(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    out = tmp_path_factory.mktemp("worklist")
    return out, listed(small_export, out)
