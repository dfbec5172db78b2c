"""Chromium, driven by Playwright, for the tests of a module: starting both takes longer than most of what they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from tests.programs import needed


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    """Of a module and no more, because nothing else can have an event loop in this thread meanwhile."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright: Any) -> Iterator[Any]:
    """Each `new_context` is a person's browser of its own."""
    browser = playwright.chromium.launch(executable_path=needed("chromium"), args=["--no-sandbox"])
    yield browser
    browser.close()
