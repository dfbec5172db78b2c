"""The commands on a running server and on a stopped one: the same answers, errors of one line, exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.programs import running_postgres

from graphpost.testing.process import ServerProcess
from graphpost.testing.smtp_peer import SmtpPeer

pytestmark = pytest.mark.slow


def test_a_message_is_followed_to_its_outcome_per_recipient(
    serve: Any, graphpost: Any, relay: SmtpPeer
) -> None:
    relay.rule("RCPT", "550 5.1.1 no such user", match="nobody@*")
    relay.rule("RCPT", "451 4.2.1 mailbox busy", match="busy@*")
    server: ServerProcess = serve("--relay", f"smtp://127.0.0.1:{relay.port}")
    words = ["--subject", "Grüße", "--cc", "alex@example.test", "--bcc", "hidden@else.test", "-"]
    good = graphpost("send", "--to", "a@else.test", *words, text="from standard input\n")
    assert (good.status, good.err) == (0, "")
    outcomes = sorted(line.split()[:2] for line in good.out.splitlines()[1:])
    assert outcomes == [
        ["delivered", "a@else.test"],
        ["delivered", "alex@example.test"],
        ["delivered", "hidden@else.test"],
    ]
    assert b"hidden@else.test" not in relay.wait_for_messages(1)[0].data

    bad = graphpost("send", "--to", "nobody@else.test", "--subject", "x", "text")
    assert bad.status == 1
    assert "failed    nobody@else.test  550 5.1.1 no such user (127.0.0.1)" in bad.out
    slow = graphpost("send", "--to", "busy@else.test", "--subject", "x", "--wait", "30", "text")
    assert slow.status == 3
    assert "Deferred until " in slow.out
    assert "deferred  busy@else.test  451 4.2.1 mailbox busy (127.0.0.1)" in slow.out

    queue_id = slow.out.split()[2].rstrip(".")
    (waiting,) = graphpost("queue", "list", "--state", "queued", "--json").json
    assert waiting["id"] == queue_id
    relay.clear_rules()
    assert graphpost("queue", "retry", queue_id).status == 0
    relay.wait_for_messages(2)
    server.wait_for(r" delivered .*busy@else\.test")
    shown = graphpost("queue", "show", queue_id, "--json").json
    assert [recipient["state"] for recipient in shown["recipients"]] == ["delivered"]
    assert graphpost("queue", "cancel", queue_id).error[0] == 1
    assert "Undeliverable: x" in graphpost.messages(server, "inbox")


def attachments(graphpost: Any, server: ServerProcess) -> dict[str, bytes]:
    """Those of the newest message of Alex."""
    wire, token = graphpost.wire(server), {"Authorization": f"Bearer {graphpost.token()}"}
    box = "/v1.0/users/alex@example.test/messages"
    (newest,) = wire.request("GET", f"{box}?$top=1&$select=id", token).json["value"]
    listed = wire.request("GET", f"{box}/{newest['id']}/attachments?$select=id,name", token).json["value"]
    found = {
        each["name"]: wire.request("GET", f"{box}/{newest['id']}/attachments/{each['id']}/$value", token).body
        for each in listed
    }
    wire.close()
    return found


def test_attachments_larger_than_a_request_are_sent_with_the_others(
    serve: Any, graphpost: Any, tmp_path: Path
) -> None:
    server: ServerProcess = serve()
    files = {"large ü.bin": os.urandom(9_000_001), "small.txt": b"small", "empty": b""}
    options = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        options += ["--attach", str(tmp_path / name)]
    sent = graphpost("send", "--to", "alex@example.test", "--subject", "large", *options, "text")
    assert (sent.status, sent.err.strip()) == (0, "Sending")
    assert "delivered alex@example.test" in sent.out
    assert attachments(graphpost, server) == files
    assert graphpost.messages(server, "drafts") == []
    assert graphpost.messages(server, "sentitems") == ["large"]


def test_a_message_that_is_too_large_leaves_no_draft(serve: Any, graphpost: Any, tmp_path: Path) -> None:
    server: ServerProcess = serve(GRAPHPOST_LIMITS_MESSAGE_BYTES="8000000")
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(9_000_000))
    sent = graphpost("send", "--to", "alex@example.test", "--subject", "x", "--attach", str(file), "text")
    assert sent.status == 1
    assert sent.err.splitlines()[-1].startswith("graphpost: 413 ")
    assert graphpost.messages(server, "drafts") == []


def test_a_cancelled_message_is_not_delivered(serve: Any, graphpost: Any, relay: SmtpPeer) -> None:
    relay.rule("RCPT", "451 4.2.1 busy")
    server: ServerProcess = serve("--relay", f"smtp://127.0.0.1:{relay.port}")
    sent = graphpost("send", "--to", "a@else.test", "--subject", "x", "--wait", "0", "text")
    queue_id = sent.out.split()[-1].rstrip(".")
    server.wait_for(" deferred ")
    cancelled = graphpost("queue", "cancel", queue_id, "--json").json
    assert [recipient["state"] for recipient in cancelled["recipients"]] == ["cancelled"]
    assert graphpost("queue", "retry", queue_id).error[0] == 1
    assert graphpost.messages(server, "inbox") == []  # nobody gets a report


LISTS = [("queue", "list"), ("mailbox", "list"), ("app", "list"), ("check",)]
WRONG = {
    ("queue", "show", "1"): (1, "graphpost: there is no message '1' in the queue"),
    ("mailbox", "disable", "nobody@x.test"): (1, "graphpost: there is no mailbox nobody@x.test"),
    ("mailbox", "add", "not an address"): (2, "graphpost: address: "),
    ("mailbox", "add", "adele@example.test"): (2, "graphpost: address: adele@example.test belongs to another mailbox"),
}  # fmt: skip


def test_commands_do_the_same_with_a_server_and_without(serve: Any, graphpost: Any) -> None:
    server: ServerProcess = serve()
    assert graphpost("mailbox", "add", "new@example.test", "--json").json["address"] == "new@example.test"
    added = graphpost("app", "add", "Robot", "--permission", "Mail.Send", "--json")
    assert added.status == 0, added.err
    secret = added.json["secret"]
    online = {words: graphpost(*words, "--json").json for words in LISTS}
    refused = {words: graphpost(*words).error for words in WRONG}
    migrated = graphpost("migrate")
    assert server.stop() == 0
    offline = {words: graphpost(*words, "--json").json for words in LISTS}
    assert {words: offline[words] for words in LISTS[:3]} == {words: online[words] for words in LISTS[:3]}
    assert [row["ok"] for row in online[("check",)]] == [True] * len(online[("check",)])
    for words, (status, line) in WRONG.items():
        assert refused[words][0] == status, (words, refused[words])
        assert refused[words][1].startswith(line)
        assert graphpost(*words).error == refused[words]
    assert (migrated.status, migrated.out) == (0, "The database is up to date.\n")
    assert graphpost("migrate").out == migrated.out
    assert secret not in json.dumps([online[("app", "list")], offline[("app", "list")]])


@pytest.mark.parametrize(
    "words",
    [
        ("token",),
        ("token", "--user", "alex@example.test"),
        ("send", "--to", "a@b.test", "--subject", "x", "t"),
    ],
)
def test_what_needs_a_server_says_so_in_one_line(graphpost: Any, words: tuple[str, ...]) -> None:
    status, line = graphpost(*words).error
    assert status == 1
    assert line.startswith("graphpost: no server is running on ")


def test_wrong_settings_are_one_line_that_names_the_key(graphpost: Any, tmp_path: Any) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[server]\nprot = 1\n[[mailboxes]]\naddress = "a@b.test"\n')
    status, line = graphpost("serve", "--config", str(file)).error
    assert (status, line) == (2, "graphpost: server.prot: is not a setting; did you mean `port`?")


def test_on_postgresql_commands_do_the_same_with_a_server_and_without(
    serve: Any, graphpost: Any, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHPOST_STORE_URL", "sqlite:old.db")
    assert graphpost("mailbox", "add", "moved@example.test").status == 0
    with running_postgres() as postgres:
        monkeypatch.setenv("GRAPHPOST_STORE_URL", postgres.url)
        dry = graphpost("migrate", "--dry-run")
        assert (dry.status, "would apply 001" in dry.out) == (0, True)
        assert "applied 001" in graphpost("migrate").out
        assert "rows moved from" in graphpost("migrate", "--from", "sqlite:old.db").out
        assert (
            graphpost("migrate", "--from", "sqlite:old.db")
            .error[1]
            .startswith("graphpost: store.url: there are")
        )
        server: ServerProcess = serve()
        assert "moved@example.test" in graphpost("mailbox", "list").out
        assert not (data / "graphpost.db").exists()
        sent = graphpost("send", "--to", "alex@example.test", "--subject", "x", "text")
        assert (sent.status, "delivered alex@example.test" in sent.out) == (0, True)
        online = [graphpost(*words, "--json").json for words in LISTS]
        assert graphpost("migrate").out == "The database is up to date.\n"
        assert server.stop() == 0
        assert [graphpost(*words, "--json").json for words in LISTS][:3] == online[:3]
        assert graphpost("mailbox", "add", "new@example.test").status == 0
    status, line = graphpost("queue", "list").error
    assert (status, line.startswith("graphpost: ")) == (1, True)
    assert graphpost("check").status == 1
    for words in (("serve", "--port", "0"), ("migrate",)):
        done = graphpost(*words)
        assert done.status == 1
        (line,) = done.err.splitlines()
        assert line.startswith("graphpost: store.url: the database cannot be reached: ")
