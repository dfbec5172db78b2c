"""What our domains publish in DNS, against what others look for.

Each check gives a finding, whose line says what to publish, or none where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from graphpost.authenticity.dkim_signature import DkimError, parse_key
from graphpost.authenticity.dmarc import (
    DmarcSyntaxError,
    find_record,
    is_dmarc,
    organisation,
    parse_dmarc,
    walk,
)
from graphpost.authenticity.spf import LOOKUPS, check_spf
from graphpost.authenticity.spf_record import SpfSyntaxError, parse_record, spf_texts
from graphpost.authenticity.tags import TagError, parse_tags
from graphpost.cli.finding import Finding, State, worst
from graphpost.cli.sending import Origin
from graphpost.transport.dkim import Key
from graphpost.transport.dkim_keys import public_bytes, record_name, zone_line
from graphpost.transport.mta_sts import Policy, PolicyError, parse_records
from graphpost.transport.resolver import NoSuchDomainError, Records

Fetch = Callable[[str], Awaitable[Policy]]  # the MTA-STS policy of a domain; raises PolicyError
_NOBODY: Final = "0.0.0.0"  # noqa: S104 - an address that nobody sends from


async def texts_of(records: Records, name: str) -> tuple[bytes, ...]:
    """The TXT records of a name, whether there is such a name or not."""
    try:
        return await records.texts(name)
    except NoSuchDomainError:
        return ()


async def check_sender_policy(records: Records, domain: str, origins: Sequence[Origin]) -> list[Finding]:
    """SPF (RFC 7208): there is one record, it can be read and followed, and lets our mail through."""
    name = f"SPF {domain}"
    found = spf_texts(await texts_of(records, domain))
    if not found:
        return [Finding(name, "FAIL", f"no record; publish: {_proposed(domain, origins)}")]
    if len(found) > 1:
        return [Finding(name, "FAIL", f"{len(found)} records, which is none; publish one")]
    try:
        parse_record(found[0])
    except SpfSyntaxError as error:
        return [Finding(name, "FAIL", f"receivers cannot read the record: {error}")]
    nobody = await check_spf(records, _NOBODY, domain, f"postmaster@{domain}")
    if nobody.result in ("permerror", "temperror"):
        return [Finding(name, "FAIL", f"receivers cannot follow the record: {nobody.reason}")]
    findings = [await _check_origin(records, domain, origin) for origin in origins]
    if nobody.result == "pass":
        findings.append(Finding(name, "warn", "the record lets everybody send: end it with -all or ~all"))
    findings.append(Finding(name, "ok", f"{nobody.lookups} of {LOOKUPS} lookups"))
    return [worst(name, findings)]


def _proposed(domain: str, origins: Sequence[Origin]) -> str:
    """A record for what is known of where our mail comes from."""
    direct = [origin for origin in origins if not origin.relay]
    own = [address for origin in direct for address in origin.addresses]
    terms = [f"ip{6 if ':' in address else 4}:{address}" for address in dict.fromkeys(own)]
    terms += ["ip4:WHAT-OTHERS-SEE-US-COME-FROM"] if not all(each.addresses for each in direct) else []
    terms += ["include:WHAT-YOUR-RELAY-SAYS"] if any(origin.relay for origin in origins) else []
    return f'{domain}. TXT "v=spf1 {" ".join([*terms, "-all"])}"'


async def _check_origin(records: Records, domain: str, origin: Origin) -> Finding:
    results = {
        address: (
            await check_spf(records, address, origin.hello or origin.relay, f"postmaster@{domain}")
        ).result
        for address in origin.addresses
    }
    missing = [address for address, result in results.items() if result != "pass"]
    if results and not missing:
        return Finding("", "ok", f"covers {', '.join(results)} ({origin.route})")
    if origin.relay:
        text = f"whether it covers what {origin.relay} sends from is not known here; its provider says what to include"
        return Finding("", "warn", text)
    if not results:
        text = f"the address that {origin.route} sends from is not known here: set its source"
        return Finding("", "warn", text)
    terms = " ".join(f"ip{6 if ':' in address else 4}:{address}" for address in missing)
    return Finding(
        "", "FAIL", f"{origin.route} sends from {', '.join(missing)}, which it does not cover; add {terms}"
    )


async def check_policy(records: Records, domain: str, signer: str) -> list[Finding]:
    """DMARC (RFC 9989): there is one record, it can be read, and our signatures are aligned with it.

    `signer` is the domain that signs mail of this one, '' when nobody does.
    """
    name = f"DMARC {domain}"
    found = await walk(records, domain)
    fault = await _find_fault(records, domain)
    if fault:
        return [Finding(name, "FAIL", fault)]
    above = organisation(domain, found)
    record = dict(found).get(domain) or dict(found).get(above)
    if record is None:
        text = f'no record; publish: _dmarc.{domain}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        return [Finding(name, "warn", text)]
    if signer and signer != domain and record.strict_dkim:
        text = f"adkim=s wants signatures of {domain}, and {signer} signs; make it a key"
        return [Finding(name, "FAIL", text)]
    policy = record.policy if domain in dict(found) else record.below
    said = f"{policy}, by {domain if domain in dict(found) else above}"
    if policy == "none" and not record.reports:
        return [Finding(name, "warn", f"{said}, and nobody gets its reports: add rua=mailto:…, or a policy")]
    return [Finding(name, "ok", said)]


async def _find_fault(records: Records, domain: str) -> str:
    """What is wrong with the domain's own record; '' when nothing is, or there is none."""
    if await find_record(records, domain) is not None:
        return ""
    texts = [text for text in await texts_of(records, f"_dmarc.{domain}") if is_dmarc(text)]
    if not texts:
        return ""
    if len(texts) > 1:
        return f"{len(texts)} records, which is none; publish one"
    try:
        parse_dmarc(texts[0])
    except DmarcSyntaxError as error:
        return f"receivers cannot read the record: {error}"
    return ""


