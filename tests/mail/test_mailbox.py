"""The directory: whose an address is, however it is spelt."""

from __future__ import annotations

import pytest

from graphpost.mail.mailbox import Directory, Mailbox

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
