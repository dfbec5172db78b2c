"""DMARC: whether the domain of the author stands behind a message (RFC 9989).

The organisational domain is found by the walk up the DNS tree, so that no list of public suffixes is needed.  Of the
older RFC 7489 `pct=0` is honoured: who wrote that does not want to be followed yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from graphpost.authenticity.dkim import DkimResult
from graphpost.authenticity.spf import SpfResult, is_askable
from graphpost.authenticity.tags import TagError, parse_tags
from graphpost.errors import GraphpostError
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError, Records

Result = Literal["none", "pass", "fail", "temperror", "permerror"]
Policy = Literal["none", "quarantine", "reject"]
AUTHORS: Final = 4  # domains of one message that are looked at
LABELS: Final = 8  # names of a walk
RECORD_BYTES: Final = 4096
_BADNESS: Final = ("pass", "none", "permerror", "temperror", "fail")
_POLICIES: Final[dict[str, Policy]] = {"none": "none", "quarantine": "quarantine", "reject": "reject"}
_MILDER: Final[dict[Policy, Policy]] = {"none": "none", "quarantine": "none", "reject": "quarantine"}


class DmarcSyntaxError(GraphpostError):
    """A record that cannot be used; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy record.  `below` is for names below the domain, `missing` for those of them that do not exist."""

    policy: Policy
    below: Policy
    missing: Policy
    strict_dkim: bool = False
    strict_spf: bool = False
    is_suffix: bool | None = None  # psd=: whether others register names below it; None: not said
    is_test: bool = False
    reports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """What came of it: `policy` is what the domain wants done with what fails, `domain` the author's."""

    result: Result
    domain: str = ""
    policy: Policy = "none"
    reason: str = ""


def is_dmarc(text: bytes) -> bool:
    """Whether a TXT record is meant to be DMARC's: v=DMARC1 comes first."""
    name, equals, value = text.partition(b";")[0].partition(b"=")
    return bool(equals) and name.strip() == b"v" and value.strip() == b"DMARC1"


def parse_dmarc(text: bytes) -> DmarcRecord:
    """Raises DmarcSyntaxError."""
    if len(text) > RECORD_BYTES:
        raise DmarcSyntaxError(f"the record has {len(text)} octets")
    try:
        tags = parse_tags(text.decode("utf-8"))
    except (TagError, UnicodeDecodeError) as error:
        raise DmarcSyntaxError(str(error)) from None
    reports = tuple(each.strip() for each in tags.get("rua", "").split(",") if each.strip())
    policy = _POLICIES.get(tags.get("p", "").lower())
    if policy is None:
        if not any(each.lower().startswith("mailto:") for each in reports):
            raise DmarcSyntaxError("p= is missing, or is neither none, quarantine nor reject")
        policy = "none"  # RFC 9989, 4.7
    below = _POLICIES.get(tags.get("sp", "").lower(), policy)
    return DmarcRecord(
        policy=policy,
        below=below,
        missing=_POLICIES.get(tags.get("np", "").lower(), below),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        is_suffix={"y": True, "n": False}.get(tags.get("psd", "").lower()),
        is_test=tags.get("t", "").lower() == "y" or tags.get("pct") == "0",
        reports=reports,
    )


async def find_record(records: Records, domain: str) -> DmarcRecord | None:
    """The record that the domain itself publishes; None also when there are several, or none of use."""
    try:
        texts = await records.texts(f"_dmarc.{domain}")
    except NoSuchDomainError:
        return None
    found = [text for text in texts if is_dmarc(text)]
    if len(found) != 1:
        return None
    try:
        return parse_dmarc(found[0])
    except DmarcSyntaxError:
        return None


async def walk(records: Records, domain: str) -> list[tuple[str, DmarcRecord]]:
    """The records from the domain up to its top (RFC 9989, 4.10), no more than eight names, in that order."""
    labels = domain.split(".")
    names = [domain, *(".".join(labels[at:]) for at in range(max(1, len(labels) - LABELS + 1), len(labels)))]
    found: list[tuple[str, DmarcRecord]] = []
    for name in names:
        record = await find_record(records, name)
        if record is not None:
            found.append((name, record))
            if record.is_suffix is not None and (name != domain or not record.is_suffix):
                break
    return found