async def check_signer(domain: str, signer: str) -> list[Finding]:
    """DKIM: somebody signs mail of the domain; nothing when we do, whose keys are looked at one by one."""
    if signer:
        return []
    text = "no key of ours signs for it; unless the relay signs, forwarded mail fails: `graphpost dkim create {}`"
    return [Finding(f"DKIM {domain}", "warn", text.format(domain))]


async def check_key(records: Records, name: str, domain: str, key: Key) -> list[Finding]:
    """DKIM (RFC 6376): the public half of the key is published under its selector."""
    where = record_name(domain, key.selector)
    texts = await texts_of(records, where)
    if not texts:
        return [Finding(name, "FAIL", f"not published; publish: {zone_line(domain, key)}")]
    if len(texts) > 1:
        return [Finding(name, "FAIL", f"{where} has {len(texts)} TXT records; publish one")]
    try:
        record = parse_key(texts[0])
    except DkimError as error:
        return [Finding(name, "FAIL", f"{where}: {error}; publish: {zone_line(domain, key)}")]
    if public_bytes(record.public) != public_bytes(key.private.public_key()):
        text = f"{where} is the record of another key; publish: {zone_line(domain, key)}"
        return [Finding(name, "FAIL", text)]
    if record.is_test:
        return [Finding(name, "warn", f"{where} says t=y: receivers need not believe it; take that out")]
    return [Finding(name, "ok", f"{where} is published")]


async def check_exchangers(
    records: Records, domain: str, own: frozenset[str], *, inbound: bool
) -> list[Finding]:
    """MX (RFC 5321, 5.1): replies have somewhere to go, which is here if mail comes in here.

    `own` are names of ours.
    """
    name = f"MX {domain}"
    bad: State = "FAIL" if inbound else "warn"
    try:
        found = await records.exchangers(domain)
    except NoSuchDomainError:
        return [Finding(name, "FAIL", f"there is no domain {domain}")]
    if not found:
        text = f"no record; publish: {domain}. MX 10 {min(own, default='YOUR-MAIL-SERVER')}."
        return [Finding(name, bad, text)]
    if any(not each.host for each in found):
        return [Finding(name, bad, "the record says that it takes no mail: replies bounce")]
    findings = [await _check_exchanger(records, each.host) for each in found]
    if inbound and not own & {each.host for each in found}:
        text = f"none of {', '.join(each.host for each in found)} is this server ({', '.join(sorted(own))})"
        findings.append(Finding("", "warn", text))
    return [worst(name, findings)]


async def _check_exchanger(records: Records, host: str) -> Finding:
    try:
        if alias := await records.alias(host):
            return Finding(
                "", "FAIL", f"{host} is another name of {alias} (CNAME); name that (RFC 2181, 10.3)"
            )
        addresses = await records.addresses(host)
    except NoSuchDomainError:
        return Finding("", "FAIL", f"there is no {host}")
    return Finding("", "ok", host) if addresses else Finding("", "FAIL", f"{host} has no address")


async def check_transport_policy(records: Records, domain: str, fetch: Fetch) -> list[Finding]:
    """MTA-STS (RFC 8461): record and policy can be had, and name our mail exchangers; nothing where there is no record."""
    name, where = f"MTA-STS {domain}", f"_mta-sts.{domain}"
    texts = [text for text in await texts_of(records, where) if text.startswith(b"v=STSv1")]
    if not texts:
        return []
    if parse_records(texts) is None:
        return [Finding(name, "FAIL", f'{where} cannot be read; publish one: {where}. TXT "v=STSv1; id=1"')]
    try:
        policy = await fetch(domain)
        hosts = [each.host for each in await records.exchangers(domain)]
    except (PolicyError, NoSuchDomainError) as error:
        return [Finding(name, "FAIL", f"the policy is not to be had: {error}")]
    if left_out := [host for host in hosts if not policy.matches(host)]:
        state: State = "FAIL" if policy.mode == "enforce" else "warn"
        lines = ", ".join(f"mx: {host}" for host in left_out)
        return [
            Finding(name, state, f"the policy (mode: {policy.mode}) leaves mail exchangers out; add {lines}")
        ]
    return [Finding(name, "ok", f"mode: {policy.mode}")]


async def check_report_address(records: Records, domain: str) -> list[Finding]:
    """TLS reports (RFC 8460); nothing where there is no record."""
    name, where = f"TLSRPT {domain}", f"_smtp._tls.{domain}"
    found = [text for text in await texts_of(records, where) if text.startswith(b"v=TLSRPTv1")]
    if not found:
        return []
    if len(found) > 1:
        return [Finding(name, "FAIL", f"{where} has {len(found)} such records; publish one")]
    try:
        tags = parse_tags(found[0].decode("utf-8", "replace"))
    except TagError as error:
        return [Finding(name, "FAIL", f"{where}: {error}")]
    if not tags.get("rua"):
        return [Finding(name, "FAIL", f"{where} has no rua=")]
    return [Finding(name, "ok", tags["rua"])]
