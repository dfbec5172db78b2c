"""DMARC: policies, the walk up the tree, and alignment."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.authenticity.zone import FAILS, Table, Zone

from graphpost.authenticity.dkim import DkimResult
from graphpost.authenticity.dmarc import (
    LABELS,
    DmarcRecord,
    DmarcResult,
    DmarcSyntaxError,
    check_dmarc,
    is_dmarc,
    organisation,
    parse_dmarc,
    walk,
)
from graphpost.authenticity.spf import Result, SpfResult


def txt(*texts: str) -> dict[str, list[str]]:
    return {"TXT": list(texts)}


WORLD: Table = {
    "_dmarc.bank.test": txt("v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:d@bank.test"),
    "shop.bank.test": {"A": ["192.0.2.1"]},
    "_dmarc.strict.test": txt("v=DMARC1; p=reject; adkim=s; aspf=s"),
    "_dmarc.none.test": txt("v=DMARC1; p=none"),
    "_dmarc.trying.test": txt("v=DMARC1; p=reject; t=y"),
    "_dmarc.old.test": txt("v=DMARC1; p=reject; pct=0"),
    "_dmarc.twice.test": txt("v=DMARC1; p=reject", "v=DMARC1; p=none"),
    "_dmarc.mixed.test": txt("google-verification", "v=DMARC1; p=reject"),
    "_dmarc.broken.test": txt("v=DMARC1; p=always"),
    "_dmarc.reported.test": txt("v=DMARC1; rua=mailto:d@reported.test"),
    "_dmarc.silent.test": FAILS,
    "_dmarc.co.uk": txt("v=DMARC1; p=none; sp=reject; psd=y"),
    "_dmarc.own.branch.test": txt("v=DMARC1; p=none; psd=n"),
    "_dmarc.branch.test": txt("v=DMARC1; p=reject"),
}


def check(author: str | list[str], spf: str = "", signer: str = "", *, how: Result = "pass") -> DmarcResult:
    authors = [author] if isinstance(author, str) else author
    said = SpfResult(how if spf else "none", spf)
    signatures = [DkimResult("pass", "", signer)] if signer else [DkimResult("fail", "", "bank.test")]
    return asyncio.run(check_dmarc(Zone(WORLD), authors, said, signatures))


@pytest.mark.parametrize(
    ("author", "spf", "signer", "result", "policy"),
    [
        ("bank.test", "bank.test", "", "pass", "reject"),
        ("bank.test", "", "bank.test", "pass", "reject"),
        ("bank.test", "bounces.bank.test", "", "pass", "reject"),
        ("bank.test", "", "mail.bank.test", "pass", "reject"),
        ("bank.test", "", "", "fail", "reject"),
        ("bank.test", "evil.test", "evil.test", "fail", "reject"),
        ("bank.test", "", "notbank.test", "fail", "reject"),
        ("bank.test", "", "test", "fail", "reject"),
        ("shop.bank.test", "bank.test", "", "pass", "quarantine"),
        ("shop.bank.test", "other.bank.test", "", "pass", "quarantine"),
        ("shop.bank.test", "", "", "fail", "quarantine"),
        ("made-up.bank.test", "", "", "fail", "reject"),
        ("strict.test", "", "mail.strict.test", "fail", "reject"),
        ("strict.test", "mail.strict.test", "", "fail", "reject"),
        ("strict.test", "", "strict.test", "pass", "reject"),
        ("none.test", "", "", "fail", "none"),
        ("trying.test", "", "", "fail", "quarantine"),
        ("old.test", "", "", "fail", "quarantine"),
        ("mixed.test", "", "", "fail", "reject"),
        ("reported.test", "", "", "fail", "none"),
        ("nobody.test", "", "", "none", "none"),
        ("twice.test", "", "", "none", "none"),
        ("broken.test", "", "", "none", "none"),
        ("silent.test", "silent.test", "", "temperror", "none"),
        ("shop.co.uk", "", "", "fail", "reject"),
        ("shop.co.uk", "mail.shop.co.uk", "", "pass", "reject"),
        ("shop.co.uk", "other.co.uk", "", "fail", "reject"),
        ("own.branch.test", "branch.test", "", "fail", "none"),
        ("own.branch.test", "x.own.branch.test", "", "pass", "none"),
        ("branch.test", "own.branch.test", "", "fail", "reject"),
        ("bad\\name.test", "", "", "permerror", "none"),
    ],
)  # fmt: skip
def test_the_author_is_believed_when_its_own_domain_sent_or_signed(
    author: str, spf: str, signer: str, result: str, policy: str
) -> None:
    found = check(author, spf, signer)
    assert (found.result, found.policy, found.domain) == (result, policy, author)


@pytest.mark.parametrize("how", ["none", "neutral", "softfail", "fail", "permerror"])
def test_only_a_pass_counts(how: Result) -> None:
    assert check("bank.test", "bank.test", how=how).result == "fail"


def test_what_may_pass_later_has_not_failed() -> None:
    assert check("bank.test", "bank.test", how="temperror").result == "temperror"


def test_that_the_forgers_own_domain_does_not_answer_is_no_excuse() -> None:
    """Whoever sends chooses the envelope and whose signatures there are: only the author's own may be waited for."""
    assert check("bank.test", "evil.test", how="temperror").result == "fail"
    late = [DkimResult("temperror", "", "evil.test"), DkimResult("temperror", "", "bank.test.evil.test")]
    found = asyncio.run(check_dmarc(Zone(WORLD), ["bank.test"], SpfResult("none", ""), late))
    assert (found.result, found.policy) == ("fail", "reject")


