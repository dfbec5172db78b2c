"""Request bytes as JSON or MIME: content type, encoding, depth, base64.

Broken JSON, hostile nesting and lone surrogates end as 400 here; nothing below meets them.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from graphpost.errors import BadRequest, UnsupportedMedia
from graphpost.graph.bodies.lifting import LongText, lift, put_back
from graphpost.graph.bodies.values import READ, clip

LARGE: Final = 262_144  # bytes; reading a larger body would hold up other requests, so it happens in a thread

_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n\x0b\x0c"
_SLICE: Final = 128 * 1024  # a multiple of four
_PADDING: Final = ord("=")
_decoder: Final = msgspec.json.Decoder()


def media_kind(content_type: str | None, body: bytes) -> Literal["json", "mime"]:
    """What the body is, by its content type; a body without one is JSON when it looks like it (§8.4)."""
    if content_type == "application/json":
        return "json"
    if not content_type or not content_type.strip():
        if body.removeprefix(_BOM).lstrip(_SPACE)[:1] == b"{":
            return "json"
        if not body:
            raise BadRequest("Empty Payload. JSON content expected.")
        raise BadRequest(
            "Write requests (excluding DELETE) must contain the Content-Type header declaration."
        )
    match content_type.partition(";")[0].strip().lower():
        case "application/json":
            return "json"
        case "text/plain":
            return "mime"
    raise UnsupportedMedia(
        "A supported MIME type could not be found that matches the content type of the response. None of the "
        f"supported type(s) 'application/json, text/plain' matches the content type '{clip(content_type)}'.",
        READ,
    )


def read_json(body: bytes, depth: int) -> dict[str, Any]:
    """The JSON object a body is, at most `depth` objects and arrays inside each other."""
    data = body.removeprefix(_BOM)
    if not data or (data[:4].isspace() and data.isspace()):
        raise BadRequest("Empty Payload. JSON content expected.")
    lifted: dict[str, LongText] = {}
    if len(data) > LARGE:
        data, lifted = lift(data)
    try:
        value = _decoder.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError are ValueErrors
        raise BadRequest(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
            "JSON format."
        ) from error
    # Counting brackets is the quick test; in a large body it would take longer than looking at the values.
    if len(data) > LARGE or data.count(b"{") + data.count(b"[") > depth:
        _check_depth(value, depth)
    if type(value) is not dict:
        raise BadRequest("were unable to deserialize ", "UnableToDeserializePostBody")
    return put_back(value, lifted) if lifted else value


def read_mime(body: bytes) -> bytes:
    """The message a base64 body holds.  White space is of no account; anything else foreign is an error."""
    try:
        return _decode(_without(_SPACE, body.removeprefix(_BOM)))
    except ValueError as error:
        raise BadRequest(
            "Invalid base64 string for MIME content.", "ErrorMimeContentInvalidBase64String"
        ) from error


def read_base64(text: str) -> bytes | None:
    """The bytes of a base64 string, white space aside; None when it is none."""
    try:
        if isinstance(text, LongText):
            return _decode_lifted(text.characters)
        return _decode_spaced(text.encode("ascii"), _SPACE)
    except ValueError:
        return None


def _decode_lifted(characters: memoryview) -> bytes:
    """As they stand in the body; or, when that is no base64, as the JSON string they are (some writers escape `/`)."""
    try:
        return _decode(characters)
    except ValueError:
        return _decode_spaced(_decoder.decode(b'"%b"' % bytes(characters)).encode("ascii"), _SPACE)


def _decode_spaced(data: bytes | memoryview, space: bytes) -> bytes:
    try:
        return _decode(data)
    except ValueError:
        return _decode(_without(space, data))


def _without(space: bytes, data: bytes | memoryview) -> bytes:
    return b"".join(
        [bytes(data[at : at + _SLICE]).translate(None, space) for at in range(0, len(data), _SLICE)]
    )


def _decode(data: bytes | memoryview) -> bytes:
    """Strict base64; ValueError when it is none.

    Slice by slice: one call would keep every other thread from running until all of a large attachment is done.
    """
    if len(data) <= _SLICE:
        return a2b_base64(data, strict_mode=True)
    slices = [data[at : at + _SLICE] for at in range(0, len(data), _SLICE)]
    if any(part[-1] == _PADDING for part in slices[:-1]):
        raise ValueError("padding before the end")
    return b"".join([a2b_base64(part, strict_mode=True) for part in slices])


def _check_depth(value: Any, depth: int) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        level = [inner for outer in level for inner in _members(outer) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise BadRequest(f"The JSON payload is nested more than {depth} levels deep.")


def _members(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
