"""Bodies of messages as they are read: safe, unique, or as they came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.graph.cabinet import Cabinet
from tests.graph.desk import ADELE
from tests.store.made import item

from graphpost.graph import html, render
from graphpost.ids import message_id_text
from graphpost.mail.message import Body, ContentRef
from graphpost.store.contents import Content

HOSTILE = (
    '<html><head><style>p{color:red}</style></head><body onload="steal()"><p onclick="x()">Hi '
    '<img src="cid:logo"></p><script>steal()</script><a href="javascript:x()">here</a></body></html>'
)
SAFE = '<body><p>Hi <img src="cid:logo"></p><a>here</a></body>'
REPLY = '<p>Yes</p><hr><div id="divRplyFwdMsg">From: a</div><p>No?</p>'
MIME = b"Subject: x\r\nContent-Type: text/html\r\n\r\n" + HOSTILE.encode()


@pytest.fixture
def cabinet(tmp_path: Path) -> Iterator[Cabinet]:
    opened = Cabinet.in_file(tmp_path)
    yield opened
    opened.close()


def key(number: int) -> str:
    return message_id_text(ADELE.object_id, number, 0)


def test_a_body_is_shown_without_what_could_do_something(cabinet: Cabinet) -> None:
    cabinet.put([item(1, 1, body=Body(HOSTILE, "html"), preview="Hi here")])
    for value in (
        cabinet.ask("GET", f"messages/{key(1)}").json,
        cabinet.ask("GET", "messages").json["value"][0],
    ):
        assert SAFE in value["body"]["content"]
        assert "p{color:red}" in value["body"]["content"]
        assert value["bodyPreview"] == "Hi here"


def test_a_body_is_shown_as_it_came_when_that_is_asked_for(cabinet: Cabinet) -> None:
    cabinet.put([item(1, 1, body=Body(HOSTILE, "html"))])
    answer = cabinet.ask(
        "GET",
        f"messages/{key(1)}?$select=body,uniqueBody",
        prefer='outlook.allow-unsafe-html, outlook.body-content-type="html"',
    )
    for name in ("body", "uniqueBody"):
        assert 'onload="steal()"' in answer.json[name]["content"]
    assert answer.headers["Preference-Applied"] == (
        'outlook.body-content-type="html", outlook.allow-unsafe-html'
    )


def test_the_mime_is_what_it_was(cabinet: Cabinet) -> None:
    cabinet.put(
        [item(1, 1, raw=ContentRef(5), body=Body(HOSTILE, "html"))], [Content(5, len(MIME), "0" * 64, MIME)]
    )
    assert cabinet.raw(f"messages/{key(1)}/$value") == MIME


def test_the_unique_body_leaves_out_what_is_quoted(cabinet: Cabinet) -> None:
    text = "Yes\r\n\r\n" + "_" * 32 + "\r\nFrom: a\r\nNo?"
    cabinet.put([item(1, 1, body=Body(REPLY, "html")), item(2, 1, body=Body(text, "text"))])
    value = cabinet.ask("GET", f"messages/{key(1)}?$select=uniqueBody,body").json
    assert value["uniqueBody"]["content"].endswith("<body><p>Yes</p></body></html>")
    assert "No?" in value["body"]["content"]
    as_text = cabinet.ask(
        "GET", f"messages/{key(1)}?$select=uniqueBody", prefer='outlook.body-content-type="text"'
    )
    assert as_text.json["uniqueBody"] == {"contentType": "text", "content": "Yes"}
    plain = cabinet.ask("GET", f"messages/{key(2)}?$select=uniqueBody").json
    assert plain["uniqueBody"] == {"contentType": "text", "content": "Yes"}


@pytest.mark.parametrize(("size", "in_thread"), [(100, False), (render.IN_THREAD + 1, True)])
@pytest.mark.parametrize("path", ["messages", f"messages/{key(1)}"])
def test_much_html_does_not_hold_up_other_requests(
    cabinet: Cabinet, size: int, in_thread: bool, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def noticed(content: str) -> None:
        threads.append(threading.current_thread() is not threading.main_thread())

    monkeypatch.setattr(html, "sanitise", noticed)
    cabinet.put([item(1, 1, body=Body("<p>" + "x" * size, "html"))])
    assert cabinet.ask("GET", path).status == 200
    assert threads == [in_thread]
    cabinet.ask("GET", f"{path}?$select=subject")
    assert len(threads) == 1
