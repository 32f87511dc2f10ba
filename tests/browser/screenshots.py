"""Makes the pictures of the documents from a real service: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.service import CHROMIUM, browsing, serving

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 300_000


def main() -> None:
    if CHROMIUM is None:
        sys.exit("There is no Chromium; install Debian's package chromium, or name a browser in CHROMIUM.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, serving(Path(state)) as base, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        _playground(page, base)
        _timeline(page, base)
        _protocol(page, base)
        _insights(page, base)
        page.emulate_media(color_scheme="dark")
        page.goto(f"{base}/playground", wait_until="networkidle")
        _kept(page, "patients-dark")


def _playground(page: Page, base: str) -> None:
    page.goto(f"{base}/playground/01-open-4b", wait_until="networkidle")
    page.get_by_role("button", name="Select order").click()
    expect(page.locator("#status")).to_contain_text("order-select")
    page.locator("#h-orders").evaluate("each => each.scrollIntoView()")
    _kept(page, "playground")


def _timeline(page: Page, base: str) -> None:
    page.goto(f"{base}/playground/11-benign-after-5", wait_until="networkidle")
    _kept(page, "timeline", "figure.timeline")


def _protocol(page: Page, base: str) -> None:
    page.goto(f"{base}/protocols/brochure-calcification", wait_until="networkidle")
    _kept(page, "protocol", "figure.schedule")


def _insights(page: Page, base: str) -> None:
    """After a morning of the invented patients: some suggestions taken, some cards overridden."""
    for round_, name in enumerate(
        ("01-open-4b", "02-category-3-month-seven", "04-category-0-magnification", "06-wrong-breast", "07-german-text",
         "08-conflict", "10-cancer-other-breast", "11-benign-after-5", "12-all-quiet", "01-open-4b", "06-wrong-breast")
    ):  # fmt: skip
        page.goto(f"{base}/playground/{name}", wait_until="networkidle")
        page.get_by_role("button", name="Select order").click()
        expect(page.locator("#status")).to_contain_text("order-select")
        card = page.locator("#cards article").first
        if not card.count():
            continue
        if round_ % 3 != 1 and card.locator(".suggestions button").count():
            card.locator(".suggestions button").first.click()
        elif card.locator("select").count():
            reasons = card.locator("select option").count() - 1
            card.locator("select").select_option(index=1 + round_ % reasons)
            card.get_by_role("button", name="Override").click()
        else:
            continue
        expect(page.locator("#feedback-words")).to_contain_text("taken")
    for _ in range(20):
        page.goto(f"{base}/insights", wait_until="networkidle")
        if page.locator("section[aria-labelledby=h-reasons] tbody tr").count():
            break
    _kept(page, "insights")


def _kept(page: Page, name: str, part: str | None = None) -> None:
    path = FOLDER / f"{name}.png"
    content = page.locator(part).screenshot(path=path) if part else page.screenshot(path=path)
    if len(content) > LARGEST:
        sys.exit(f"{name}.png has {len(content)} bytes, more than {LARGEST}")


if __name__ == "__main__":
    main()
