"""MTA-STS records and policies, as RFC 8461 has them, and as it does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.transport.mta_sts import MAX_AGE, Policy, PolicyError, parse_policy, parse_records

GOOD = "version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("records", "id_"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=STSv1 \t; \tid=1 ;"], "1"),
        ([b"v=STSv1; more=x/y,z; id=1;"], "1"),
        ([b"v=STSv1; id=1; id=2;"], "1"),
        ([b"v=spf1 -all", b"v=STSv1; id=1;"], "1"),
        ([b"v=STSv10; id=2;", b"v=STSv1; id=1;"], "1"),
        ([b"v=STSv1; id=1;", b"v=STSv1; id=1;"], None),
        ([b"v=STSv1; id=1;", b"v=STSv1; nonsense"], None),
        ([b"v=STSv1;"], None),
        ([b"v=STSv1"], None),
        ([b"V=STSV1; id=1;"], None),
        ([b" v=STSv1; id=1;"], None),
        ([b"id=1; v=STSv1;"], None),
        ([b"v=STSv1; id=;"], None),
        ([b"v=STSv1; id=a-b;"], None),
        ([b"v=STSv1; id=" + b"1" * 32], "1" * 32),
        ([b"v=STSv1; id=" + b"1" * 33], None),
        ([b"v=STSv1; id=1; x y=z;"], None),
        ([b"v=STSv1; id=\xc3\xa9;"], None),
        ([], None),
    ],
)
def test_a_record_gives_an_id_or_there_is_none(records: list[bytes], id_: str | None) -> None:
    assert parse_records(records) == id_


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (GOOD, Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD.replace("\n", "\r\n"), Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD.rstrip("\n"), Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD.replace(": ", ":\t "), Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD.replace("\n", " \n"), Policy("enforce", 604_800, ("mx.far.test",))),
        ("\n".join(reversed(GOOD.split("\n"))), Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD + "mx: *.Far.TEST\n", Policy("enforce", 604_800, ("mx.far.test", "*.far.test"))),
        (GOOD + "mode: none\nmax_age: 1\nversion: x\n", Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD + "later: something: new; altogether é\n", Policy("enforce", 604_800, ("mx.far.test",))),
        (GOOD.replace("enforce", "testing"), Policy("testing", 604_800, ("mx.far.test",))),
        ("version: STSv1\nmode: none\nmax_age: 0\n", Policy("none", 0)),
        (GOOD.replace("604800", "9999999999"), Policy("enforce", MAX_AGE, ("mx.far.test",))),
    ],
)
def test_a_policy_is_read(text: str, policy: Policy) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        GOOD.replace("STSv1", "STSv2"),
        GOOD.replace("version: STSv1\n", ""),
        GOOD.replace("enforce", "Enforce"),
        GOOD.replace("mode: enforce\n", ""),
        GOOD.replace("mx: mx.far.test\n", ""),
        GOOD.replace("max_age: 604800\n", ""),
        GOOD.replace("604800", "a week"),
        GOOD.replace("604800", "-1"),
        GOOD.replace("604800", "12345678901"),
        GOOD.replace("604800", "١"),
        GOOD + "nonsense\n",
        GOOD + "mx: *\n",
        GOOD + "mx: *.*.far.test\n",
        GOOD + "mx: mx.*.test\n",
        GOOD + "mx: m_x.far.test\n",
        GOOD + "mx: mx.far.test.\n",
        GOOD + "mx: .far.test\n",
        GOOD + "mx: mx far\n",
        GOOD + "mx: " + "a" * 64 + ".test\n",
        GOOD + "mx:\n",
        GOOD + "mx: mx.far.test\n" * 1000,
        GOOD.replace("\n", "\r"),
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("mx1.far.test", True),
        ("MX1.Far.Test.", True),
        ("a.mail.far.test", True),
        ("mail.far.test", False),
        ("b.a.mail.far.test", False),
        ("far.test", False),
        ("mx1.far.test.evil.test", False),
        ("xmx1.far.test", False),
        ("", False),
    ],
)
def test_a_star_stands_for_one_label(host: str, fits: bool) -> None:
    assert Policy("enforce", 1, ("mx1.far.test", "*.mail.far.test")).matches(host) is fits


@settings(max_examples=200)
@given(st.text() | st.lists(st.sampled_from([*GOOD.split("\n"), "mx: *.a", "x:y", "\r", " "])).map("\n".join))
def test_no_text_does_worse_than_to_be_refused(text: str) -> None:
    try:
        policy = parse_policy(text)
    except PolicyError:
        return
    assert policy.patterns or policy.mode == "none"
    assert 0 <= policy.max_age <= MAX_AGE


@settings(max_examples=200)
@given(st.lists(st.binary() | st.builds(b"v=STSv1;".__add__, st.binary())))
def test_no_record_does_worse_than_to_announce_nothing(records: list[bytes]) -> None:
    id_ = parse_records(records)
    assert id_ is None or (id_.isascii() and id_.isalnum() and len(id_) <= 32)
