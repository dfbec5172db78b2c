"""Conversions of large texts, by turns and in threads of their own.

One runs at a time, and one of very large texts beside it.  They hold the interpreter nearly all the
time: more of them at once would be done no sooner, and everybody else would wait for each of them, files that are read in
threads included.  What is only somewhat large does not stand behind what takes seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

HUGE: Final = 262_144  # characters: what has more takes its turn among its like

T = TypeVar("T")
_LARGE: Final = ThreadPoolExecutor(1, thread_name_prefix="conversion")
_HUGE: Final = ThreadPoolExecutor(1, thread_name_prefix="long-conversion")


async def converted(convert: Callable[[], T], size: int) -> T:
    """`convert()` of so many characters, when it is its turn."""
    return await asyncio.get_running_loop().run_in_executor(_HUGE if size > HUGE else _LARGE, convert)
