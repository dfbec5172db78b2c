"""The codec of DATA and BDAT: however the octets are cut, they are the same message, and only one end ends it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graphpost.inbound.content import BARE, LONG_LINE, NUL, Dotted, SmugglingError, Text

END = b"\r\n.\r\n"
SMUGGLED = "smuggled"
octets = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\r\n.", b"\r\n.\r\n", b"\0", b"bc"]),
    max_size=14,
).map(b"".join)
cuts = st.lists(st.integers(0, 40), max_size=6)


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({place for place in at if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def undotted(pieces: list[bytes]) -> tuple[bytes, bytes | None, str]:
    """What came of the pieces: content, rest and fault."""
    dotted, content = Dotted(1000), b""
    for at, piece in enumerate(pieces):
        try:
            more, rest = dotted.feed(piece)
        except SmugglingError:
            return b"", None, SMUGGLED
        content += more
        if rest is not None:
            return content, rest + b"".join(pieces[at + 1 :]), dotted.fault
    return content, None, dotted.fault


@given(octets, cuts)
@example(b"\r\n.\r\n", [1, 2, 3, 4])
@example(b".\r\n", [1])
@example(b"\r\r\n.\r\n", [1])
def test_only_one_sequence_ends_the_data_and_lines_lose_one_dot(data: bytes, at: list[int]) -> None:
    content, rest, fault = undotted(cut(data, at))
    whole = b"\r\n" + data
    end = whole.find(END)
    text = whole[2 : end + 2] if end >= 0 else None
    if fault == SMUGGLED:
        assert (text if text is not None else data).replace(b"\r\n", b"").strip(b"abc.\0")
        return
    if text is None:
        assert rest is None
        return
    assert rest == whole[end + len(END) :]
    lines = text.split(b"\r\n")
    assert content == b"\r\n".join(line.removeprefix(b".") for line in lines)
    is_bare = any(b"\r" in line or b"\n" in line for line in lines)
    assert (fault in (BARE, NUL)) == (is_bare or b"\0" in text)


@given(octets, cuts)
def test_how_it_is_cut_makes_no_difference(data: bytes, at: list[int]) -> None:
    whole, pieces = undotted([data]), undotted(cut(data, at))
    if SMUGGLED in (whole[2], pieces[2]):
        assert whole[2]
        assert pieces[2]
    else:
        assert pieces[:2] == whole[:2]
        assert bool(pieces[2]) == bool(whole[2])


@given(octets, cuts)
def test_text_in_chunks_has_the_faults_of_the_whole(data: bytes, at: list[int]) -> None:
    text, smuggled = Text(1000), False
    try:
        for piece in cut(data, at):
            text.look(piece)
        text.end()
    except SmugglingError:
        smuggled = True
    bare = data.replace(b"\r\n", b"")
    if smuggled:
        assert b"\r" in bare or b"\n" in bare
    else:
        assert bool(text.fault) == (b"\r" in bare or b"\n" in bare or b"\0" in bare)


@pytest.mark.parametrize("limit", [10, 1000])
@pytest.mark.parametrize("step", [1, 7, 64, 100_000])
def test_the_longest_line_counts_with_its_end(limit: int, step: int) -> None:
    for length, fault in ((limit - 2, ""), (limit - 1, LONG_LINE)):
        data = b"x\r\n" + b"y" * length + b"\r\nz\r\n"
        text = Text(limit)
        for piece in (data[at : at + step] for at in range(0, len(data), step)):
            text.look(piece)
        assert text.fault == fault


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r.\r", b"\n.\r", b"\r.\n"]
)
def test_a_false_end_is_seen(end: bytes) -> None:
    with pytest.raises(SmugglingError):
        Dotted(1000).feed(b"Subject: x\r\n\r\nx" + end + b"MAIL FROM:<>\r\n")
