"""A real browser, and what it says of a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str | None:
    """The browser that CHROMIUM names, else one on the PATH."""
    names = [name for name in (os.environ.get("CHROMIUM"), *NAMES) if name]
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Without one the test is skipped, but fails in CI."""
    path = find_chromium()
    if path is None:
        reason = "no Chromium: install it, or name one in the variable CHROMIUM"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **context: Any) -> Iterator[Page]:
    """The page, all drawn. Whatever it logs or asks a network for is a failure."""
    settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"}
    tab = browser.new_context(**(settings | context)).new_page()
    told: list[str] = []
    tab.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: told.append(str(error)))

    def dismiss(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    tab.on("dialog", dismiss)
    tab.on("request", lambda request: told.append(request.url))
    tab.goto(path.as_uri())
    drawn(tab)
    yield tab
    tab.context.close()
    told.remove(path.as_uri())
    assert not [line for line in told if not line.startswith("blob:")]


def drawn(tab: Page) -> None:
    """Wait until the page has drawn what was chosen."""
    tab.wait_for_selector("html[data-drawn]", state="attached", timeout=20_000)


def choose_days(tab: Page, first: str, last: str) -> None:
    """Choose days as a reader does."""
    tab.fill("#from", first)
    tab.fill("#to", last)
    drawn(tab)


def table(tab: Page, chart: str) -> list[list[str]]:
    """The rows of a chart's table, as they are read."""
    details = tab.locator(f"#{chart} .numbers")
    if details.get_attribute("open") is None:
        details.locator("summary").click()
        tab.wait_for_selector(f"#{chart} tbody tr")
    return tab.eval_on_selector_all(
        f"#{chart} tbody tr",
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))",
    )
