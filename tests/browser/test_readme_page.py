"""The page that the README prints works as it is printed, registered by the command that it prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from tests.browser.hosting import hosted
from tests.clients import node
from tests.clients.test_readme import shell, snippet
from tests.programs import needed

from graphpost.cli.env import environment
from graphpost.testing.server import ServerThread, running_server

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerThread]:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with running_server(tmp_path / "graphpost-data") as running:
        yield running


def test_the_page_sends(server: ServerThread, tmp_path: Path) -> None:
    chromium = needed("chromium")
    node.node()
    registered = shell(tmp_path, snippet("sh", "--spa-redirect-uri"))
    (client,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", registered)
    assert "secret" not in registered.lower()
    values = environment(server.config)
    printed = snippet("html", "loginRedirect")
    for placeholder, value in (
        ("https://localhost:8443", values["GRAPH_URL"]),
        ("the tenant id", values["TENANT_ID"]),
        ("the client id", client),
    ):
        assert placeholder in printed
        printed = printed.replace(placeholder, value)
    with hosted("5") as host, sync_playwright() as playwright:
        host.files["/"] = printed.encode()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(60_000)
        page.goto(host.url)
        page.fill("#username", values["MAILBOX"])
        page.fill("#password", values["USER_PASSWORD"])
        page.click("button[type=submit]")
        page.click("button[value=allow]")
        page.get_by_text("accepted").wait_for()
        browser.close()
    server.output.wait_for("(delivered|filed).*alex@example.test")
