"""One server with a relay that takes everything, its log at its most talkative; looked at as an attacker would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.conformance.conftest import SETTINGS
from tests.conformance.targets import OwnTarget

from graphpost.testing.server import running_server
from graphpost.testing.smtp_peer import SmtpPeer


@dataclass(frozen=True)
class Besieged:
    target: OwnTarget
    relay: SmtpPeer

    @property
    def output(self) -> str:
        self.target.server.server.log.flush()
        return self.target.server.output.getvalue()


@pytest.fixture(scope="session")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    with SmtpPeer() as relay:
        flags = {"log.level": "debug", "relay": f"smtp://127.0.0.1:{relay.port}"}
        with running_server(tmp_path_factory.mktemp("besieged"), file=SETTINGS, flags=flags) as server:
            target = OwnTarget(server)
            yield Besieged(target, relay)
            target.wire.close()
