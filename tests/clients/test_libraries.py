"""python-o365 and Office365-REST-Python-Client, with the changes they need, and with none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.letters import sha256
from tests.clients.proxy import leading_to
from tests.clients.world import ADELE, World

pytestmark = pytest.mark.slow
SCRIPTS = {"o365": "o365_send.py", "office365": "office365_send.py"}


@pytest.fixture
def proxy(world: World) -> Iterator[str]:
    with leading_to(world.server.port) as (url, _):
        yield url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Größen.csv"
    path.write_bytes("größe;5\r\n".encode() * 20_000)
    return path


@pytest.mark.parametrize("unchanged", [False, True], ids=["told", "unchanged"])
@pytest.mark.parametrize("library", SCRIPTS)
def test_a_library_sends_and_finds_what_it_sent(
    world: World, proxy: str, file: Path, library: str, unchanged: bool
) -> None:
    subject = f"Grüße aus {library} {unchanged}"
    if unchanged:
        seen = world.python(SCRIPTS[library], subject, file, "unchanged", HTTPS_PROXY=proxy)
    else:
        seen = world.python(SCRIPTS[library], subject, file)
    content = file.read_bytes()
    assert seen == {
        "subject": subject,
        "bcc": ["archive@remote.example"],
        "file": file.name,
        "sha256": sha256(content),
    }
    mail = world.relay.wait_for(subject)
    assert mail.sender == ADELE
    assert set(mail.recipients) == {"zoe@remote.example", "archive@remote.example"}
    assert b"archive" not in mail.data
    (attachment,) = mail.message.iter_attachments()
    assert attachment.get_filename() == file.name
    assert attachment.get_payload(decode=True) == content
