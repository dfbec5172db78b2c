"""What was acknowledged is delivered, however the server dies.  `make crash` runs the long form."""

from collections.abc import Iterator

import pytest
from tests.crash.kill import run
from tests.programs import running_postgres


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an empty database; '' is SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    with running_postgres(durable=True) as server:
        yield server.url


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(url: str) -> None:
    kills, wanted = (4, 400) if url else (8, 800)
    report = run(kills, wanted, url=url)
    assert report.is_clean(), str(report)
    assert report.acknowledged >= wanted


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_over_fifty_kills(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(50, 10_000, url=url)
    with capsys.disabled():
        print(f"\n{report}")
    assert report.is_clean(), str(report)
    assert report.acknowledged >= 10_000
