"""What the tests of trust share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trust.ehr import KeyServer


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer().running() as server:
        yield server
