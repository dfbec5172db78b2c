"""`graphpost check` tells what is wrong with what our domains publish, against a name server of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.authenticity.zone import Zone

from graphpost.cli import published, sending
from graphpost.testing.dns_peer import DnsPeer
from graphpost.transport.dkim_keys import make_key, read_key, record_text
from graphpost.transport.mta_sts import Policy

OURS = "20.1.2.3"  # an address of the Internet, to which nothing is sent
HELLO = "mail.contoso.test"
KEY = "s1._domainkey.contoso.test"
SETTINGS = """
[tenant]
domains = ["contoso.test"]
[dns]
servers = ["{dns}"]
seconds = 30.0
[delivery]
hostname = "{hello}"
[[mailboxes]]
address = "adele@contoso.test"
[[dkim]]
domain = "contoso.test"
selector = "s1"
[[routes]]
domains = ["*"]
to = "mx:"
source = "{source}"
"""


@pytest.fixture
def key(data: Path) -> str:
    """The record of our key."""
    path = data / "dkim/contoso.test/s1.pem"
    data.mkdir(mode=0o700)
    path.parent.mkdir(parents=True)
    path.write_bytes(make_key("ed25519"))
    path.chmod(0o600)
    return record_text(read_key(path, "s1"))


@pytest.fixture
def dns(key: str) -> Iterator[DnsPeer]:
    """All as it should be."""
    with DnsPeer() as peer:
        peer.add("contoso.test", "TXT", '"hello"', f'"v=spf1 ip4:{OURS} -all"')
        peer.add("contoso.test", "MX", f"10 {HELLO}.")
        peer.add(HELLO, "A", OURS)
        peer.add("3.2.1.20.in-addr.arpa", "PTR", f"{HELLO}.")
        peer.add(KEY, "TXT", f'"{key}"')
        peer.add("_dmarc.contoso.test", "TXT", '"v=DMARC1; p=reject; rua=mailto:d@contoso.test"')
        yield peer


Check = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def check(graphpost: Any, dns: DnsPeer, tmp_path: Path) -> Check:
    """By the name of the check its state and detail."""

    def run(more: str = "", *, source: str = OURS, hello: str = HELLO, options: tuple[str, ...] = ()) -> Any:
        file = tmp_path / "g.toml"
        file.write_text(SETTINGS.format(dns=dns.address, source=source, hello=hello) + more)
        status, out, err = graphpost("check", "--json", "--config", str(file), *options)
        assert err == ""
        rows = json.loads(out)
        assert status == (0 if all(row["ok"] for row in rows) else 1)
        states = {(True, False): "ok", (True, True): "warn", (False, False): "FAIL"}
        return {row["check"]: (states[row["ok"], row["warning"]], row["detail"]) for row in rows}

    return run


def test_all_is_well(check: Check) -> None:
    found = check()
    assert {name: found[name] for name in list(found)[5:]} == {
        "routes[0] PTR": ("ok", f"{OURS} is {HELLO}"),
        "dkim[0] DNS": ("ok", f"{KEY} is published"),
        "SPF contoso.test": ("ok", f"covers {OURS} (routes[0]); 0 of 10 lookups"),
        "DMARC contoso.test": ("ok", "reject, by contoso.test"),
        "MX contoso.test": ("ok", HELLO),
    }
    assert {state for state, _ in found.values()} == {"ok"}, found


def test_without_dns_nobody_is_asked(check: Check, dns: DnsPeer) -> None:
    found = check(options=("--no-dns",))
    assert list(found) == ["settings", "data directory", "database", "certificate", "dkim[0]"]
    assert dns.questions == []


def replaced(name: str, kind: str, *values: str) -> Callable[[DnsPeer], None]:
    def change(dns: DnsPeer) -> None:
        kept = [] if name != "contoso.test" or kind == "MX" else [f"10 {HELLO}."]
        spf = [f'"v=spf1 ip4:{OURS} -all"'] if name == "contoso.test" and kind == "MX" else []
        dns.remove(name)
        for each in kept:
            dns.add(name, "MX", each)
        for each in spf:
            dns.add(name, "TXT", each)
        if values:
            dns.add(name, kind, *values)

    return change


@pytest.mark.parametrize(
    ("change", "name", "state", "said"),
    [
        (replaced("contoso.test", "TXT"), "SPF", "FAIL", f'no record; publish: contoso.test. TXT "v=spf1 ip4:{OURS} -all"'),
        (replaced("contoso.test", "TXT", '"v=spf1 -all"', '"v=spf1 ~all"'), "SPF", "FAIL", "2 records, which is none"),
        (replaced("contoso.test", "TXT", '"v=spf1 ipv4:1.2.3.4"'), "SPF", "FAIL", "cannot read the record: 'ipv4:1.2.3.4'"),
        (replaced("contoso.test", "TXT", '"v=spf1 include:nobody.test -all"'), "SPF", "FAIL", "which has no SPF record"),
        (replaced("contoso.test", "TXT", f'"v=spf1{" a:mail.contoso.test" * 11} -all"'), "SPF", "FAIL", "more than 10 lookups"),
        (replaced("contoso.test", "TXT", '"v=spf1 ip4:20.9.9.9 -all"'), "SPF", "FAIL", f"sends from {OURS}, which it does not cover; add ip4:{OURS}"),
        (replaced("contoso.test", "TXT", '"v=spf1 +all"'), "SPF", "warn", "lets everybody send"),
        (replaced("contoso.test", "TXT", '"v=spf1 mx -all"'), "SPF", "ok", "1 of 10 lookups"),
        (replaced("_dmarc.contoso.test", "TXT"), "DMARC", "warn", "no record; publish: _dmarc.contoso.test. TXT"),
        (replaced("_dmarc.contoso.test", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'), "DMARC", "FAIL", "2 records, which is none"),
        (replaced("_dmarc.contoso.test", "TXT", '"v=DMARC1; p=refuse"'), "DMARC", "FAIL", "cannot read the record: p= is missing"),
        (replaced("_dmarc.contoso.test", "TXT", '"v=DMARC1; p=none"'), "DMARC", "warn", "nobody gets its reports"),
        (replaced(KEY, "TXT"), "dkim[0] DNS", "FAIL", f'not published; publish: {KEY}. IN TXT ( "v=DKIM1; k=ed25519; p='),
        (replaced(KEY, "TXT", '"v=DKIM1; p="'), "dkim[0] DNS", "FAIL", "the key is revoked"),
        (replaced(KEY, "TXT", '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'), "dkim[0] DNS", "FAIL", "the record of another key"),
        (replaced(KEY, "TXT", '"x"', '"y"'), "dkim[0] DNS", "FAIL", "2 TXT records"),
        (replaced("contoso.test", "MX"), "MX", "warn", f"no record; publish: contoso.test. MX 10 {HELLO}."),
        (replaced("contoso.test", "MX", "0 ."), "MX", "warn", "takes no mail"),
        (replaced("contoso.test", "MX", "10 nobody.test."), "MX", "FAIL", "there is no nobody.test"),
        (lambda dns: (dns.add("www.test", "A", OURS), dns.add(HELLO, "CNAME", "www.test.")), "MX", "FAIL", "another name of www.test (CNAME)"),
        (replaced("3.2.1.20.in-addr.arpa", "PTR"), "routes[0] PTR", "FAIL", f"{OURS} has no name; publish: 3.2.1.20.in-addr.arpa. PTR {HELLO}."),
        (replaced("3.2.1.20.in-addr.arpa", "PTR", "dynamic.isp.test."), "routes[0] PTR", "FAIL", f"which is not {OURS}"),
        (lambda dns: dns.fail("contoso.test"), "SPF", "FAIL", "were not to be had"),
        (lambda dns: dns.fail("contoso.test"), "DMARC", "ok", "reject"),
        (lambda dns: dns.add("_mta-sts.contoso.test", "TXT", '"v=STSv1; id=1"'), "MTA-STS", "FAIL", "the policy is not to be had: mta-sts.contoso.test: DNS knows no"),
        (lambda dns: dns.add("_mta-sts.contoso.test", "TXT", '"v=STSv1;"'), "MTA-STS", "FAIL", "_mta-sts.contoso.test cannot be read"),
        (lambda dns: dns.add("_smtp._tls.contoso.test", "TXT", '"v=TLSRPTv1; rua=mailto:x@y.test"'), "TLSRPT", "ok", "mailto:x@y.test"),
        (lambda dns: dns.add("_smtp._tls.contoso.test", "TXT", '"v=TLSRPTv1"'), "TLSRPT", "FAIL", "has no rua="),
        (lambda dns: dns.add("_smtp._tls.contoso.test", "TXT", '"v=TLSRPTv1; nonsense"'), "TLSRPT", "FAIL", "no list of tags"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_what_to_publish(
    check: Check, dns: DnsPeer, change: Callable[[DnsPeer], object], name: str, state: str, said: str
) -> None:
    change(dns)
    found = check()
    (key,) = [each for each in found if each.startswith(name)]
    assert found[key][0] == state
    assert said in found[key][1]


@pytest.mark.parametrize(
    ("policy", "state", "said"),
    [
        (Policy("enforce", 1, ("mail.contoso.test",)), "ok", "mode: enforce"),
        (Policy("enforce", 1, ("*.contoso.test",)), "ok", "mode: enforce"),
        (Policy("enforce", 1, ("mx.contoso.test",)), "FAIL", "leaves mail exchangers out; add mx: mail.contoso.test"),
        (Policy("testing", 1, ("mx.contoso.test",)), "warn", "leaves mail exchangers out; add mx: mail.contoso.test"),
    ],
)  # fmt: skip
def test_a_policy_names_the_mail_exchangers(policy: Policy, state: str, said: str) -> None:
    zone = Zone(
        {"contoso.test": {"MX": [f"10 {HELLO}"]}, "_mta-sts.contoso.test": {"TXT": ["v=STSv1; id=1"]}}
    )

    async def fetch(domain: str) -> Policy:
        return policy

    (found,) = asyncio.run(published.check_transport_policy(zone, "contoso.test", fetch))
    assert found.state == state
    assert found.detail.endswith(said)


def test_a_key_that_is_published_as_a_test_is_warned_of(check: Check, dns: DnsPeer, key: str) -> None:
    dns.remove(KEY)
    dns.add(KEY, "TXT", f'"{key}; t=y"')
    state, said = check()["dkim[0] DNS"]
    assert (state, "t=y" in said) == ("warn", True)


def test_a_name_of_ours_that_is_not_that_of_the_address_is_warned_of(check: Check, dns: DnsPeer) -> None:
    dns.remove("3.2.1.20.in-addr.arpa")
    dns.add("3.2.1.20.in-addr.arpa", "PTR", "other.contoso.test.")
    dns.add("other.contoso.test", "A", OURS)
    state, said = check()["routes[0] PTR"]
    assert (state, said) == (
        "warn",
        f"{OURS} is other.contoso.test, and we say {HELLO}: set delivery.hostname, or its PTR to {HELLO}.",
    )


def test_a_name_without_a_domain_is_no_name(check: Check) -> None:
    state, said = check(hello="localhost.localdomain")["routes[0] PTR"]
    assert (state, "set delivery.hostname" in said) == ("FAIL", True)


def test_behind_a_translator_our_name_tells_our_address(check: Check) -> None:
    found = check(source="10.0.0.5")
    assert found["routes[0] PTR"] == ("ok", f"{OURS} is {HELLO}")
    assert found["SPF contoso.test"][0] == "ok"


def test_an_address_that_nobody_knows_is_said_to_be_unknown(check: Check, dns: DnsPeer) -> None:
    dns.remove(HELLO)
    found = check(source="10.0.0.5")
    assert found["routes[0] PTR"][0] == "warn"
    assert found["SPF contoso.test"] == (
        "warn", "the address that routes[0] sends from is not known here: set its source",
    )  # fmt: skip


def test_a_record_is_not_proposed_that_nobody_could_send_by(check: Check, dns: DnsPeer) -> None:
    dns.remove("contoso.test")
    dns.add("contoso.test", "MX", f"10 {HELLO}.")
    dns.remove(HELLO)
    state, detail = check(source="10.0.0.1")["SPF contoso.test"]
    assert state == "FAIL"
    assert detail == 'no record; publish: contoso.test. TXT "v=spf1 ip4:WHAT-OTHERS-SEE-US-COME-FROM -all"'


def test_what_a_relay_sends_from_is_its_own_affair(check: Check, dns: DnsPeer) -> None:
    """It does not answer here, which is another check."""
    dns.add("relay.test", "A", "20.7.7.7")
    found = check('[[routes]]\ndomains = ["far.test"]\nto = "smtp://127.0.0.1:9"\n')
    state, said = found["SPF contoso.test"]
    assert (state, said.startswith("whether it covers what 127.0.0.1 sends from is not known here")) == (
        "warn",
        True,
    )


def test_a_signature_of_the_domain_above_is_not_strictly_aligned(check: Check, dns: DnsPeer) -> None:
    dns.add("sub.contoso.test", "TXT", f'"v=spf1 ip4:{OURS} -all"')
    more = '[[mailboxes]]\naddress = "b@sub.contoso.test"\n'
    assert check(more)["DMARC sub.contoso.test"] == ("ok", "reject, by contoso.test")
    dns.remove("_dmarc.contoso.test")
    dns.add("_dmarc.contoso.test", "TXT", '"v=DMARC1; p=reject; adkim=s"')
    state, said = check(more)["DMARC sub.contoso.test"]
    assert (state, "contoso.test signs" in said) == ("FAIL", True)


def test_a_domain_that_no_key_signs_for_is_warned_of(check: Check, dns: DnsPeer) -> None:
    dns.add("fabrikam.test", "TXT", f'"v=spf1 ip4:{OURS} -all"')
    state, said = check('[[mailboxes]]\naddress = "b@fabrikam.test"\n')["DKIM fabrikam.test"]
    assert (state, "`graphpost dkim create fabrikam.test`" in said) == ("warn", True)


def test_where_mail_comes_in_here_the_exchanger_is_this_server(check: Check, dns: DnsPeer) -> None:
    inbound = '[inbound]\nport = 2525\nhostname = "mx.contoso.test"\n'
    state, said = check(inbound)["MX contoso.test"]
    assert (state, said) == ("warn", f"none of {HELLO} is this server (mx.contoso.test)")
    assert check(inbound.replace("mx.", "mail."))["MX contoso.test"] == ("ok", HELLO)
    replaced("contoso.test", "MX")(dns)
    assert check(inbound)["MX contoso.test"][0] == "FAIL"


def test_where_mail_only_comes_in_only_exchangers_matter(
    graphpost: Any, dns: DnsPeer, tmp_path: Path
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(
        f'[tenant]\ndomains = ["contoso.test"]\n[dns]\nservers = ["{dns.address}"]\nseconds = 30.0\n'
        f'[inbound]\nport = 2525\nhostname = "{HELLO}"\n[[mailboxes]]\naddress = "adele@contoso.test"\n'
    )
    rows = graphpost.json("check", "--config", str(file))
    assert [row["check"] for row in rows][5:] == ["MX contoso.test"]


def test_names_for_tests_are_not_looked_for_at_the_machines_servers(graphpost: Any, tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text('[[routes]]\ndomains = ["*"]\nto = "mx:"\nsource = "10.0.0.5"\nhostname = "localhost"\n')
    _, out, _ = graphpost("check", "--config", str(file))
    assert "ok    example.test   a name for tests, of which there is nothing in DNS" in out


def test_where_no_mail_leaves_dns_does_not_matter(graphpost: Any) -> None:
    _, out, _ = graphpost("check")
    assert [line[6:20].strip() for line in out.splitlines()] == [
        "settings", "data directory", "database", "certificate",
    ]  # fmt: skip


def test_the_addresses_of_this_machine_are_addresses() -> None:
    assert all("." in each or ":" in each for each in sending.machine_addresses())
