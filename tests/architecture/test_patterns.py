"""Regular expressions mean the same on every Python we run on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import graphpost

SOURCES = sorted(Path(graphpost.__file__).parent.rglob("*.py"))
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_group_is_possessive(path: Path) -> None:
    """Before 3.11.4 `(?:…)*+` keeps what its last, failed round took (a possessive class is fine)."""
    assert not POSSESSIVE_GROUP.search(path.read_text("utf-8"))
