"""Reading address lists and checking addresses."""

from __future__ import annotations

from email.headerregistry import Address as StdAddress
from email.utils import formataddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.address import domain_of, is_valid_address, needs_smtputf8, parse_address_list, to_wire
from graphpost.mail.message import Address

A = Address
LISTS = [
    ("", []),
    (" \t", []),
    ("a@b.c", [A("a@b.c")]),
    ("Adele Vance <AdeleV@contoso.com>", [A("AdeleV@contoso.com", "Adele Vance")]),
    ("Adele Vance<AdeleV@contoso.com>", [A("AdeleV@contoso.com", "Adele Vance")]),
    ('"Vance, Adele" <a@b.c>, x@y.z', [A("a@b.c", "Vance, Adele"), A("x@y.z")]),
    (r'"The \"boss\"" <a@b.c>', [A("a@b.c", 'The "boss"')]),
    ("a@b.c (Adele (the) Vance)", [A("a@b.c", "Adele (the) Vance")]),
    ("undisclosed-recipients:;", []),
    ("Team: a@b.c, B <b@b.c>; c@b.c", [A("a@b.c"), A("b@b.c", "B"), A("c@b.c")]),
    ("a@b.c; d@e.f", [A("a@b.c"), A("d@e.f")]),
    (",, a@b.c ,,", [A("a@b.c")]),
    ("=?utf-8?Q?J=C3=BCrgen?= <j@b.c>", [A("j@b.c", "Jürgen")]),
    ("=?utf-8?Q?M=C3=BCller,?= =?utf-8?Q?_J?= <j@b.c>", [A("j@b.c", "Müller, J")]),
    ('"=?utf-8?B?SsO8cmdlbg==?=" <j@b.c>', [A("j@b.c", "Jürgen")]),
    ("=?utf-8?Q?a,b?= <j@b.c>", [A("j@b.c", "a,b")]),
    ("=?utf-8?Q?Foo_(Bar)?= <j@b.c>", [A("j@b.c", "Foo (Bar)")]),
    ("<@hop.x,@hop.y:a@b.c>", [A("a@b.c")]),
    ('"quoted local"@b.c', [A('"quoted local"@b.c')]),
    ('X <"quoted > local"@b.c>', [A('"quoted > local"@b.c', "X")]),
    ("a @ b.c", [A("a@b.c")]),
    ("John Q. Public <j@b.c>", [A("j@b.c", "John Q. Public")]),
    ("John Public j@b.c", [A("j@b.c", "John Public")]),
    ("a@b.c d@e.f", [A("a@b.c"), A("d@e.f")]),
    ("MAILER-DAEMON", [A("MAILER-DAEMON")]),
    ("Foo <a@b.c, Bar <d@e.f>", [A("a@b.c", "Foo"), A("d@e.f", "Bar")]),
    ('"open <a@b.c>', [A("a@b.c", "open")]),
    ("(open <a@b.c>", [A("a@b.c", "open")]),
    ("a@b.c>", [A("a@b.c")]),
    ("<>", []),
    ("Jürgen <jürgen@bücher.example>", [A("jürgen@bücher.example", "Jürgen")]),
    ("mail\x00er <a\x00@b.c>", [A("a@b.c", "mail er")]),
    ("to::o;t: \xf7", [A("o"), A("\xf7")]),
]


@pytest.mark.parametrize(("text", "expected"), LISTS, ids=[repr(text) for text, _ in LISTS])
def test_a_list_is_read_leniently(text: str, expected: list[Address]) -> None:
    assert parse_address_list(text) == expected


