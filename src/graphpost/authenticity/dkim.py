"""DKIM signatures of a message that came in, verified (RFC 6376, 8301 and 8463).

The message is read once and never held: of the body there is at most one hash for each of the two canonicalisations.
A signature whose l= leaves some of the body out does not count (`policy`): whoever has one such message of a domain
could add anything to it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final

from graphpost.authenticity.dkim_signature import (
    DkimError,
    KeyRecord,
    Result,
    Signature,
    parse_key,
    parse_signature,
)
from graphpost.errors import MimeError
from graphpost.transport.dkim import HEADER_BYTES, RelaxedBody, SimpleBody, chosen, raw_fields, relaxed, split
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError, Records

SIGNATURES: Final = 8  # of a message that are looked at, the topmost first


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What came of one signature.  `prefix` are the first characters of it, to tell it from others (RFC 8601)."""

    result: Result
    reason: str = ""
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Digest:
    """What is kept of a message: its fields as they are, its signatures, and the hashes and lengths of its body."""

    fields: tuple[tuple[str, bytes], ...]
    signatures: tuple[Signature | DkimError, ...]
    bodies: dict[bool, tuple[bytes, int]]  # by whether it is relaxed


def digest_message(data: Iterable[bytes]) -> Digest:
    """Read a message with CRLF line ends; `data` may be read more than once."""
    try:
        header, rest = split(iter(data))
    except MimeError:
        header, rest = _unended(data), iter(())
    fields = tuple(raw_fields(header))
    signatures = (field for name, field in fields if name == "dkim-signature")
    found = tuple(map(_read, islice(signatures, SIGNATURES)))
    wanted = {each.body_is_relaxed for each in found if isinstance(each, Signature)}
    bodies = {is_relaxed: RelaxedBody() if is_relaxed else SimpleBody() for is_relaxed in wanted}
    if bodies:
        for chunk in rest:
            for body in bodies.values():
                body.update(chunk)
    return Digest(fields, found, {key: (body.digest(), body.length) for key, body in bodies.items()})


def _unended(data: Iterable[bytes]) -> bytes:
    """The header of a message that is nothing else, or has none, or a monstrous one, of which this is the beginning."""
    header = b""
    for chunk in data:
        header += chunk
        if len(header) > HEADER_BYTES:
            break
    return b"" if header.startswith(b"\r\n") else header.removesuffix(b"\r\n") + b"\r\n"


def _read(field: bytes) -> Signature | DkimError:
    try:
        return parse_signature(field)
    except DkimError as error:
        return error


async def check_signature(
    records: Records, digest: Digest, signature: Signature | DkimError, now: int
) -> DkimResult:
    """Whether one of the message's signatures holds.  `now` in seconds since the epoch.  Never raises."""
    if isinstance(signature, DkimError):
        return DkimResult(signature.result, str(signature))
    try:
        signature.check(now)
        _check_body(digest, signature)
        key = await _find_key(records, signature)
        key.check(signature)
        _check_header(digest, signature, key)
    except DkimError as error:
        return described(signature, error.result, str(error))
    except LookupFailedError as error:
        return described(signature, "temperror", str(error))
    return described(signature, "pass")


def described(signature: Signature, result: Result, reason: str = "") -> DkimResult:
    """A result with what tells the signature from others."""
    prefix = b64encode(signature.signature[:6]).decode()
    return DkimResult(result, reason, signature.domain, signature.selector, signature.algorithm, prefix)


async def _find_key(records: Records, signature: Signature) -> KeyRecord:
    try:
        texts = await records.texts(signature.key_name)
    except NoSuchDomainError:
        texts = ()
    if not texts:
        raise DkimError("permerror", "there is no such key")
    if len(texts) > 1:
        raise DkimError("permerror", "there are several such keys")
    return parse_key(texts[0])


def _check_body(digest: Digest, signature: Signature) -> None:
    found, length = digest.bodies[signature.body_is_relaxed]
    if signature.length is not None and signature.length < length:
        raise DkimError("policy", f"l= leaves {length - signature.length} octets of the body out")
    if signature.length is not None and signature.length > length:
        raise DkimError("fail", "the body is shorter than l=")
    if found != signature.body_hash:
        raise DkimError("fail", "the body was changed")


def _check_header(digest: Digest, signature: Signature, key: KeyRecord) -> None:
    form = relaxed if signature.header_is_relaxed else bytes
    signed = b"".join(form(field) for field in chosen(digest.fields, signature.names))
    signed += form(signature.unsigned).removesuffix(b"\r\n")
    if not key.verifies(signature.signature, signed, sha256(signed).digest()):
        raise DkimError("fail", "the signature is not that of this message")
