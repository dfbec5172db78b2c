"""SPF against a table of our own, and pyspf, an independent implementation, of the same opinion."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.authenticity.zone import FAILS, Table, Zone

from graphpost.authenticity.spf import SpfResult, check_spf
from graphpost.authenticity.spf_record import SpfSyntaxError, parse_record
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its source has escapes that Python warns of
    import spf as pyspf

FOUR, SIX = "192.0.2.7", "2001:db8::7"
HELO = "mail.sender.example"


def txt(text: str) -> dict[str, list[str]]:
    return {"TXT": [text]}


WORLD: Table = {
    "sender.example": {"A": [FOUR], "AAAA": [SIX], "MX": ["10 mx1.sender.example", "20 mx2.sender.example"]},
    "mx1.sender.example": {"A": ["192.0.2.65"]},
    "mx2.sender.example": {"A": [FOUR], "AAAA": ["2001:db8::9"]},
    "pass.example": txt("v=spf1 +all"),
    "fail.example": txt("v=spf1 -all"),
    "soft.example": txt("v=spf1 ~all"),
    "empty.example": txt("v=spf1"),
    "wrong.example": txt("v=spf1 nonsense"),
    "silent.example": FAILS,
    "other.example": txt("some other text"),
    "many.example": {"MX": [f"{n} h{n}.many.example" for n in range(11)]},
    "7.2.0.192.in-addr.arpa": {"PTR": ["far.example", "mx2.sender.example"]},
    "far.example": {"A": ["198.51.100.1"]},
    "7.2.0.192.seen.example": {"A": ["127.0.0.2"]},
    "adele.user.example": {"A": ["127.0.0.2"]},
    "example.sender.turned.example": {"A": ["127.0.0.2"]},
    "mx2.sender.example.named.example": {"A": ["127.0.0.2"]},
    "nothing.example": {},
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "one-of-two.example": {"TXT": ["verification=1", "v=spf1 -all", "v=spf10 +all"]},
    **{f"deep{n}.example": txt(f"v=spf1 include:deep{n + 1}.example -all") for n in range(11)},
    "deep11.example": txt("v=spf1 +all"),
    "self.example": txt("v=spf1 include:self.example -all"),
    "redirected.example": txt("v=spf1 redirect=pass.example"),
}
CASES = [
    ("+all", FOUR, "pass"),
    ("-all", FOUR, "fail"),
    ("~all", FOUR, "softfail"),
    ("?all", FOUR, "neutral"),
    ("", FOUR, "neutral"),
    ("ALL", FOUR, "pass"),
    ("  -all  ", FOUR, "fail"),
    # addresses
    ("ip4:192.0.2.7 -all", FOUR, "pass"),
    ("ip4:192.0.2.0/24 -all", FOUR, "pass"),
    ("ip4:192.0.2.99/24 -all", FOUR, "pass"),
    ("ip4:192.0.2.0/30 -all", FOUR, "fail"),
    ("ip4:192.0.2.7 -all", f"::ffff:{FOUR}", "pass"),
    ("ip4:192.0.2.7 -all", SIX, "fail"),
    ("ip6:2001:db8::/32 -all", SIX, "pass"),
    ("ip6:2001:db8::8/128 -all", SIX, "fail"),
    ("ip4:0.0.0.0/0 -all", SIX, "fail"),
    ("ip4:192.0.2.7/33 +all", FOUR, "permerror"),
    ("ip4:192.0.2.7/024 +all", FOUR, "permerror"),
    ("ip4:192.0.2 +all", FOUR, "permerror"),
    ("ip4 +all", FOUR, "permerror"),
    ("ip6:192.0.2.7 +all", FOUR, "permerror"),
    ("ip6:2001:db8::/129 +all", FOUR, "permerror"),
    # a and mx
    ("a -all", FOUR, "pass"),
    ("a -all", SIX, "pass"),
    ("a:mx1.sender.example -all", FOUR, "fail"),
    ("a:mx1.sender.example/24 -all", FOUR, "pass"),
    ("a:mx1.sender.example/24//64 -all", FOUR, "pass"),
    ("a/0 -all", FOUR, "pass"),
    ("a//64 -all", "2001:db8::ffff", "pass"),
    ("a:nobody.example -all", FOUR, "fail"),
    ("a:silent.example -all", FOUR, "temperror"),
    ("a: -all", FOUR, "permerror"),
    ("a:sender -all", FOUR, "permerror"),
    ("a:sender.123 -all", FOUR, "permerror"),
    ("a/33 -all", FOUR, "permerror"),
    ("a//129 -all", FOUR, "permerror"),
    ("a/ -all", FOUR, "permerror"),
    ("mx -all", FOUR, "pass"),
    ("mx -all", "192.0.2.66", "fail"),
    ("mx/24 -all", "192.0.2.66", "pass"),
    ("mx:many.example -all", FOUR, "permerror"),
    ("mx:silent.example -all", FOUR, "temperror"),
    # include and redirect
    ("include:pass.example -all", FOUR, "pass"),
    ("-include:pass.example +all", FOUR, "fail"),
    ("include:fail.example ?all", FOUR, "neutral"),
    ("include:soft.example ?all", FOUR, "neutral"),
    ("include:empty.example -all", FOUR, "fail"),
    ("include:wrong.example +all", FOUR, "permerror"),
    ("include:other.example +all", FOUR, "permerror"),
    ("include:nobody.example +all", FOUR, "permerror"),
    ("include:silent.example +all", FOUR, "temperror"),
    ("include:redirected.example -all", FOUR, "pass"),
    ("include +all", FOUR, "permerror"),
    ("include: +all", FOUR, "permerror"),
    ("include:two.example +all", FOUR, "permerror"),
    ("include:one-of-two.example ~all", FOUR, "softfail"),
    ("redirect=soft.example", FOUR, "softfail"),
    ("redirect=soft.example ip4:192.0.2.7", FOUR, "pass"),
    ("redirect=soft.example -all", FOUR, "fail"),
    ("redirect=nobody.example", FOUR, "permerror"),
    ("redirect=silent.example", FOUR, "temperror"),
    ("redirect=soft.example redirect=soft.example", FOUR, "permerror"),
    # exists, ptr
    ("exists:%{ir}.seen.example -all", FOUR, "pass"),
    ("exists:%{ir}.seen.example -all", "192.0.2.8", "fail"),
    ("exists:%{l}.user.example -all", FOUR, "pass"),
    ("exists:%{or}.turned.example -all", FOUR, "pass"),
    ("exists:%{p}.named.example -all", FOUR, "pass"),
    ("exists -all", FOUR, "permerror"),
    ("ptr -all", FOUR, "pass"),
    ("ptr:sender.example -all", FOUR, "pass"),
    ("ptr:ender.example -all", FOUR, "fail"),
    ("ptr:far.example -all", FOUR, "fail"),
    ("ptr -all", "192.0.2.8", "fail"),
    # macros
    ("include:%{d2}.example -all", FOUR, "permerror"),
    ("include:pass%%.example -all", FOUR, "permerror"),
    ("a:%{d0}.example -all", FOUR, "permerror"),
    ("a:%{z}.example -all", FOUR, "permerror"),
    ("a:%{d.example -all", FOUR, "permerror"),
    ("a:%d.example -all", FOUR, "permerror"),
    ("include:pa%{v}.example -all", FOUR, "permerror"),
    ("include:%{d1r}.pass.example -all", FOUR, "permerror"),
    # terms that there are not
    ("nonsense -all", FOUR, "permerror"),
    ("-all nonsense", FOUR, "permerror"),
    ("all:pass.example", FOUR, "permerror"),
    ("unknown=pass.example -all", FOUR, "fail"),
    ("unknown=%{x} -all", FOUR, "permerror"),
    ("exp=why.example -all", FOUR, "fail"),
    ("exp=why.example exp=why.example -all", FOUR, "permerror"),
    ("\u00e9 -all", FOUR, "permerror"),
    # bounds
    ("include:deep2.example -all", FOUR, "pass"),
    ("include:deep1.example -all", FOUR, "permerror"),
    ("include:self.example -all", FOUR, "permerror"),
    ("a:n1.example a:n2.example -all", FOUR, "fail"),
    ("a:n1.example exists:n2.example mx:n3.example +all", FOUR, "permerror"),
    ("a:nothing.example a:n2.example a:n3.example +all", FOUR, "permerror"),
]
# Where pyspf is of another opinion, and why ours is held to be the RFC's.
ALONE = {
    "a:%{d0}.example -all": "a macro that keeps no label is a fault (7.1, DIGIT)",
    "a:%{d.example -all": "a macro that is not closed is a fault",
}


def zone_of(record: str) -> Zone:
    own = {"TXT": ["hello", f"v=spf1 {record}".rstrip() if not record.startswith(" ") else f"v=spf1{record}"]}
    return Zone({**WORLD, "sender.example": {**WORLD["sender.example"], **own}})


def ask(zone: Zone, peer: str = FOUR, sender: str = "adele@sender.example", helo: str = HELO) -> SpfResult:
    return asyncio.run(check_spf(zone, peer, helo, sender))


@pytest.fixture
def independent() -> Iterator[Any]:
    """Asks pyspf about a zone."""
    before = pyspf.DNSLookup

    def ask_it(zone: Zone, peer: str, sender: str, helo: str) -> str:
        pyspf.DNSLookup = lambda name, kind, *more: answers(zone, name, kind)
        return str(pyspf.check2(peer, sender, helo, querytime=0)[0])

    yield ask_it
    pyspf.DNSLookup = before


def answers(zone: Zone, name: str, kind: str) -> list[Any]:
    try:
        found = zone.find(name, kind)
    except NoSuchDomainError:
        return []
    except LookupFailedError as error:
        raise pyspf.TempError(str(error)) from error
    if kind == "MX":
        return [((name, kind), (int(text.split()[0]), text.split()[1])) for text in found]
    if kind == "TXT":
        return [((name, kind), (text.encode(),)) for text in found]
    return [((name, kind), text) for text in found]


@pytest.mark.parametrize(("record", "peer", "result"), CASES)
def test_records_mean_what_the_rfc_says(record: str, peer: str, result: str, independent: Any) -> None:
    assert ask(zone_of(record), peer).result == result
    if record not in ALONE:
        assert independent(zone_of(record), peer, "adele@sender.example", HELO) == result


@pytest.mark.parametrize(
    ("sender", "helo", "result", "domain"),
    [
        ("adele@pass.example", "fail.example", "pass", "pass.example"),
        ("", "pass.example", "pass", "pass.example"),
        ("", "fail.example", "fail", "fail.example"),
        ("", "PASS.example.", "pass", "pass.example"),
        ("", "[192.0.2.7]", "none", "[192.0.2.7]"),
        ("", "localhost", "none", "localhost"),
        ("adele@two.example", "x", "permerror", "two.example"),
        ("adele@other.example", "x", "none", "other.example"),
        ("adele@nothing.example", "x", "none", "nothing.example"),
        ("adele@nobody.example", "x", "none", "nobody.example"),
        ("adele@silent.example", "x", "temperror", "silent.example"),
        ("adele@one-of-two.example", "x", "fail", "one-of-two.example"),
        ("adele@a..example", "x", "none", "a..example"),
        (f"adele@{'a' * 64}.example", "x", "none", f"{'a' * 64}.example"),
        ("adele", "x", "none", ""),
    ],
)
def test_the_domain_is_that_of_the_sender_or_of_who_says_hello(
    sender: str, helo: str, result: str, domain: str
) -> None:
    said = ask(Zone(WORLD), sender=sender, helo=helo)
    assert (said.result, said.domain) == (result, domain)


def test_a_peer_without_an_address_is_not_looked_at() -> None:
    zone = Zone(WORLD)
    assert ask(zone, peer="").result == "none"
    assert zone.asked == []


def test_what_went_wrong_is_said() -> None:
    assert ask(zone_of("include:nobody.example -all")).reason == (
        "sender.example includes nobody.example, which has no SPF record"
    )
    assert ask(zone_of("a:silent.example")).reason == "nothing about silent.example"


def test_a_name_that_becomes_too_long_loses_labels_at_its_left() -> None:
    labels = ".".join(["b" * 60] * 3)
    zone = zone_of(f"exists:%{{l}}.{labels}.example -all")
    ask(zone, sender=f"{'.'.join(['a'] * 30)}@sender.example")
    (asked,) = [name for name, kind in zone.asked if kind == "A"]
    assert asked.endswith(f"a.{labels}.example")
    assert len(asked) <= 253


def test_a_name_that_would_be_read_as_an_escape_is_not_asked_for() -> None:
    zone = zone_of("exists:%{l}.user.example -all")
    assert ask(zone, sender="a\\.b@sender.example").result == "fail"
    assert [kind for _, kind in zone.asked] == ["TXT"]


def test_the_peers_names_are_asked_for_once() -> None:
    zone = zone_of("ptr:a.example ptr:b.example exists:%{p}%{p}%{p}.example -all")
    ask(zone)
    assert [kind for _, kind in zone.asked].count("PTR") == 1


@pytest.mark.parametrize("text", [b"v=spf1 " + b"a " * 5000, b"v=spf1 a:" + b"9" * 8000, b"v=spf1 \xff"])
def test_a_monstrous_record_is_a_fault(text: bytes) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_record(text)


TERMS = st.sampled_from(
    ["a", "mx", "ptr", "all", "include:", "exists:", "redirect=", "exp=", "ip4:", "ip6:", "x=", "+", "-", "?", "~"]
)  # fmt: skip
PIECES = st.sampled_from(
    ["pass.example", "fail.example", "deep5.example", "nobody.example", "silent.example", "%{d}", "%{ir}", "%{l2r-}",
     "%{P}", "%{S}", "%", "%%", "{", "}", ":", "/", "/24", "//64", "192.0.2.0", "2001:db8::", ".", "..", "é", "\\", "=", "9"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(TERMS, st.lists(PIECES, max_size=3)), max_size=14),
    st.sampled_from([FOUR, SIX, "", "fe80::1%eth0"]),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_nothing_hostile_makes_it_raise_or_ask_much(
    terms: list[tuple[str, list[str]]], peer: str, local: str, helo: str
) -> None:
    zone = zone_of(" ".join(term + "".join(pieces) for term, pieces in terms))
    assert ask(zone, peer, f"{local}@sender.example", helo).result in (
        "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror",
    )  # fmt: skip
    assert len(zone.asked) <= 1 + 10 * 11


KNOWN = st.sampled_from(
    ["a", "mx", "a:mx2.sender.example", "a/24", "mx/24", "ip4:192.0.2.0/28", "ip4:198.51.100.1", "include:pass.example",
     "include:deep8.example", "include:soft.example", "include:nobody.example", "exists:%{ir}.seen.example", "ptr", "all",
     "redirect=soft.example", "redirect=deep6.example", "a:silent.example", "a:n1.example", "mx:n2.example", "exp=x.example"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "-", "~", "?"]), KNOWN), max_size=8, unique_by=lambda each: each[1]
    ),
    st.sampled_from([FOUR, "192.0.2.66"]),
)
def test_any_record_means_what_pyspf_says(terms: list[tuple[str, str]], peer: str) -> None:
    record = " ".join(term if "=" in term else sign + term for sign, term in terms)
    ours = ask(zone_of(record), peer).result
    before = pyspf.DNSLookup
    try:
        pyspf.DNSLookup = lambda name, kind, *more: answers(zone_of(record), name, kind)
        theirs = pyspf.check2(peer, "adele@sender.example", HELO, querytime=0)[0]
    finally:
        pyspf.DNSLookup = before
    assert ours == theirs
