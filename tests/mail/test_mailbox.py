"""The directory: whose an address is, however it is spelt."""

from __future__ import annotations

import pytest

from graphpost.mail.mailbox import Directory, Mailbox, Reception

BOX = Mailbox(
    mailbox_id=1, object_id="1" * 36, address="Info@Bücher.test", aliases=("straße@contoso.test", "i@b.test")
)


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("info@bücher.test", True),
        ("INFO@BÜCHER.TEST", True),
        ("info@xn--bcher-kva.test", True),
        ("I@B.test", True),
        ("Straße@contoso.test", True),
        ("strasse@contoso.test", False),
        ("info@bucher.test", False),
        ("", False),
    ],
)
def test_a_mailbox_is_found_by_any_spelling_of_its_addresses_and_no_other(
    address: str, is_ours: bool
) -> None:
    assert BOX.owns(address) is is_ours
    assert (Directory.of([BOX]).find_address(address) is BOX) is is_ours


def test_a_user_key_is_the_id_or_the_first_address() -> None:
    directory = Directory.of([BOX])
    assert directory.find("info@XN--BCHER-kva.test") is BOX
    assert directory.find("1" * 36) is BOX
    assert directory.find("i@b.test") is None


ADELE = Mailbox(mailbox_id=1, object_id="1" * 36, address="adele@contoso.test", aliases=("list+x@b.test",))
ALEX = Mailbox(mailbox_id=2, object_id="2" * 36, address="alex@contoso.test")


@pytest.mark.parametrize(
    ("address", "reception", "box"),
    [
        ("adele+orders@contoso.test", Reception(), ADELE),
        ("Adele+a+b@Contoso.Test", Reception(), ADELE),
        ("adele+@contoso.test", Reception(), ADELE),
        ("list+x@b.test", Reception(), ADELE),
        ("list+x+y@b.test", Reception(), None),
        ("+x@contoso.test", Reception(), None),
        ("adele+x@else.test", Reception(), None),
        ("adele-x@contoso.test", Reception(), None),
        ("adele-x@contoso.test", Reception(delimiter="-"), ADELE),
        ("adele+x@contoso.test", Reception(delimiter=""), None),
        ("postmaster@contoso.test", Reception(), None),
        ("PostMaster@contoso.test", Reception(domains=frozenset({"contoso.test"})), ADELE),
        (
            "postmaster@contoso.test",
            Reception(domains=frozenset({"contoso.test"}), postmaster="alex@contoso.test"),
            ALEX,
        ),
        (
            "postmaster@contoso.test",
            Reception(domains=frozenset({"contoso.test"}), postmaster="gone@x.test"),
            ADELE,
        ),
    ],
)
def test_mail_finds_more_addresses_than_a_mailbox_has(
    address: str, reception: Reception, box: Mailbox | None
) -> None:
    directory = Directory.of([ALEX, ADELE]).receiving(reception)
    assert directory.find_recipient(address) is box


def test_what_only_mail_finds_is_nobodys_own() -> None:
    directory = Directory.of([ADELE])
    assert directory.find_address("adele+x@contoso.test") is None
    assert not ADELE.owns("adele+x@contoso.test")
