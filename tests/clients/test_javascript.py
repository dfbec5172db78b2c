"""microsoft-graph-client and @azure/identity on Node, as released, each run as a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.clients import letters, node
from tests.clients.person import Person
from tests.clients.refusals import REFUSED, check_refusals
from tests.clients.world import ADELE, ALEX, NARROW, World

pytestmark = pytest.mark.slow
SUBJECT = "JavaScript: Angebot №8 – Größe ✓ 寸法, and so long that the line has to be folded somewhere 📎"


@pytest.fixture(scope="module")
def program() -> str:
    return node.node()


@pytest.fixture
def script(world: World, program: str) -> Any:
    """Runs a program of `js/`; the JSON it prints last."""

    def run(name: str, *arguments: object, **more: str) -> Any:
        return world.run([program, str(node.DIRECTORY / name)], *arguments, **more)

    return run


@pytest.fixture(scope="module")
def sent(world: World, program: str, picture: Path, report: Path) -> str:
    """The letter, sent and delivered to everybody; its subject."""
    mark = world.server.output.mark()
    command = [program, str(node.DIRECTORY / "send.js")]
    assert world.run(command, SUBJECT, picture, report) == {"answer": ""}
    world.server.output.wait_for(f"(delivered|filed).*{ALEX}", mark)
    return SUBJECT


def test_the_letter_arrives_as_it_was_written(world: World, sent: str, picture: Path, report: Path) -> None:
    letters.check_on_the_wire(world.relay.wait_for(sent), sent, picture, report)


def test_the_letter_is_in_sent_items_with_its_bcc(
    script: Any, world: World, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = script("read.js", sent, ADELE, "SentItems", tmp_path / "sent.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == letters.BCC
    assert seen["delivery_receipt"] is True
    assert seen["message_id"] == world.relay.wait_for(sent).message["message-id"]
    letters.check_mime(tmp_path / "sent.eml", sent, picture, report, letters.BCC)


def test_the_letter_is_in_the_inbox_of_a_local_recipient_without_its_bcc(
    script: Any, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = script("read.js", sent, ALEX, "inbox", tmp_path / "inbox.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == []
    letters.check_mime(tmp_path / "inbox.eml", sent, picture, report, [])


KINDS = ("secret", "certificate", "password")


def test_every_credential_sends_and_an_empty_answer_confuses_nobody(
    script: Any, world: World, tmp_path: Path
) -> None:
    mime = tmp_path / "message.eml"
    mime.write_bytes(letters.MIME.format(id="js").encode())
    assert script("short.js", "Kurz", mime, *KINDS) == ["", "", "", ""]
    for kind in KINDS:
        letters.check_short(world.relay.wait_for(f"Kurz {kind}"), kind)
    letters.check_relayed(world.relay.wait_for_bytes(b"<js@contoso.test>"), "js")
    assert script("read.js", "Kurz secret", ADELE, "sentitems", tmp_path / "none.eml") is None


def test_a_device_code_sends_as_its_user(world: World, adele: Person, program: str, tmp_path: Path) -> None:
    mime = tmp_path / "message.eml"
    mime.write_bytes(letters.MIME.format(id="js-device").encode())
    command = [program, str(node.DIRECTORY / "short.js")]
    with world.talking(command, "Kurz", mime, "device") as talk:
        code, address = talk.hear("CODE")
        adele.enter_code(address, code)
        assert talk.answer() == ["", ""]
    letters.check_short(world.relay.wait_for("Kurz device"), "device")


def test_refusals_are_graph_errors_with_the_code_in_them(script: Any, world: World, sent: str) -> None:
    seen = script("errors.js", NARROW=NARROW)
    check_refusals(seen["graph"], REFUSED)
    assert "Never sent" not in [mail.subject for mail in world.relay.delivered]
    assert seen["token"].startswith("Authentication")
    assert "AADSTS7000215" in seen["token"]
