"""An event loop whose clock can be put forward, for what waits by `call_later`.

A module that uses it has `anyio_backend` among its names.
"""

from __future__ import annotations

import asyncio

import pytest


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its time is the machine's and what was put on top."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def let_pass(seconds: float) -> None:
    """Put the running loop's clock forward."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.ahead += seconds


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": JumpingLoop}
