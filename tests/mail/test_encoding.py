"""Transfer encodings as streams."""

from __future__ import annotations

import base64
import binascii
import itertools
import quopri
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.encoding import (
    base64_size,
    canonical,
    canonical_chunks,
    decode,
    decoded_size,
    encode_base64,
    encode_quoted,
)

CUTS = st.lists(st.integers(0, 400), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(edges):
        yield data[start:end]


def decoded(data: bytes, encoding: str, cuts: list[int] | None = None) -> bytes:
    return b"".join(decode(pieces(data, cuts or []), encoding))


@given(st.binary(max_size=400), CUTS)
def test_base64_is_lines_of_76_whatever_the_chunks(data: bytes, cuts: list[int]) -> None:
    encoded = b"".join(encode_base64(pieces(data, cuts)))
    assert encoded == base64.encodebytes(data).replace(b"\n", b"\r\n")
    assert len(encoded) == base64_size(len(data))
    assert decoded(encoded, "base64", cuts) == data


def test_large_base64_comes_in_chunks() -> None:
    data = bytes(range(256)) * 1000
    chunks = list(encode_base64([data]))
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= 65_536
    assert b"".join(chunks) == base64.encodebytes(data).replace(b"\n", b"\r\n")


@given(st.binary(max_size=400), CUTS)
def test_quoted_printable_is_decoded_as_the_standard_library_does(data: bytes, cuts: list[int]) -> None:
    encoded = quopri.encodestring(data)
    assert decoded(encoded, "quoted-printable", cuts) == quopri.decodestring(encoded)


@given(st.binary(max_size=300), st.sampled_from(["", "base64", "quoted-printable", "uuencode"]), CUTS)
def test_decoding_never_raises_and_does_not_depend_on_chunks(
    data: bytes, encoding: str, cuts: list[int]
) -> None:
    whole = decoded(data, encoding)
    assert decoded(data, encoding, cuts) == whole
    assert decoded_size(pieces(data, cuts), encoding) == len(whole)


@given(st.text(max_size=300))
def test_quoted_text_survives_and_keeps_its_line_ends(text: str) -> None:
    data = canonical(text.encode("utf-8", "replace")) + b"\r\n"
    encoded = encode_quoted(data)
    assert decoded(encoded, "quoted-printable") == data
    lines = encoded.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert not any(b"\n" in line or b"\r" in line for line in lines)


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (b"SGVs\r\nbG8=\r\n", "base64", b"Hello"),
        (b"SGVsbG8", "base64", b"Hello"),
        (b"SG!Vs bG*8=", "base64", b"Hello"),
        (b"QQ==QQ==", "base64", b"AA"),
        (b"====", "base64", b""),
        (b"Q", "base64", b""),
        (b"a=3Db=\r\nc", "quoted-printable", b"a=bc"),
        (b"a  \t\r\nb", "quoted-printable", b"a\r\nb"),
        (b"soft= \r\nbreak", "quoted-printable", b"softbreak"),
        (b"=zz=4", "quoted-printable", b"=zz=4"),
        (b"=e9", "quoted-printable", b"\xe9"),
        (b"junk\nbegin 644 x\n#0V%T\n`\nend\nmore", "uuencode", b"Cat"),
        (b"as it is", "", b"as it is"),
    ],
)
def test_broken_encodings_give_what_is_there(data: bytes, encoding: str, expected: bytes) -> None:
    assert decoded(data, encoding) == expected


def test_uuencode_of_many_lines_is_decoded() -> None:
    data = bytes(range(256)) * 3
    lines = b"".join(binascii.b2a_uu(data[i : i + 45]) for i in range(0, len(data), 45))
    assert decoded(b"begin 600 f\n" + lines + b"`\nend\n", "uuencode", [3, 100, 222]) == data


@pytest.mark.parametrize("unit", [b"=", b" ", b"=\r\n", b" \t", b"\n", b"\r"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "uuencode"])
def test_long_hostile_encodings_are_decoded(unit: bytes, encoding: str) -> None:
    decoded(unit * 100_000, encoding, list(range(0, 400_000, 40_000)))


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\0"]), max_size=12), CUTS)
def test_line_ends_become_crlf_whatever_the_chunks(units: list[bytes], cuts: list[int]) -> None:
    data = b"".join(units)
    whole = canonical(data)
    assert whole.replace(b"\r\n", b"").strip(b"a") == b""
    assert b"".join(canonical_chunks(pieces(data, cuts))) == whole
    assert canonical(whole) == whole
