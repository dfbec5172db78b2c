"""What is known of the process's limits."""

from __future__ import annotations

import os
import resource

import pytest

from graphpost.process import OpenFiles


@pytest.mark.parametrize(("most", "are_short"), [(2.0, False), (1.1, True), (0.5, True)])
def test_files_are_short_when_few_more_may_be_opened(most: float, are_short: bool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number, files = len(os.listdir("/dev/fd")), OpenFiles()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(number * most), hard))
        assert files.are_short() is are_short
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_asks_has_one_more_until_they_are_counted_again() -> None:
    files, (soft, hard) = OpenFiles(), resource.getrlimit(resource.RLIMIT_NOFILE)
    number = len(os.listdir("/dev/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, ((number + 20) * 8 // 7, hard))
        assert [files.are_short() for _ in range(30)].index(True) in range(15, 25)
        files.forget()
        assert not files.are_short()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
