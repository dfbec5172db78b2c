"""What a search sees of a message."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.made import item

from graphpost.mail.message import Address, Attachment, Body
from graphpost.odata.search import parse_search
from graphpost.store.search import searched
from graphpost.store.search.searched import index_words, matches

MAIL = item(
    subject="Quarterly Report: Größe",
    body=Body(
        "<p>Dear <b>Fanny</b>,</p><script>hidden</script><p>see <a href='https://x.test/deep'>this</a></p>",
        "html",
    ),
    from_=Address("adele@contoso.test", "Adele Vance"),
    to=(Address("fanny@contoso.test", "Fanny D"), Address("x@one.test")),
    cc=(Address("carl@two.test", "Carl"),),
    bcc=(Address("bo@three.test", "Bo"),),
    attachments=(Attachment(attachment_id=1, name="api-catalog.md"),),
    importance="high",
    received_at=1_767_225_600_000_000,
    sent_at=1_767_225_600_000_000,
    size=5000,
)


@pytest.mark.parametrize(
    ("query", "is_meant"),
    [
        ("report", True),
        ("quarter", False),
        ("quarter*", True),
        ('"quarterly report"', True),
        ('"report quarterly"', False),
        ('"report grös"*', True),
        ("GROSSE", True),
        ("adele", True),
        ("vance fanny", True),
        ("fanny -adele", False),
        ("hidden", False),
        ("deep", True),
        ("carl", False),
        ("cc:carl", True),
        ("recipients:carl", True),
        ("participants:adele", True),
        ("recipients:adele", False),
        ("to:fanny@contoso.test", True),
        ('to:"d fanny"', False),  # a name and an address are two texts
        ("bcc:three", True),
        ("subject:fanny", False),
        ("subject=report", False),
        ('subject="quarterly report grösse"', True),
        ('subject="quarterly rep"*', True),
        ("attachment:catalog.md", True),
        ("catalog", False),
        ("hasattachments:yes", True),
        ("importance:high", True),
        ("importance:low", False),
        ("kind:email", True),
        ("kind:tasks", False),
        ("size:4KB..5KB", True),
        ("size<5000", False),
        ("received:2026-01-01 sent>=2026", True),
        ("received<>2026-01-01", False),
        ("body:report", False),
    ],
)
def test_a_message_is_meant_or_not(query: str, is_meant: bool) -> None:
    text = query.replace('"', '\\"')
    assert matches(parse_search(f'"{text}"', 0), MAIL) is is_meant


def test_a_message_is_under_every_word_of_every_field() -> None:
    found = index_words(MAIL)
    assert {"fadele", "fvance", "squarterly", "sgrosse", "ydeep", "tx", "ctwo", "bthree", "acatalog"} <= found
    assert not {"yhidden", "scarl"} & found


def test_long_words_share_an_entry() -> None:
    found = index_words(item(subject="x" * 100, body=Body()))
    assert max(map(len, found)) == 1 + searched.WORD_LENGTH


def test_a_message_of_very_many_words_is_under_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "MOST_WORDS", 20)
    many: dict[str, Any] = {"body": Body(" ".join(map(str, range(50))))}
    assert index_words(item(**many)) == {searched.EVERYTHING}


def test_of_a_long_body_the_beginning_is_searched() -> None:
    mail = item(body=Body("begin " + "x " * searched.BODY_CHARACTERS + " end"))
    assert matches(parse_search("begin", 0), mail)
    assert not matches(parse_search("body", 0), mail)
    assert not matches(parse_search("end", 0), mail)
