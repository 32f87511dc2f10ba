"""Whatever is thrown at a running service, it answers, and never with a failure of its own.

`make fuzz` does this for a minute with other examples each time; `make test` for a few seconds with the same ones.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.test_any_json import json_values, mutated_requests, words
from tests.services import PATIENCE_SECONDS, Postgres, Running, running
from tests.spec.hook_requests import SERVICES

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("CDS_FUZZ_SECONDS", "0"))
"""How long to go on; 0 for the short, repeatable version."""
EXAMPLES = 120

Call = tuple[str, str, bytes, dict[str, str]]

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Authorization", "X-Request-Id", "Origin", "Accept", "Accept-Language"]),
    printable | st.sampled_from(["application/json", "text/xml", "Bearer x.y.z", "https://ehr.example.org", "*/*"]),
    max_size=4,
)
services = st.sampled_from(list(SERVICES.values()))
paths = (
    st.sampled_from(["/", "/cds-services", "/cds-services/", "/metrics", "/health/ready", "/patient/calcifications"])
    | st.builds("/cds-services/{}{}".format, services, st.sampled_from(["", "/", "/feedback", "/x"]))
    | st.builds("/explain/{}/{}/{}".format, printable, printable, printable)
    | st.builds("/{}".format, printable)
)
times = st.sampled_from(["2026-06-01T08:00:00Z", "2026-06-01T10:00:00.123+02:00", "yesterday"]) | words
entries = st.fixed_dictionaries(
    {"card": words, "outcome": st.sampled_from(["accepted", "overridden"]), "outcomeTimestamp": times},
    optional={
        "acceptedSuggestions": st.lists(st.fixed_dictionaries({"id": words}), max_size=3) | json_values,
        "overrideReason": json_values,
        "overrideReasons": json_values,
    },
)
anything: st.SearchStrategy[Call] = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]),
    paths,
    st.binary(max_size=30) | json_values.map(orjson.dumps),
    headers,
)
feedback: st.SearchStrategy[Call] = st.builds(
    lambda service, batch, extra: (
        "POST",
        f"/cds-services/{service}/feedback",
        orjson.dumps({"feedback": batch}),
        extra,
    ),
    services,
    st.lists(entries | json_values, max_size=4),
    headers,
)
hooks: st.SearchStrategy[Call] = st.builds(
    lambda mutated, extra: ("POST", f"/cds-services/{mutated[0]}", orjson.dumps(mutated[1]), extra),
    mutated_requests("prefetch"),
    headers,
)


@pytest.fixture(scope="module")
def service(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with running(folder, postgres.new_database(), calls_per_second=1_000_000) as started:
        yield started


def test_nothing_that_is_sent_makes_the_service_fail(service: Running) -> None:
    seen: Counter[int] = Counter()
    slowest = 0.0
    until = time.monotonic() + SECONDS

    @settings(
        max_examples=EXAMPLES,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(call=anything | feedback | hooks)
    def one_round(call: Call) -> None:
        nonlocal slowest
        method, path, body, extra = call
        answer: Any = service.session.request(
            method, f"{service.url}{path}", data=body, headers=extra, timeout=PATIENCE_SECONDS, allow_redirects=False
        )
        seen[answer.status_code] += 1
        slowest = max(slowest, answer.elapsed.total_seconds())
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text

    one_round()
    while time.monotonic() < until:
        one_round()
    print(f"{seen.total()} calls, {dict(sorted(seen.items()))}, the slowest took {slowest:.3f} s")  # for `make fuzz`
    assert {200, 400, 404, 405} <= set(seen)
    assert len(service.workers()) == 2
