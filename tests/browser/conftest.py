"""One service and one browser for all tests of the pages. Every page that a test opens is watched: nothing may be asked
of another host, and no script may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from cds_service.web.insights import hashed
from tests.browser.service import CHROMIUM, browsing, serving

PASSWORD = "grouped, fine and pleomorphic"
Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; install Debian's package chromium, or name a browser in CHROMIUM")
    with browsing() as found:
        yield found


@pytest.fixture(scope="session")
def base(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service in trial mode."""
    with serving(tmp_path_factory.mktemp("pages")) as address:
        yield address


@pytest.fixture(scope="session")
def closed(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that is not in trial mode, with a password for insights."""
    secrets = {"CDS_INSIGHTS_PASSWORD_HASH": hashed(PASSWORD), "CDS_SESSION_SECRET": "s" * 40}
    with serving(tmp_path_factory.mktemp("closed"), development=False, **secrets) as address:
        yield address


@pytest.fixture
def opened(browser: Browser, base: str) -> Iterator[Opener]:
    """Opens a page of the service, and checks at the end that it kept to itself."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opener(
        path: str, *, at: str = base, expect: int = 200, may_be_refused: bool = False, **settings: object
    ) -> Page:
        def is_wrong(message: ConsoleMessage) -> bool:
            failed = "Failed to load resource: the server responded with a status of "
            is_refusal = message.text.startswith((f"{failed}4", f"{failed}502"))
            return message.type == "error" and not (is_refusal and (may_be_refused or expect != 200))

        context = browser.new_context(**{"viewport": {"width": 1366, "height": 900}, **settings})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("console", lambda message: complaints.append(message.text) if is_wrong(message) else None)
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(f"{at}/") else complaints.append(f"another host: {asked.url}"),
        )
        answer = page.goto(f"{at}{path}", wait_until="networkidle")
        assert answer is not None
        assert answer.status == expect
        return page

    yield opener
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path
