"""An event loop whose clock stands still until it is put forward, for what waits by `call_later`.

However slow the machine is, nobody's time is over before the test says so.  A module that uses it has `anyio_backend`
among its names.
"""

from __future__ import annotations

import asyncio

import pytest


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its time is what was let pass."""

    passed = 0.0

    def time(self) -> float:
        return self.passed


def let_pass(seconds: float) -> None:
    """Put the running loop's clock forward."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.passed += seconds


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": JumpingLoop}
