"""The playground as a clinician and an integrator use it."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from cds_service.synthetic import charts
from tests.browser.conftest import Opener

ON_OPENING = {
    "01-open-4b": ["Category4"],
    "02-category-3-month-seven": ["Category3FirstVisit"],
    "03-category-3-full-year": [],
    "04-category-0-magnification": ["Category0"],
    "05-biopsy-ordered": [],
    "06-wrong-breast": ["Category4"],
    "07-german-text": ["Category4"],
    "08-conflict": ["Conflict"],
    "09-mastectomy": [],
    "10-cancer-other-breast": ["Category5"],
    "11-benign-after-5": ["DiscordantBenign"],
    "12-all-quiet": [],
}
"""The rows whose cards appear as each chart is opened."""
ON_PICKING = {
    "01-open-4b": ("warning", "biopsy needed, not a screening mammogram"),
    "02-category-3-month-seven": ("info", "screening mammogram"),
    "03-category-3-full-year": None,
    "04-category-0-magnification": ("warning", "screening mammogram"),
    "05-biopsy-ordered": ("info", "already"),
    "06-wrong-breast": ("warning", "left breast"),
    "07-german-text": ("warning", "not a screening mammogram"),
    "08-conflict": ("info", "contradicts itself"),
    "09-mastectomy": ("info", "Mastectomy on record"),
    "10-cancer-other-breast": ("critical", "biopsy"),
    "11-benign-after-5": ("warning", "screening mammogram"),
    "12-all-quiet": None,
}
"""Urgency and words of the card for the order that is preset for each patient."""
MARKS = {
    "01-open-4b": ["1", "1", "1", "4B"],
    "07-german-text": ["1", "4B"],
    "08-conflict": ["1", "1", "≠"],
    "11-benign-after-5": ["1", "5"],
}


def wait_for_answer(page: Page, hook: str) -> None:
    expect(page.locator("#status")).to_contain_text(f"{hook}:")


def answer(page: Page) -> dict[str, list[dict[str, object]]]:
    """The answer that the page shows as it came over the wire."""
    content: dict[str, list[dict[str, object]]] = json.loads(page.locator("#answer").inner_text())
    return content


def topics(page: Page) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer(page)["cards"]]  # type: ignore[index]


def test_every_patient_has_its_expectation() -> None:
    assert list(ON_OPENING) == charts.names() == list(ON_PICKING)


@pytest.mark.parametrize("name", charts.names())
def test_every_chart_opens_with_its_timeline_reports_and_cards(opened: Opener, name: str) -> None:
    page = opened(f"/playground/{name}")
    wait_for_answer(page, "patient-view")
    chart = charts.chart(name, date.today())  # noqa: DTZ011
    assert topics(page) == ON_OPENING[name]
    expect(page.locator("#cards article")).to_have_count(len(ON_OPENING[name]))
    expect(page.get_by_role("heading", name=chart.name)).to_be_visible()
    if not ON_OPENING[name]:
        expect(page.get_by_text("There is nothing to do")).to_be_visible()
    reports = [each for each in chart.resources if each["resourceType"] == "DiagnosticReport"]
    expect(page.locator(".report")).to_have_count(len(reports))
    expect(page.get_by_role("img", name=re.compile("Timeline of both breasts"))).to_be_visible()
    assert page.locator("figure.timeline .today").count() == 1
    if name in MARKS:
        assert page.locator(".timeline .scroll .study text:not(.date)").all_text_contents() == MARKS[name]
    sent = json.loads(page.locator("#request").inner_text())
    assert sent["context"]["patientId"] == chart.patient["id"]
    assert set(sent["prefetch"]) == {"patient", "reports", "observations", "orders", "procedures", "conditions"}


@pytest.mark.parametrize("name", charts.names())
def test_the_preset_order_shows_what_the_patient_is_there_to_show(opened: Opener, name: str) -> None:
    page = opened(f"/playground/{name}")
    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    expected = ON_PICKING[name]
    if expected is None:
        assert answer(page)["cards"] == []
        return
    (card,) = answer(page)["cards"]
    assert card["indicator"] == expected[0]
    assert expected[1] in str(card["summary"])
    expect(page.locator("#cards article h3")).to_have_text(str(card["summary"]))


def test_the_words_that_decided_are_marked_in_the_report(opened: Opener) -> None:
    page = opened("/playground/07-german-text")
    deciding = page.locator("mark.deciding")
    assert deciding.all_inner_texts() == ["BI-RADS 4bdecides: left", "BI-RADS 1decides: right"]
    expect(page.locator("mark.passed")).to_have_text(["BI-RADS 2not counted: history"])


def test_the_timeline_shows_what_is_overdue(opened: Opener) -> None:
    page = opened("/playground/11-benign-after-5")
    assert page.locator(".timeline .scroll .band.overdue").count() == 1
    expect(page.locator(".timeline .next").last).to_contain_text("repeat biopsy or surgical excision was due")
    page = opened("/playground/02-category-3-month-seven")
    assert page.locator(".timeline .scroll .band.overdue").count() == 0
    assert page.locator(".timeline .scroll .band.due").count() == 1
    expect(page.locator("figure.timeline .next").first).to_contain_text("follow-up diagnostic mammogram due")


def test_accepting_changes_the_orders_the_timeline_and_what_comes_next(opened: Opener) -> None:
    page = opened("/playground/01-open-4b")
    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    expect(page.locator("#drafts li")).to_contain_text(["Screening mammography"])
    page.get_by_role("button", name="Replace the screening mammogram: order stereotactic").click()
    expect(page.locator("#cards .settled")).to_contain_text("Accepted")
    expect(page.locator("#drafts li")).to_have_count(1)
    expect(page.locator("#drafts li")).to_contain_text("Stereotactic core needle biopsy, left breast")
    expect(page.locator(".timeline .scroll .mark.draft text")).to_have_text(["B"])
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    sent = json.loads(page.locator("#feedback").inner_text())["feedback"][0]
    assert sent["outcome"] == "accepted"
    assert len(sent["acceptedSuggestions"]) == 1

    page.get_by_role("button", name="Sign orders").click()
    expect(page.locator("#status")).to_contain_text("Signed: Stereotactic core needle biopsy")
    expect(page.locator(".timeline .scroll .mark.order text")).to_have_text(["B"])
    page.get_by_role("button", name="Open the chart again").click()
    wait_for_answer(page, "patient-view")
    assert answer(page)["cards"] == []


def test_two_orders_of_one_suggestion_come_together(opened: Opener) -> None:
    page = opened("/playground/01-open-4b")
    page.get_by_role("button", name="Order wire localisation and surgical").click()
    expect(page.locator("#drafts li")).to_have_count(2)
    expect(page.locator(".timeline .scroll .mark.draft text")).to_have_text(["W", "B"])


def test_the_order_of_a_wrong_breast_is_put_right(opened: Opener) -> None:
    page = opened("/playground/06-wrong-breast")
    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    page.locator("#cards .suggestions button").first.click()
    expect(page.locator("#drafts li")).to_have_count(1)
    expect(page.locator("#drafts li")).to_contain_text("right breast")


def test_signing_against_a_warning_takes_a_second_decision(opened: Opener) -> None:
    page = opened("/playground/01-open-4b")
    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    page.get_by_role("button", name="Sign orders").click()
    wait_for_answer(page, "order-sign")
    expect(page.locator("#cards article")).to_have_count(1)
    page.get_by_role("button", name="Sign anyway").click()
    expect(page.locator("#status")).to_contain_text("Signed: Screening mammography")
    expect(page.locator(".timeline .scroll .mark.order text").first).to_have_text("M")


def test_overriding_asks_for_a_reason(opened: Opener) -> None:
    page = opened("/playground/04-category-0-magnification")
    page.get_by_role("button", name="Override").click()
    expect(page.locator("#cards .settled")).to_have_count(0)  # the form insists on a reason
    page.get_by_label("Not following it? Why").select_option("Patient declines")
    page.get_by_role("button", name="Override").click()
    expect(page.locator("#cards .settled")).to_have_text("Overridden: Patient declines")
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    sent = json.loads(page.locator("#feedback").inner_text())["feedback"][0]
    assert (sent["outcome"], sent["overrideReason"]["reason"]["code"]) == ("overridden", "patient-declines")


def test_an_unrelated_order_needs_no_side(opened: Opener) -> None:
    page = opened("/playground/12-all-quiet")
    expect(page.get_by_label("Side", exact=True)).to_be_disabled()
    page.get_by_label("Order", exact=True).select_option("Breast ultrasound")
    expect(page.get_by_label("Side", exact=True)).to_be_enabled()


def test_everything_can_be_done_with_the_keyboard(opened: Opener) -> None:
    page = opened("/playground/01-open-4b")
    wait_for_answer(page, "patient-view")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    press_until(page, "Select order")
    page.keyboard.press("Enter")
    wait_for_answer(page, "order-select")
    press_until(page, "Replace the screening mammogram: order stereotactic core needle biopsy, left breast")
    page.keyboard.press("Enter")
    expect(page.locator("#cards .settled")).to_be_focused()
    press_until(page, "Sign orders", key="Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Signed")
    press_until(page, "Open the chart again", key="Shift+Tab")


def press_until(page: Page, words: str, key: str = "Tab") -> None:
    """Presses a key until the control with these words has the focus, which has to be seen."""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.textContent").strip() == words:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"the keyboard does not reach {words!r}")


def test_without_a_client_s_token_the_feedback_is_shown_and_not_sent(opened: Opener, closed: str) -> None:
    page = opened("/playground/01-open-4b", at=closed)
    page.locator("#cards .suggestions button").first.click()
    expect(page.locator("#feedback-words")).to_contain_text("not sent")
    expect(page.get_by_text("Synthetic data only")).to_be_visible()
