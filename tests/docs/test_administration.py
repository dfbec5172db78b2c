"""The administrator's page has every request of the HTTP API, and its tables are tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphpost.admin.operations import Operations

PAGE = (Path(__file__).parents[2] / "docs/administration.md").read_text("utf-8")
SHORT = {"queue_id": "id", "credential_id": "id"}


@pytest.mark.parametrize(("method", "path"), Operations.ROUTES.values(), ids=" ".join)
def test_every_request_has_a_row(method: str, path: str) -> None:
    for name, short in SHORT.items():
        path = path.replace(f"{{{name}}}", f"{{{short}}}")
    assert re.search(rf"^\| `{method} {re.escape(path)}[`?]", PAGE, re.MULTILINE)


def test_every_table_has_its_headings() -> None:
    lines = PAGE.splitlines()
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if line.startswith("|") and not before.startswith("|"):
            assert after.startswith("|---"), line
