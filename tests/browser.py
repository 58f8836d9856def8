"""A headless Chromium for tests of pages: the fixtures `browser` and `page` (a plug-in, see conftest.py), and `opened`.

`page` fails its test when the page wrote an error to the console, threw, or asked for anything that is neither on this
disk nor on this machine. Tests are skipped, with the reason, where there is no Chromium or no Playwright.

Pages whose policy forbids `eval` cannot be asked to `wait_for_function`; wait for a locator instead.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("file", "data", "blob", "about")  # schemes that leave no machine
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}  # CSS pixels


class Watched:
    """A Playwright page and what it did that it should not have done. Other attributes are those of the page."""

    def __init__(self, page: Any):
        self.raw = page
        self.errors: list[str] = []  # of the console, uncaught exceptions, and requests that failed
        self.outside: list[str] = []  # addresses beyond this machine
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self._look(request.url))
        page.on("websocket", lambda socket: self._look(socket.url))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def _failed(self, request: Any) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # the page itself gave it up, or was left
            self.errors.append(f"{request.method} {request.url}: {request.failure}")

    def _look(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL and parts.hostname not in LOOPBACK:
            self.outside.append(url)

    def check(self) -> None:
        """Fail when anything of it was wrong so far."""
        assert not self.outside, f"asked for what is not on this machine: {self.outside}"
        assert not self.errors, f"errors in the console: {self.errors}"

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        wide: bool = self.raw.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return wide


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Playwright's browser: one Chromium for all tests."""
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        pytest.skip("no Chromium is installed (apt install chromium)")
    with sync.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield launched
        launched.close()


@contextmanager
def opened(browser: Any, **options: Any) -> Iterator[Watched]:
    """A page in a fresh context; `options` are those of Playwright's `new_context`. Checked when the block ends well.

    `viewport=PHONE, has_touch=True, is_mobile=True` is a phone, `color_scheme="dark"` a dark desktop.
    """
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    try:
        watched = Watched(context.new_page())
        yield watched
        watched.check()
    finally:
        context.close()


@pytest.fixture
def page(browser) -> Iterator[Watched]:
    """A fresh desktop page, checked at the end of its test."""
    with opened(browser) as watched:
        yield watched
