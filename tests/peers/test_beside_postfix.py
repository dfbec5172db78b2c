"""The configuration that docs/beside-other-servers.md gives for Postfix, as it is printed there."""

from __future__ import annotations

import contextlib
import re
import smtplib
from pathlib import Path

import pytest
import trustme
from tests.client import ADELE, eventually
from tests.clients.relay import running_relay
from tests.peers.sasl_server import SaslServer
from tests.peers.world import graphpost, needs_postfix

from graphpost.config import load
from graphpost.testing.ports import free_port
from graphpost.testing.postfix import Postfix

pytestmark = [needs_postfix, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = (Path(__file__).parents[2] / "docs/beside-other-servers.md").read_text("utf-8")
STRANGER = "stranger@world.test"


def block(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    _, _, rest = PAGE.partition(f"## {heading}\n")
    found = re.search(rf"```{language}\n(.*?)```", rest, re.DOTALL)
    assert found, heading
    return found[1]


def parameters(text: str) -> dict[str, str]:
    return {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())
    }


def settings(data: Path, text: str) -> Path:
    file = data.parent / "settings.toml"
    file.write_text(f"[server]\ntls = false\n{text}")
    return file


def test_on_one_machine(tmp_path: Path) -> None:
    heading, data, inbound = "Postfix on the same machine, both ways", tmp_path / "data", free_port()
    config = parameters(block(heading, "ini").replace("2424", str(inbound)))
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(running_relay())
        config |= {"relayhost": f"[127.0.0.1]:{world.port}", "mynetworks": "127.0.0.1/32"}
        postfix = stack.enter_context(Postfix(**config))
        text = block(heading, "toml").replace("2424", str(inbound)).replace(":25", f":{postfix.port}")
        client, server = stack.enter_context(graphpost(data, settings(data, text)))
        stack.callback(lambda: print(postfix.log, server.output.getvalue()))
        client.send("bob@world.test", subject="out")
        assert world.wait_for("out").recipients == ("bob@world.test",)

        smtp = stack.enter_context(smtplib.SMTP("127.0.0.1", postfix.port, source_address=("127.0.0.9", 0)))
        smtp.ehlo("mail.world.test")
        assert smtp.mail(STRANGER)[0] == 250
        assert smtp.rcpt("bob@elsewhere.test")[0] == 554
        code = answer = None
        while code in (None, 450):  # the first question is answered when Graphpost has said something
            code, answer = smtp.rcpt("nobody@example.test")
        assert (code, b"5.1.1" in (answer or b"")) == (550, True)
        while smtp.rcpt(ADELE)[0] == 450:
            pass
        assert smtp.data(b"From: stranger@world.test\r\nSubject: in\r\n\r\nhello\r\n")[0] == 250
        eventually(lambda: [each["subject"] for each in client.folder("inbox")] == ["in"])


def test_on_two_machines(tmp_path: Path) -> None:
    heading, data, inbound = "Postfix on another machine", tmp_path / "data", free_port()
    data.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours, theirs = (
        authority.issue_cert(f"{name}.example.test", "127.0.0.1") for name in ("graphpost", "postfix")
    )
    ours.cert_chain_pems[0].write_to_path(str(data / "mx.pem"))
    ours.private_key_pem.write_to_path(str(data / "mx.key"))
    theirs.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    (data / "postfix.password").write_text("secret\n")
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(running_relay())
        sasl = stack.enter_context(SaslServer({"graphpost": "secret"}))
        nearby = block(heading, "ini").replace("[graphpost.example.test]:25", f"[127.0.0.1]:{inbound}")
        config = parameters(nearby.replace("/etc/ssl/certs/ca-certificates.crt", "{base}/ca.pem"))
        config |= {
            "smtp_tls_policy_maps": f"inline:{{ {{ [127.0.0.1]:{world.port} = none }} }}",
            "relayhost": f"[127.0.0.1]:{world.port}",
            "mynetworks": "127.0.0.9/32",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_auth_only": "yes",
            "smtpd_tls_chain_files": str(tmp_path / "both.pem"),
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{sasl.port}",
            "smtpd_recipient_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
        }
        postfix = Postfix(**config)
        authority.cert_pem.write_to_path(str(postfix.base / "ca.pem"))
        stack.enter_context(postfix)
        text = (
            block(heading, "toml").replace("port = 25", f"port = {inbound}").replace("0.0.0.0", "127.0.0.1")
        )
        text = text.replace("postfix.example.test:587", f"127.0.0.1:{postfix.port}")
        text = text.replace('"verified"', f'"verified"\nca_file = "{tmp_path}/ca.pem"')
        client, server = stack.enter_context(graphpost(data, settings(data, text)))
        stack.callback(lambda: print(postfix.log, server.output.getvalue()))
        client.send("bob@world.test", subject="out")
        assert world.wait_for("out").recipients == ("bob@world.test",)
        postfix.sendmail(STRANGER, b"From: stranger@world.test\nSubject: in\n\nhello\n", ADELE)
        eventually(lambda: [each["subject"] for each in client.folder("inbox")] == ["in"])


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_the_settings_load(tmp_path: Path, text: str) -> None:
    for name in ("postfix.password", "mx.pem", "mx.key"):
        (tmp_path / name).write_text("x\n")
    file = tmp_path / "settings.toml"
    file.write_text(text)
    assert load(file, data=tmp_path, environ={}, flags={}).routes