VALID = [
    "a@localhost",
    "a@b.c",
    "first.last+tag@sub.example.co",
    "o'brien!#$%&*/=?^_`{|}~-@b.c",
    '"quoted local"@b.c',
    r'"a\"b"@b.c',
    "jürgen@b.c",
    "a@bücher.example",
    "a" * 64 + "@b.c",
    "a@1.2.3",
]
INVALID = [
    "",
    "a",
    "@b.c",
    "a@",
    "a@b.c,d@e.f",
    "a@b.c;d@e.f",
    "a b@c.d",
    "a@b c",
    "a@b..c",
    "a@.b",
    "a@b.",
    "a.@b.c",
    ".a@b.c",
    "a..b@c.d",
    "a@-b.c",
    "a@b-.c",
    "a@[127.0.0.1]",
    "<a@b.c>",
    "A <a@b.c>",
    "a@b.c\r\nRCPT TO:<x@y.z>",
    "a\n@b.c",
    "a\x00@b.c",
    '"a\r\nb"@b.c',
    '"a"b"@b.c',
    "a@b@c.d",
    "a" * 65 + "@b.c",
    "ü" * 33 + "@b.c",
    "a@" + "b." * 127 + "c",
    "a@" + "b" * 64 + ".c",
    "a" * 60 + "@" + ".".join(["b" * 60] * 5),
    "a\u2028b@c.d",
    "a\u0085b@c.d",
    "a\ud800@c.d",
    "a@xn--\ud800.d",
    "a@b.c ",
    " a@b.c",
    "a@b_c.d",
]


@pytest.mark.parametrize("text", VALID)
def test_an_rfc_5321_mailbox_is_valid(text: str) -> None:
    assert is_valid_address(text)


@pytest.mark.parametrize("text", INVALID)
def test_what_is_not_one_mailbox_is_invalid(text: str) -> None:
    assert not is_valid_address(text)


def test_the_limit_is_the_callers() -> None:
    assert is_valid_address("a@b.c", limit=5)
    assert not is_valid_address("a@b.cd", limit=5)


def test_a_domain_is_lower_case_and_in_a_labels() -> None:
    assert domain_of("A@Contoso.COM") == "contoso.com"
    assert domain_of("a@Bücher.Example") == "xn--bcher-kva.example"
    assert domain_of('"a@b"@C.d') == "c.d"
    assert domain_of("nobody") == ""


def test_only_a_local_part_needs_smtputf8() -> None:
    assert needs_smtputf8("jürgen@b.c")
    assert not needs_smtputf8("j@bücher.example")
    assert not needs_smtputf8("j@b.c")


def test_on_the_wire_a_domain_is_ascii_unless_smtputf8_is_needed_anyway() -> None:
    assert to_wire("J@bücher.example") == "J@xn--bcher-kva.example"
    assert to_wire("jürgen@bücher.example") == "jürgen@bücher.example"
    assert to_wire("J@B.c") == "J@B.c"


@given(st.text(max_size=200))
def test_reading_never_raises_and_gives_no_control_characters(text: str) -> None:
    for found in parse_address_list(text):
        assert found.address
        assert not any(ord(c) < 32 or ord(c) == 127 for c in found.address + found.name)


@given(st.text(alphabet='ab"(),:;<>@\\ =?uqQB8-_.\u00fc', max_size=80))
def test_reading_never_raises_on_specials(text: str) -> None:
    parse_address_list(text)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20), max_size=4)
)
def test_what_the_standard_library_writes_is_read_back(names: list[str]) -> None:
    addresses = [A(f"u{number}@example.test", name) for number, name in enumerate(names) if "=?" not in name]
    written = ", ".join(formataddr((a.name, a.address)) for a in addresses)
    assert parse_address_list(written) == addresses


@given(st.text(alphabet='ab.@"\\ -_ü[]<>,\r\n\0', max_size=30))
def test_a_valid_address_stands_alone_in_a_list_and_for_the_standard_library(text: str) -> None:
    if is_valid_address(text):
        assert [found.address for found in parse_address_list(text)] == [text]
        if text.isascii():
            assert StdAddress(addr_spec=text).domain == text.rpartition("@")[2]


@pytest.mark.parametrize(
    "unit", ['"', "(", "<", ")", ">", "=?", "=?u?q?", '"\\', "a@", ",", ":", "(\\", '<"', "= ", "a "]
)
def test_long_hostile_lists_are_read(unit: str) -> None:
    parse_address_list(unit * 20_000)
