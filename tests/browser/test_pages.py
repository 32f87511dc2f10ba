"""All pages: accessible, light and dark, on a laptop and a tablet, small, and from one host."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener
from tests.browser.test_paste import EXCHANGE, pasted
from tests.browser.test_playground import wait_for_answer

PAGES = (
    "/",
    "/playground",
    "/playground/01-open-4b",
    "/playground/08-conflict",
    "/playground/09-mastectomy",
    "/playground/11-benign-after-5",
    "/playground/paste",
    "/protocols",
    "/protocols/brochure-calcification",
    "/protocols/acr-surveillance",
    "/explain/brochure-calcification/1.1.0/Category4",
    "/explain/brochure-calcification/0.9.0/ReadAgain",
    "/insights",
    "/patient/calcifications?lang=en",
    "/patient/calcifications?lang=es",
)
LARGEST_PAGE = 100_000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe finds wrong, by rule and place."""
    found: dict[str, Any] = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
    return [f"{rule['id']}: {node['target']}" for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_keeps_anybody_out_in_light_and_in_dark(opened: Opener, path: str) -> None:
    page = opened(path)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_scripts_and_forms_bring_keeps_nobody_out(opened: Opener, scheme: str) -> None:
    page = opened("/playground/01-open-4b", color_scheme=scheme)
    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    assert violations(page) == []
    page.locator("#cards .suggestions button").first.click()
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    assert violations(page) == []
    page = opened("/playground/paste", color_scheme=scheme)
    pasted(page, EXCHANGE.read_text())
    expect(page.get_by_role("heading", name="What was decided")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_to_be_scrolled_sideways_on_a_telephone_a_tablet_or_a_laptop(opened: Opener, path: str) -> None:
    page = opened(path)
    for width in (360, 768, 1024, 1366):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_small_and_loads_from_here_only(base: str, path: str) -> None:
    answer = requests.get(f"{base}{path}", timeout=9)
    parts = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
    assert "/static/style.css" in parts
    assert (
        len(answer.content) + sum(len(requests.get(f"{base}{each}", timeout=9).content) for each in parts)
        < LARGEST_PAGE
    )
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r'(?:src|href)="//|<(?:script|link|img)[^>]*https?://| style="| on[a-z]+="', answer.text)


def test_the_protocol_is_printed_with_a_place_to_sign(opened: Opener) -> None:
    page = opened("/protocols/brochure-calcification")
    expect(page.get_by_role("heading", name="Approval")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="Approval")).to_be_visible()
    expect(page.locator(".signatures")).to_contain_text("version 1.1.0")
    assert page.locator(".signatures .line").count() == 3
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()


def test_the_schedule_has_a_bar_for_every_row_with_a_time(opened: Opener) -> None:
    page = opened("/protocols/acr-surveillance")
    expect(page.locator(".schedule g title", has_text="the two-year visit comes next")).to_have_count(1)
    page = opened("/protocols/brochure-calcification")
    page.get_by_text("The schedule in words").click()
    expect(page.locator(".schedule details")).to_contain_text(
        "Probably benign, the six-month visit comes next: due 6 months after the first 3, accepted after 90 days, "
        "overdue after 9 months"
    )


def test_why_leads_from_a_card_to_its_marked_row_without_the_patient(opened: Opener) -> None:
    page = opened("/playground/01-open-4b")
    wait_for_answer(page, "patient-view")
    with page.expect_popup() as why:
        page.get_by_role("link", name="Why this card").click()
    popup = why.value
    assert popup.url.endswith("/explain/brochure-calcification/1.1.0/Category4")
    expect(popup.locator("tr[aria-current=true]")).to_contain_text("Category4")
    expect(popup.locator("main")).to_contain_text("one of 4, 4A, 4B, 4C")


@pytest.mark.parametrize(
    "path",
    ["/playground/99-nobody", "/explain/brochure-calcification/1.1.0/Nothing", "/patient/calcifications?lang=xx"],
)
def test_an_address_that_leads_nowhere_is_answered_with_404(base: str, path: str) -> None:
    assert requests.get(f"{base}{path}", timeout=9).status_code == 404
