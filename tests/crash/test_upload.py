"""What was acknowledged of an upload is there after kill -9, and the file in the end is the file that was sent."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.conformance.conftest import SETTINGS
from tests.conformance.drafting import Draft, Session, attachment_id_of, new_draft
from tests.conformance.targets import ADELE, OwnTarget
from tests.conformance.wire import Answer, Wire
from tests.crash.test_disk import fill, small_disk

from graphpost.testing.process import ServerProcess
from graphpost.testing.server import running_server

__all__ = ["small_disk"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DATA = random.Random(11).randbytes(6_000_000)
KILLS = 4


class Client:
    """Sends slices one after the other; knows what was acknowledged, and dies with the server."""

    def __init__(self, session: Session, slices: random.Random) -> None:
        self.session = session
        self.acknowledged = 0
        self.done: Answer | None = None
        self._slices = slices

    def upload(self, progress: threading.Event) -> None:
        """Until it is finished, or the connection breaks."""
        try:
            while self.done is None:
                self._send_slice()
                progress.set()
        except (OSError, http.client.HTTPException):
            self.session.wire.close()
        finally:
            progress.set()

    def go_on(self, wire: Wire) -> None:
        """On the server that was started again: everything acknowledged counts."""
        self.session.wire = wire
        expected = self.session.expected()
        start = int(expected[0].split("-")[0]) if expected else len(DATA)
        assert start >= self.acknowledged
        self.acknowledged = start

    def _send_slice(self) -> None:
        start = min(self.acknowledged, len(DATA) - 1)
        answer = self.session.put(start, DATA[start : start + self._slices.randrange(1, 900_000)])
        if answer.status == 201:
            self.done = answer
            return
        assert answer.status == 200, answer.body
        self.acknowledged = int(answer.json["nextExpectedRanges"][0].split("-")[0])


def wire_of(process: ServerProcess) -> Wire:
    return Wire(process.url, ssl.create_default_context(cafile=process.data / "ca/ca.pem"))


@pytest.mark.parametrize("seed", [1, 2])
def test_an_upload_survives_kills(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with running_server(tmp_path, file=SETTINGS) as server:
        own = OwnTarget(server)
        draft = Draft(own, ADELE, new_draft(own.server, ADELE))
        client = Client(draft.session(len(DATA)), chance)
        own.wire.close()
    for kill in range(KILLS + 1):
        with ServerProcess.start(tmp_path, "--port", "0", "--config", str(SETTINGS)) as process:
            client.go_on(wire_of(process))
            progress, died = threading.Event(), threading.Event()
            thread = threading.Thread(target=client.upload, args=(progress,))
            thread.start()
            if kill < KILLS:
                progress.wait(60)
                died.wait(chance.random() / 50)
                process.signal(SIGKILL)
                process.wait()
            thread.join()
            client.session.wire.close()
    with running_server(tmp_path, file=SETTINGS) as server:
        draft.own = own = OwnTarget(server)
        assert client.done is not None
        (made,) = draft.attachments()
        assert made["id"] == attachment_id_of(client.done)
        assert draft.value(made["id"]) == DATA
        own.wire.close()


def test_a_full_disk_is_a_503_and_the_upload_goes_on_when_there_is_room(small_disk: Path) -> None:
    data = small_disk / "data"
    with running_server(data, file=SETTINGS) as server:
        own = OwnTarget(server)
        draft = Draft(own, ADELE, new_draft(own.server, ADELE))
        session = draft.session(3_000_000)
        assert session.put(0, DATA[:1_000_000]).status == 200
        filler = small_disk / "filler"
        fill(filler)
        answer = session.put(1_000_000, DATA[1_000_000:3_000_000])
        assert answer.error[:2] == (503, "ServiceUnavailable")
        assert int(answer.headers["retry-after"]) > 0
        filler.unlink()
        assert session.expected() == ["1000000-2999999"]
        done = session.put(1_000_000, DATA[1_000_000:3_000_000])
        assert draft.value(attachment_id_of(done)) == DATA[:3_000_000]
        own.wire.close()