def organisation(domain: str, found: Sequence[tuple[str, DmarcRecord]]) -> str:
    """The organisational domain of a domain, whose records were walked (RFC 9989, 4.10.2)."""
    for name, record in found:
        if record.is_suffix is False:
            return name
        if record.is_suffix and name != domain:
            return domain.removesuffix(f".{name}").rpartition(".")[2] + f".{name}"
    return found[-1][0] if found else domain


async def check_dmarc(
    records: Records, authors: Iterable[str], spf: SpfResult, signatures: Sequence[DkimResult]
) -> DmarcResult:
    """What the authors' domains (A-labels) say of a message; of several the worst.  Never raises.

    A message has one author's domain; one with several is made to deceive, or is from another age.  One with so many that
    not all can be asked is as unwanted as if one of them had said so.
    """
    domains = list(dict.fromkeys(authors))
    if not domains:
        return DmarcResult("permerror", reason="From names no author")
    if len(domains) > AUTHORS:
        return DmarcResult("permerror", domains[0], "reject", "From names many domains")
    checks = (_check_author(records, domain, spf, signatures) for domain in domains)
    return max(await asyncio.gather(*checks), key=_severity)


def _severity(result: DmarcResult) -> tuple[int, int]:
    return _BADNESS.index(result.result), list(_POLICIES).index(result.policy)


async def _check_author(
    records: Records, domain: str, spf: SpfResult, signatures: Sequence[DkimResult]
) -> DmarcResult:
    if not is_askable(f"_dmarc.{domain}"):
        return DmarcResult("permerror", domain, reason="there can be no such domain")
    try:
        found = await walk(records, domain)
        policy = await _policy(records, domain, found)
        if policy is None:
            return DmarcResult("none", domain)
        if await _is_aligned(records, domain, found, policy, spf, signatures, "pass"):
            return DmarcResult("pass", domain, policy.policy)
        if await _is_aligned(records, domain, found, policy, spf, signatures, "temperror"):
            return DmarcResult("temperror", domain, policy.policy, "what it rests on was not to be had")
    except LookupFailedError as error:
        return DmarcResult("temperror", domain, reason=str(error))
    return DmarcResult("fail", domain, policy.policy)


async def _policy(
    records: Records, domain: str, found: Sequence[tuple[str, DmarcRecord]]
) -> DmarcRecord | None:
    """The record that counts, its `policy` being what is asked for this domain; None when there is none."""
    own = organisation(domain, found)
    by_name = dict(found)
    record = by_name.get(domain)
    if record is None:
        suffix = next((each for _, each in found if each.is_suffix), None)
        record = by_name.get(own) or suffix
        if record is None:
            return None
        record = replace(record, policy=record.below if await _exists(records, domain) else record.missing)
    return replace(record, policy=_MILDER[record.policy]) if record.is_test else record


async def _exists(records: Records, domain: str) -> bool:
    try:
        await records.exchangers(domain)
    except NoSuchDomainError:
        return False
    return True


async def _is_aligned(
    records: Records,
    domain: str,
    found: Sequence[tuple[str, DmarcRecord]],
    policy: DmarcRecord,
    spf: SpfResult,
    signatures: Sequence[DkimResult],
    wanted: Literal["pass", "temperror"],
) -> bool:
    """Whether something with that result is of the author's domain, or, unless it wants that, of its organisation."""
    those = [(each.domain, policy.strict_dkim) for each in signatures if each.result == wanted]
    if spf.result == wanted:
        those.append((spf.domain, policy.strict_spf))
    own = organisation(domain, found)
    for other, is_strict in dict.fromkeys(those):
        if other == domain:
            return True
        if not is_strict and await _is_of(records, other, own):
            return True
    return False


async def _is_of(records: Records, domain: str, own: str) -> bool:
    if domain != own and not domain.endswith(f".{own}"):
        return False
    return organisation(domain, await walk(records, domain)) == own
