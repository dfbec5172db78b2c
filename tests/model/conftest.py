"""How long the model of a mailbox is compared with the server; more than the usual finds more."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("model")
    group.addoption(
        "--model-examples", type=int, metavar="N", help="how many random mailboxes to live through"
    )
    group.addoption("--model-steps", type=int, metavar="N", help="operations in each (30)")
