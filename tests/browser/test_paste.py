"""A request or a report of one's own, explained."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener
from tests.conftest import FIXTURES

EXCHANGE = FIXTURES / "exchanges" / "breast-imaging-order-select" / "screening-chosen-while-4b-open" / "request.json"
HOSTILE = (
    "Mammogram of the left breast. <script>window.harmed = 1</script><img src=x onerror='window.harmed = 2'>\n"
    "[click](javascript:window.harmed=3) {{ 7 * 7 }} ![](https://evil.example/x.png)\n"
    "IMPRESSION: Left breast: BI-RADS 4B <b onmouseover=alert(1)>suspicious</b>."
)


def pasted(page: Page, words: str) -> None:
    page.get_by_label("A CDS Hooks request in JSON").fill(words)
    page.get_by_role("button", name="Explain it").click()


def test_a_request_is_told_step_by_step(opened: Opener) -> None:
    page = opened("/playground/paste")
    pasted(page, EXCHANGE.read_text())
    expect(page.get_by_role("heading", name="What was decided")).to_be_visible()
    steps = page.locator(".steps")
    expect(steps).to_contain_text("DiagnosticReport/r-18-1")
    expect(steps).to_contain_text("Category4")
    expect(page.locator("#cards article h3")).to_contain_text("biopsy needed, not a screening mammogram")
    assert page.url.endswith("/playground/paste")


def test_a_report_is_read_and_its_deciding_words_are_marked(opened: Opener) -> None:
    page = opened("/playground/paste")
    pasted(page, "Mammogram. In 2019 BI-RADS 2.\nIMPRESSION: BI-RADS 3, right breast. BI-RADS 1, left breast.")
    assert page.locator("mark.deciding").all_inner_texts() == ["BI-RADS 3decides: right", "BI-RADS 1decides: left"]
    expect(page.locator(".steps")).to_contain_text("Category3FirstVisit")
    expect(page.locator("#cards article h3")).to_contain_text("BI-RADS 3 (probably benign), right breast")


def test_a_hostile_report_is_shown_as_text(opened: Opener) -> None:
    page = opened("/playground/paste")
    pasted(page, HOSTILE)
    expect(page.locator(".report-text")).to_contain_text("<script>window.harmed = 1</script>")
    expect(page.locator(".report-text")).to_contain_text("{{ 7 * 7 }}")
    assert page.evaluate("window.harmed") is None
    assert page.locator("main img, main script, main b, main a[href^='javascript']").count() == 0
    expect(page.locator("#cards article h3")).to_contain_text("BI-RADS 4B")


def test_what_is_wrong_with_a_request_is_said_and_the_words_stay(opened: Opener) -> None:
    page = opened("/playground/paste", may_be_refused=True)
    for words, problem in (
        ('{"hook": "patient-view"', "not a JSON object"),
        ('{"hook": "appointment-book"}', "hook: has to be one of"),
        ('{"hook": "patient-view", "context": {}}', "hookInstance: is required"),
        (json.dumps(json.loads(EXCHANGE.read_text()) | {"prefetch": {}}), "reports: was not sent"),
    ):
        with page.expect_response("**/playground/paste") as answered:
            pasted(page, words)
        assert answered.value.status in (400, 412)
        expect(page.get_by_role("alert")).to_contain_text(problem)
        expect(page.get_by_label("A CDS Hooks request in JSON")).to_have_value(words)
