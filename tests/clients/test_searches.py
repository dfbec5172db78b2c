"""Searches and filters as the released libraries write them."""

from __future__ import annotations

import pytest
from tests.clients.world import World

pytestmark = pytest.mark.slow


def test_msgraph_sdk_finds_messages(world: World) -> None:
    every = [f"Draft {number}" for number in range(5)]
    assert world.python("sdk_search.py", "zwetschge") == {
        "word": every,
        "phrase": ["Draft 3"],
        "recipient": ["Draft 4"],
        "without": [],
        "to": every,
        "tag": ["Draft 2"],
    }


def test_python_o365_finds_messages(world: World) -> None:
    assert world.python("o365_search.py", "quetzal") == {
        "W": ["About a quetzal"],
        "subject:W": ["About a quetzal"],
        '"W of many"': ["About a quetzal"],
        "W AND nowhere": [],
        "body:P*": ["About a quetzal"],
    }
