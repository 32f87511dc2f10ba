"""Insights: what was really shown, accepted and overridden, for those who signed in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect
from werkzeug.security import check_password_hash

from cds_service.cli import main
from cds_service.settings import Settings, SettingsError
from cds_service.web.insights import hashed
from tests.browser.conftest import PASSWORD, Opener
from tests.browser.service import serving

NAME = "=cmd()"


@pytest.fixture
def trial(browser: Browser, state: Path) -> Iterator[str]:
    """A service of its own, so that its figures are those of one test."""
    with serving(state) as address:
        yield address


def counts(page: Page, chart: str, line: str) -> list[str]:
    """Shown, accepted and overridden on one line of a chart."""
    row = page.locator(f"section[aria-labelledby=h-{chart}] tbody tr", has_text=line)
    return row.locator("td.number").all_inner_texts()


def test_insights_show_what_became_of_the_cards(opened: Opener, trial: str) -> None:
    page = opened("/playground/01-open-4b", at=trial)
    page.locator("#cards .suggestions button").first.click()
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    page = opened("/playground/04-category-0-magnification", at=trial)
    page.get_by_label("Not following it? Why").select_option("Patient declines")
    page.get_by_role("button", name="Override").click()
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    opened("/playground/06-wrong-breast", at=trial)
    opened("/playground/12-all-quiet", at=trial)

    page = opened("/insights", at=trial)
    for _ in range(50):  # records are written behind the answers
        if page.locator(".tiles div").first.inner_text().startswith("4"):
            break
        page.reload()
    assert counts(page, "row", "Suspicious") == ["2", "1", "0"]
    assert counts(page, "row", "Incomplete, additional imaging is needed") == ["1", "0", "1"]
    assert counts(page, "hook", "patient-view") == ["3", "1", "1"]
    assert counts(page, "client", "playground") == ["3", "1", "1"]
    expect(page.locator("section[aria-labelledby=h-reasons]")).to_contain_text("Patient declines: Incomplete")
    expect(page.locator(".tiles")).to_contain_text("25%")
    table = list(csv.DictReader(io.StringIO(requests.get(f"{trial}/insights/cards.csv", timeout=9).text)))
    assert {(each["row"], each["shown"], each["accepted"], each["overridden"]) for each in table} == {
        ("Category4", "2", "1", "0"),
        ("Category0", "1", "0", "1"),
    }
    for name in ("override-reasons", "unknowns", "codes", "answer-times"):
        answer = requests.get(f"{trial}/insights/{name}.csv?months=1", timeout=9)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert requests.get(f"{trial}/insights/nothing.csv", timeout=9).status_code == 404
    assert requests.get(f"{trial}/insights?months=2", timeout=9).status_code == 404


def test_a_reason_that_looks_like_a_formula_is_not_one_in_the_spreadsheet(opened: Opener, trial: str) -> None:
    page = opened("/playground/01-open-4b", at=trial)
    card = page.locator("#cards article").get_attribute("data-card")
    entry = {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-06-01T10:00:00Z",
        "overrideReason": {"reason": {"code": NAME, "system": "urn:x"}},
    }
    url = f"{trial}/cds-services/breast-imaging-patient-view/feedback"
    assert requests.post(url, json={"feedback": [entry]}, timeout=9).ok
    for _ in range(50):
        found = requests.get(f"{trial}/insights/override-reasons.csv", timeout=9).text
        if "cmd" in found:
            break
    assert f"'{NAME}" in found


def test_insights_need_the_password(opened: Opener, closed: str) -> None:
    assert requests.get(f"{closed}/insights/cards.csv", allow_redirects=False, timeout=9).status_code == 302
    page = opened("/insights", at=closed)
    expect(page.get_by_role("heading", name="Sign in to insights")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Insights", exact=True)).to_be_visible()
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/insights")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{closed}/insights")
    expect(page.get_by_role("heading", name="Sign in to insights")).to_be_visible()


def test_guessing_the_password_ends_after_a_few_attempts(browser: Browser, state: Path) -> None:
    secrets = {"CDS_INSIGHTS_PASSWORD_HASH": hashed(PASSWORD), "CDS_SESSION_SECRET": "s" * 40}
    with serving(state, development=False, **secrets) as address:
        answers = [
            requests.post(f"{address}/insights/sign-in", data={"password": f"guess {number}"}, timeout=9).status_code
            for number in range(7)
        ]
        assert answers == [401] * 5 + [429] * 2
        forged = {"cds_insights": "eyJieSI6IngiLCJzaW5jZSI6MX0.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb"}
        asked = requests.get(f"{address}/insights", cookies=forged, allow_redirects=False, timeout=9)
        assert asked.status_code == 302


def test_without_a_password_insights_are_off(opened: Opener, browser: Browser, state: Path) -> None:
    with serving(state, development=False) as address:
        page = opened("/insights", at=address, expect=403)
        expect(page.get_by_role("heading", name="Insights are switched off")).to_be_visible()


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"CDS_INSIGHTS_PASSWORD_HASH": "secret"}, "CDS_INSIGHTS_PASSWORD_HASH: has to be what"),
        ({"CDS_SESSION_SECRET": "short"}, "CDS_SESSION_SECRET: has to be at least 32 characters long"),
        ({"CDS_INSIGHTS_PASSWORD_HASH": hashed(PASSWORD)}, "CDS_SESSION_SECRET: is needed where there is a password"),
    ],
)
def test_settings_that_would_leave_the_door_ajar_are_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)):
        Settings.from_environ(environ)


def test_the_password_is_asked_for_and_only_its_hash_is_printed() -> None:
    outcome = CliRunner().invoke(main, ["hash-password"], input=f"{PASSWORD}\n{PASSWORD}\n")
    printed = outcome.stdout.splitlines()[-1]
    assert PASSWORD not in outcome.stdout
    assert check_password_hash(printed, PASSWORD)
    assert Settings.from_environ({"CDS_INSIGHTS_PASSWORD_HASH": printed, "CDS_SESSION_SECRET": "s" * 32})