def test_more_authors_than_anybody_looks_at_are_as_unwanted_as_the_worst() -> None:
    found = check([*(f"d{n}.test" for n in range(4)), "bank.test"])
    assert (found.result, found.policy) == ("permerror", "reject")


@pytest.mark.parametrize(
    ("authors", "result"),
    [
        ([], "permerror"),
        (["none.test", "bank.test"], "fail"),
        (["bank.test", "bank.test"], "fail"),
    ],
)
def test_of_several_authors_the_worst_counts(authors: list[str], result: str) -> None:
    found = check(authors, "none.test")
    assert found.result == result
    assert found.policy == ("reject" if "bank.test" in authors else "none")


def test_the_walk_is_short_however_long_the_name() -> None:
    zone = Zone(WORLD)
    asyncio.run(walk(zone, ".".join("abcdefghijklmnop") + ".test"))
    assert [name for name, _ in zone.asked] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.test",
        *(f"_dmarc.{name}.test" for name in ("k.l.m.n.o.p", "l.m.n.o.p", "m.n.o.p", "n.o.p", "o.p", "p")),
        "_dmarc.test",
    ]  # fmt: skip
    assert len(zone.asked) == LABELS


def test_a_domain_whose_tree_says_nothing_is_its_own_organisation() -> None:
    assert organisation("a.b.test", []) == "a.b.test"
    record = DmarcRecord("none", "none", "none")
    assert organisation("a.b.test", [("a.b.test", record), ("b.test", record)]) == "b.test"


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (b"v=DMARC1; p=none", DmarcRecord("none", "none", "none")),
        (b"v=DMARC1;p=Reject;", DmarcRecord("reject", "reject", "reject")),
        (b"v=DMARC1; p=reject; sp=none", DmarcRecord("reject", "none", "none")),
        (b"v = DMARC1 ; p=reject; unknown=1; adkim=r; aspf=s", DmarcRecord("reject", "reject", "reject", strict_spf=True)),
    ],
)  # fmt: skip
def test_records_are_read(text: bytes, record: DmarcRecord) -> None:
    assert is_dmarc(text)
    assert parse_dmarc(text) == record


@pytest.mark.parametrize(
    "text", [b"v=DMARC1", b"v=DMARC1; p=x", b"v=DMARC1; p", b"v=DMARC1; \xff", b"v=DMARC1;" + b"a" * 5000]
)
def test_what_cannot_be_read_is_of_no_use(text: bytes) -> None:
    with pytest.raises(DmarcSyntaxError):
        parse_dmarc(text)


@pytest.mark.parametrize(
    "text", [b"", b"p=reject", b"v=DMARC", b"v=DMARC10; p=none", b"p=none; v=DMARC1", b"v=spf1 -all"]
)
def test_other_texts_are_not_dmarcs(text: bytes) -> None:
    assert not is_dmarc(text)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["_dmarc.a.b.test", "_dmarc.b.test", "_dmarc.test", "a.b.test"]),
        st.one_of(
            st.just(FAILS),
            st.lists(st.text(max_size=30).map(lambda text: f"v=DMARC1;{text}"), max_size=2).map(
                lambda texts: txt(*texts)
            ),
            st.sampled_from(
                ["p=reject", "p=none; psd=y", "p=none; psd=n", "sp=x; np=reject; rua=mailto:x"]
            ).map(lambda text: txt(f"v=DMARC1; {text}")),
        ),
    ),
    st.lists(
        st.one_of(st.sampled_from(["a.b.test", "b.test", "test", ""]), st.text(max_size=20)), max_size=5
    ),
    st.sampled_from(["a.b.test", "b.test", "x.a.b.test", ""]),
)
def test_nothing_hostile_makes_it_raise(table: Table, authors: list[str], other: str) -> None:
    zone = Zone(table)
    spf, signed = SpfResult("pass", other), [DkimResult("pass", "", other)]
    found = asyncio.run(check_dmarc(zone, authors, spf, signed))
    assert found.result in ("none", "pass", "fail", "temperror", "permerror")
    assert len(zone.asked) <= 5 * (3 * LABELS + 1)
