"""Replies and forwards as the released libraries make them, and what they are on the wire."""

from __future__ import annotations

import base64

import pytest
from tests.clients.relay import Delivered
from tests.clients.world import ADELE, World

from graphpost.mail.thread import is_index

pytestmark = pytest.mark.slow


def check_thread(mail: Delivered, message_id: str) -> None:
    assert not [part.defects for part in mail.message.walk() if part.defects]
    assert mail.message["in-reply-to"] == message_id
    assert mail.message["references"] == message_id
    index = base64.b64decode(mail.message["thread-index"])
    assert (is_index(index), len(index)) == (True, 27)


def html_of(mail: Delivered) -> str:
    part = mail.message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_msgraph_sdk_answers_and_passes_on(world: World) -> None:
    seen = world.python("sdk_replies.py", "Suppe SDK")
    message_id = seen.pop("message_id")
    assert seen == {
        "draft": [True, "RE: Suppe SDK", "office@remote.example"],
        "conversations": 1,
        "quoted": [True, True],
        "passed": ["FW: Suppe SDK", True, []],
        "refused": 400,
    }
    expected = {
        "RE: Suppe SDK draft": (["office@remote.example"], "Entwurf<hr "),
        "RE: Suppe SDK reply": (["office@remote.example"], "Ja, gern<hr "),
        "RE: Suppe SDK all": (
            ["office@remote.example", "zoe@remote.example", "sakura@remote.example"],
            "Ja<hr ",
        ),
        "FW: Suppe SDK": (["archive@remote.example"], "Siehe<hr "),
    }
    for subject, (recipients, text) in expected.items():
        mail = world.relay.wait_for(subject)
        assert (mail.sender, sorted(mail.recipients)) == (ADELE, sorted(recipients))
        check_thread(mail, message_id)
        assert text in html_of(mail)
        assert "<div><p>Suppe?</p></div>" in html_of(mail)
    files = [(part.get_filename(), part.get_payload(decode=True)) for part in mail.message.iter_attachments()]
    assert files == [("größe.txt", "fünf\n".encode())]
    assert world.relay.wait_for("RE: Suppe SDK draft").message["importance"] == "High"


def test_python_o365_answers_and_passes_on(world: World) -> None:
    seen = world.python("o365_replies.py", "Suppe O365")
    message_id = seen.pop("message_id")
    assert seen == {
        "all": ["RE: Suppe O365", ["zoe@remote.example"], ["sakura@remote.example"], True],
        "own": [ADELE],
        "kept": [True, True, True],
        "conversations": 1,
    }
    for subject in ("RE: Suppe O365", "FW: Suppe O365"):
        mail = world.relay.wait_for(subject)
        check_thread(mail, message_id)
        assert 'id="divRplyFwdMsg"' in html_of(mail)
    assert "Nachtisch" in html_of(world.relay.wait_for("RE: Suppe O365"))
