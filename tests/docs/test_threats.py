"""The threat model names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/threats.md").read_text("utf-8"))))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[f"{file}::{name}" for file, name in NAMED])
def test_what_the_threat_model_names_is_a_test(file: str, name: str) -> None:
    path = ROOT / "tests" / file
    assert path.is_file()
    found = {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in found


def test_every_threat_has_a_test() -> None:
    rows = re.findall(
        r"^\| (?!threat|between|---)(.+) \|$", (ROOT / "docs/threats.md").read_text("utf-8"), re.M
    )
    borders = [row for row in rows if row.count(" | ") == 2 and "::" not in row]
    assert len(rows) > 40
    assert all(
        re.search(r"`(web|auth|graph|inbound|mail|transport|authenticity|notifications|store)/", row)
        for row in borders
    )
