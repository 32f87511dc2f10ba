"""The invented population: the same for a seed, valid FHIR R4, about fifteen resources a patient."""

from __future__ import annotations

import filecmp
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class

from cds_service.synthetic import population
from tests.conftest import TODAY


def test_a_seed_gives_the_same_population_for_any_number_of_workers(tmp_path: Path, population_folder: Path) -> None:
    population.write(tmp_path, 2600, 3, TODAY, workers=1)
    names = sorted(path.name for path in (tmp_path / "export").iterdir())
    _, different, missing = filecmp.cmpfiles(tmp_path / "export", population_folder / "export", names, shallow=False)
    assert (different, missing) == ([], [])
    assert (tmp_path / "truth.csv").read_bytes() == (population_folder / "truth.csv").read_bytes()


def test_another_seed_gives_another_population() -> None:
    assert population.person(1, 1, TODAY) != population.person(1, 2, TODAY)


def test_every_resource_is_valid() -> None:
    for number in range(120):
        for resource in population.person(number, 5, TODAY)[0]:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_patients_have_about_fifteen_resources() -> None:
    found = [len(population.person(number, 5, TODAY)[0]) for number in range(1000)]
    assert 13 < sum(found) / len(found) < 17
