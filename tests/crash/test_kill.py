"""What was acknowledged is delivered, however the server dies.  `make crash` runs the long form."""

import pytest
from tests.crash.kill import run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed() -> None:
    report = run(8, 800)
    assert report.is_clean(), str(report)
    assert report.acknowledged >= 800


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_over_fifty_kills(capsys: pytest.CaptureFixture[str]) -> None:
    report = run(50, 10_000)
    with capsys.disabled():
        print(f"\n{report}")
    assert report.is_clean(), str(report)
    assert report.acknowledged >= 10_000
