"""A whole server: who signed in, who guessed, and what an administrator did are in the audit log's files."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.parse
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.auth.world import ADELE, CLIENT, PASSWORD, SECRET, World

from graphpost.auth.signing_in import Locked, SigningIn
from graphpost.auth.throttle import PER_ACCOUNT_AND_ADDRESS, account_of
from graphpost.cli import main
from graphpost.config.defaults import embedded_defaults
from graphpost.testing.ports import free_port
from graphpost.testing.server import running_server


def lines(data: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted((data / "audit").iterdir())
        for line in file.read_text().splitlines()
    ]


def test_sign_ins_by_http_and_smtp_and_administration_are_recorded(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "settings.toml"
    file.write_text(f'[tenant]\ndomains = ["example.test"]\n[inbound]\nsubmission_port = {free_port()}\n')
    with running_server(data, file=file) as server:
        given = embedded_defaults(data)
        context = ssl.create_default_context(cafile=server.ca_file)
        with httpx2.Client(base_url=server.url, verify=context) as client:
            form = {"grant_type": "client_credentials", "client_id": given.client_id, "scope": "https://graph.microsoft.com/.default"}  # fmt: skip
            for secret in (given.client_secret, "wrong"):
                answer = client.post(
                    f"/{server.config.tenant.id}/oauth2/v2.0/token", data={**form, "client_secret": secret}
                )
            refused = answer.json()
            assert client.delete("/admin/groups/x", headers={"authorization": "Bearer x"}).status_code == 401
            assert client.post("/healthz").status_code == 405  # open to everybody, and nobody's doing
        with smtplib.SMTP("localhost", server.config.inbound.submission_port) as smtp:
            smtp.starttls(context=context)
            smtp.ehlo()
            wrong = b64encode(b"\0adele@example.test\0wrong").decode()
            assert smtp.docmd(f"AUTH PLAIN {wrong}")[0] == 535
            smtp.login("adele@example.test", given.user_password)
        here = ["--data", str(data), "--config", str(file)]
        for command in ("add", "disable"):
            assert main(["mailbox", command, "alex+x@example.test", *here]) == 0
    found = [
        (each["kind"], each["action"], each["status"], each.get("code", ""), each.get("user", ""))
        for each in lines(data)
    ]
    assert found == [
        ("application", "issuer token client_credentials", 200, "", ""),
        ("nobody", "issuer token client_credentials", 401, "AADSTS7000215", ""),
        ("nobody", "administration", 401, "", ""),
        ("nobody", "SMTP AUTH", 535, "5.7.8", "adele@example.test"),
        ("user", "SMTP AUTH", 235, "", "adele@example.test"),
        ("administrator", "POST /admin/mailboxes", 200, "", ""),
        ("administrator", "PATCH /admin/mailboxes/alex+x@example.test", 200, "", ""),
    ]
    assert {each["remote"] for each in lines(data)} == {"127.0.0.1"}
    assert lines(data)[1]["requestId"] == refused["trace_id"]
    assert given.user_password not in urllib.parse.unquote(json.dumps(lines(data)))


def test_what_is_done_while_no_server_runs_is_recorded_too(tmp_path: Path) -> None:
    here = ["--data", str(tmp_path / "data")]
    assert main(["mailbox", "add", "zoe@example.test", *here]) == 0
    assert main(["mailbox", "disable", "zoe@example.test", *here]) == 0
    assert main(["mailbox", "list", *here]) == 0
    assert [(each["kind"], each["action"]) for each in lines(tmp_path / "data")] == [
        ("administrator", "POST /admin/mailboxes"),
        ("administrator", "PATCH /admin/mailboxes/zoe@example.test"),
    ]


def test_who_is_locked_out_of_smtp_is_recorded_without_what_was_typed(world: World) -> None:
    signing_in = SigningIn(world.store, world.guesses, lambda: world.current, world.note)
    for name, password in [("a password", "x"), *[(ADELE, "x")] * 10]:
        assert world.run(signing_in.sign_in(name, password, "192.0.2.9")) is None
    with pytest.raises(Locked):
        world.run(signing_in.sign_in(ADELE, PASSWORD, "192.0.2.9"))
    assert {(actor.kind, actor.action, actor.remote) for actor, _, _ in world.told} == {
        ("nobody", "SMTP AUTH", "192.0.2.9")
    }
    assert [(actor.person, status, code) for actor, status, code in (world.told[0], world.told[-1])] == [
        ("", 535, "5.7.8"),
        (ADELE, 454, "4.7.0"),
    ]


def test_guesses_are_counted_together_by_whichever_way_and_address_they_come(world: World) -> None:
    signing_in = SigningIn(world.store, world.guesses, lambda: world.current)
    for _ in range(PER_ACCOUNT_AND_ADDRESS - 2):
        world.run(world.guesses.failed(account_of(None, ADELE), "192.0.2.1"))
    form = {"grant_type": "password", "client_id": CLIENT, "client_secret": SECRET, "scope": "Mail.Send"}
    guess = form | {"username": "adele@contoso.test", "password": "x"}
    assert world.token(**guess)[1]["error_codes"] == [50126]
    assert world.run(signing_in.sign_in(ADELE.upper(), "x", "192.0.2.1")) is None
    assert world.token(**guess)[1]["error_codes"] == [50053]
    for name in (ADELE, "adele@contoso.test"):
        with pytest.raises(Locked):
            world.run(signing_in.sign_in(name, PASSWORD, "192.0.2.1"))
