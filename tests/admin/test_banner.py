"""The banner tells where everything is, in commands that can be pasted, and no secret."""

import shlex
from pathlib import Path

import pytest

from graphpost.admin.banner import banner, origin
from graphpost.config import load


@pytest.mark.parametrize(
    ("flags", "port", "url"),
    [
        ({}, None, "https://localhost:8443"),
        ({"server.port": 443}, None, "https://localhost"),
        ({"server.tls": False, "server.port": 80}, None, "http://localhost"),
        ({"server.port": 0}, 5000, "https://localhost:5000"),
        ({"server.names": ["graph.microsoft.com"]}, None, "https://localhost:8443"),
        ({"server.names": ["mail.test"], "server.host": "0.0.0.0"}, None, "https://localhost:8443"),
        ({"server.names": ["mail.test"], "server.host": "192.0.2.1"}, None, "https://192.0.2.1:8443"),
        ({"server.host": "192.0.2.1"}, None, "https://192.0.2.1:8443"),
        ({"server.host": "127.0.0.2"}, None, "https://127.0.0.2:8443"),
        ({"server.host": "::1"}, None, "https://[::1]:8443"),
        ({"server.host": "::"}, None, "https://localhost:8443"),
        ({"server.names": ["mail.test"], "server.host": "2001:db8::1"}, None, "https://[2001:db8::1]:8443"),
    ],
)
def test_the_origin_is_how_clients_of_this_machine_reach_it(
    tmp_path: Path, flags: dict[str, object], port: int | None, url: str
) -> None:
    assert origin(load(None, data=tmp_path, environ={}, flags=flags), port) == url


def test_the_banner_tells_where_everything_is_and_no_secret(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    config = load(None, data=data, environ={}, flags={"relay": "smtp://127.0.0.1:25"})
    text = banner(config, "https://localhost:8443", data / "ca/ca.pem")
    for expected in (
        "https://localhost:8443/v1.0",
        f"https://localhost:8443/{config.tenant.id}",
        config.applications[0].client_id,
        "adele@example.test, alex@example.test",
        str(data / "ca/ca.pem"),
        "local mailboxes: their Inbox; all others: smtp://127.0.0.1:25",
    ):
        assert expected in text
    assert config.mailboxes[0].password not in text
    assert config.applications[0].secrets[0] not in text


def test_without_a_relay_the_banner_says_that_nothing_leaves_the_machine(tmp_path: Path) -> None:
    text = banner(load(None, data=tmp_path, environ={}, flags={}), "https://localhost:8443", None)
    assert "captured, nothing leaves this machine" in text
    assert "queue list" in text


def test_the_line_to_try_is_a_shell_command(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    config = load(None, data=data, environ={}, flags={})
    text = banner(config, "https://localhost:8443", data / "ca/ca.pem")
    words = shlex.split(text[text.index("  curl") :].replace("\\\n", " "))
    assert words[:5] == ["curl", "-i", "--cacert", str(data / "ca/ca.pem"), words[4]]
    assert words[4] == "https://localhost:8443/v1.0/users/adele@example.test/sendMail"


def test_a_server_without_accounts_has_a_banner_too(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text('[[mailboxes]]\naddress = "a@b.test"\n')
    assert "a@b.test" in banner(load(file, data=tmp_path, environ={}, flags={}), "http://localhost:1", None)


def test_the_commands_name_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "my settings.toml"
    file.write_text(
        '[[mailboxes]]\naddress = "a@b.test"\n[[applications]]\nclient_id = "'
        + "1" * 8
        + '-1111-1111-1111-111111111111"\n'
    )
    text = banner(load(file, data=tmp_path, environ={}, flags={}), "http://localhost:1", None, file)
    for command in ("queue list", "env", "token"):
        assert f"{command} --config {shlex.quote(str(file))} --data {tmp_path}" in text


def test_the_banner_tells_where_mail_comes_in(tmp_path: Path) -> None:
    flags = {"inbound.port": 2525, "inbound.lmtp_socket": "lmtp.sock"}
    text = banner(load(None, data=tmp_path, environ={}, flags=flags), "https://localhost:8443", None)
    assert f"Mail in    SMTP on 127.0.0.1 port 2525; LMTP on {tmp_path}/lmtp.sock" in text
    assert "Mail in" not in banner(
        load(None, data=tmp_path, environ={}, flags={}), "https://localhost:8443", None
    )


def test_the_banner_tells_what_others_call_it(tmp_path: Path) -> None:
    flags: dict[str, object] = {"server.host": "0.0.0.0", "server.names": ["localhost", "mail.contoso.test"]}
    config = load(None, data=tmp_path, environ={}, flags=flags)
    assert "Elsewhere  https://mail.contoso.test:8443/v1.0" in banner(config, "https://localhost:8443", None)
    alone = load(None, data=tmp_path, environ={}, flags={**flags, "server.host": "127.0.0.1"})
    assert "Elsewhere" not in banner(alone, "https://localhost:8443", None)
