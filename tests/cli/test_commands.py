"""Commands without a server: help, settings, the store opened directly, exit statuses and errors in one line."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from graphpost import __version__
from graphpost.admin.access import announce
from graphpost.cli import COMMANDS, main
from graphpost.cli.checks import unused_routes
from graphpost.cli.output import state_text
from graphpost.clock import SECOND
from graphpost.config import Config, RouteSettings, load
from graphpost.files import make_directory
from graphpost.store.databases.opening import open_store
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import changes
from graphpost.store.queue import tls
from graphpost.store.store import Tx


def test_help_lists_every_command_with_its_own_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        command = import_module(f"graphpost.cli.{name}").command
        assert command.help.splitlines()[0] == summary
        assert f"  {name} " in listed


def test_help_imports_nothing_but_click() -> None:
    code = (
        "import sys; from graphpost.cli import main; main(['--help']);"
        "heavy = {'msgspec', 'cryptography', 'httpx2', 'apsw', 'prometheus_client', 'asyncio', 'ssl'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[name, "--help"] for name in COMMANDS], ids=" ".join)
def test_every_command_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"Usage: graphpost {arguments[0]}")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"graphpost {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["nowhere"], 2, "No such command 'nowhere'"),
        (["env", "--format", "xml"], 2, "Invalid value for '--format'"),
        (["queue", "show", "1"], 1, "there is no message '1' in the queue"),
        (["tls", "forget", "far.test"], 1, "nothing is known of far.test"),
        (["tls", "show", "not a domain"], 2, "domain: 'not a domain' is not a domain"),
        (["tls", "forget", "not a domain"], 2, "domain: 'not a domain' is not a domain"),
        (["mailbox", "change", "a@b.test"], 2, "say what to change"),
        (["audit", "--export", "/nowhere/x"], 1, "graphpost: /nowhere/x: No such file or directory"),
        (["queue", "list", "--mailbox", "no@a.test"], 1, "there is no mailbox no@a.test"),
        (["mailbox", "add", "nobody"], 2, "address: 'nobody' is not an e-mail address"),
        (["mailbox", "disable", "no@a.test"], 1, "there is no mailbox no@a.test"),
        (["app", "secret", "x"], 1, "there is no application x"),
        (["app", "add", "x", "--client-id", "y"], 2, "client_id: 'y' is not a GUID"),
        (["dkim", "create", "../x"], 2, "DOMAIN: '../x' is not a domain"),
        (["dkim", "create", "a.test", "--selector", "../x"], 2, "--selector: '../x' is not a selector"),
        (["token"], 1, "no server is running on"),
        (["send", "--subject", "x"], 2, "at least one of --to"),
        (["send", "--to", "a@b.test"], 2, "Missing option '--subject'"),
        (["send", "--to", "a@b.test", "--subject", "x", "text"], 1, "no server is running on"),
        (["send", "--to", "a@b.test", "--subject", "x", "--attach", "/nowhere"], 2, "does not exist"),
    ],
)
def test_an_error_is_one_clear_line(graphpost: Any, arguments: list[str], status: int, problem: str) -> None:
    found, _, err = graphpost(*arguments)
    assert found == status
    assert problem in err.splitlines()[-1]
    assert "Traceback" not in err


def test_wrong_settings_end_with_status_2(graphpost: Any, tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text("[server]\nprot = 1\n")
    status, _, err = graphpost("env", "--config", str(file))
    assert status == 2
    assert err == "graphpost: server.prot: is not a setting; did you mean `port`?\n"


def test_env_prints_what_a_client_needs_for_a_shell(graphpost: Any, data: Path) -> None:
    status, script, _ = graphpost("env")
    assert status == 0
    names = [
        "GRAPH_URL",
        "AUTHORITY",
        "TENANT_ID",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "CA_FILE",
        "MAILBOX",
        "USER_PASSWORD",
    ]
    told = subprocess.run(
        ["sh", "-c", script + "".join(f'echo "${name}"\n' for name in names)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    config = load(None, data=data, environ={}, flags={})
    application = config.applications[0]
    assert told == [
        "https://localhost:8443",
        f"https://localhost:8443/{config.tenant.id}",
        config.tenant.id,
        application.client_id,
        application.secrets[0],
        str(data / "ca/ca.pem"),
        "adele@example.test",
        config.mailboxes[0].password,
    ]


def test_env_quotes_values_for_the_shell_and_keeps_them_in_json(graphpost: Any, tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text('[[mailboxes]]\naddress = "a@b.test"\npassword = "it\'s $HOME `id`"\n')
    _, script, _ = graphpost("env", "--config", str(file))
    done = subprocess.run(
        ["sh", "-c", script + 'printf %s "$USER_PASSWORD"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == "it's $HOME `id`"
    _, text, _ = graphpost("env", "--config", str(file), "--format", "json")
    assert "it's $HOME `id`" in text


def test_mailboxes_are_administered_without_a_server(graphpost: Any) -> None:
    assert graphpost("mailbox", "list")[1] == "There are no mailboxes.\n"
    assert (
        graphpost("mailbox", "add", "a@b.test", "--name", "A", "--alias", "x@b.test")[1] == "a@b.test added\n"
    )
    assert graphpost("mailbox", "disable", "A@B.test")[1] == "a@b.test disabled\n"
    (found,) = graphpost.json("mailbox", "list")
    assert (found["address"], found["name"], found["aliases"], found["enabled"]) == (
        "a@b.test",
        "A",
        ["x@b.test"],
        False,
    )
    assert graphpost("mailbox", "enable", "a@b.test")[0] == 0
    assert graphpost("mailbox", "list")[1].splitlines()[1].split() == [
        "a@b.test",
        "A",
        "x@b.test",
        "person",
        "yes",
        "0",
    ]
    status, _, err = graphpost("mailbox", "add", "x@b.test")
    assert status == 2
    assert err == "graphpost: address: x@b.test belongs to another mailbox\n"


def test_a_password_comes_from_standard_input(graphpost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graphpost("mailbox", "add", "a@b.test")
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert graphpost("mailbox", "password", "a@b.test")[:2] == (0, "a@b.test has a new password\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    status, _, err = graphpost("mailbox", "password", "a@b.test")
    assert (status, err.splitlines()[-1]) == (2, "Error: the password is empty")


def test_applications_are_administered_without_a_server(graphpost: Any) -> None:
    options = ["--mailbox", "a@b.test"]
    for entry in ("group:Senders", "c@b.test"):
        options += ["--mailbox-for", "Mail.Send", entry]
    added = graphpost.json("app", "add", "Invoices", "--permission", "Mail.Send", *options)
    assert added["mailbox_scope"] == ["a@b.test"]
    assert added["permission_scopes"] == {"Mail.Send": ["group:Senders", "c@b.test"]}
    _, out, _ = graphpost("app", "secret", added["client_id"])
    assert out.splitlines()[0] == f"client id  {added['client_id']}"
    assert graphpost("app", "list")[1].splitlines()[1].split() == [
        added["client_id"],
        "Invoices",
        "Mail.Send",
    ]


def test_what_is_known_of_a_domain_is_shown_and_forgotten(graphpost: Any, data: Path) -> None:
    assert graphpost("tls", "show", "far.test")[:2] == (0, "domain      far.test\nnothing is known\n")
    policy = tls.StoredPolicy(
        "xn--fr-via.test", "1", "version: STSv1\r\nmode: none\r\nx: \x1b[2J\r\n", 0, SECOND
    )

    def put(tx: Tx) -> None:
        tls.put_level(tx, "xn--fr-via.test", tls.Level(1, 0))
        tls.put_policy(tx, policy)

    in_store(data, put)
    assert graphpost("tls", "show", "Fär.test")[1] == (
        "domain      xn--fr-via.test\n"
        "level       encrypted\n"
        "reached     1970-01-01T00:00:00Z\n"
        "policy      version: STSv1; mode: none; x:  [2J\n"
        "fetched     1970-01-01T00:00:00Z\n"
        "expires     1970-01-01T00:00:01Z\n"
    )
    assert graphpost.json("tls", "forget", "fär.test")["level"] == "encrypted"
    assert graphpost.json("tls", "show", "fär.test")["level"] == ""


def test_files_for_tls_are_checked(graphpost: Any, data: Path) -> None:
    data.mkdir()
    (data / "us.pem").write_text("nonsense")
    file = data / "graphpost.toml"
    file.write_text('[[routes]]\ndomains = ["*"]\nto = "mx:"\ncertificate = "us.pem"\n')
    status, out, _ = graphpost("check", "--no-dns", "--config", str(file))
    assert status == 1
    assert "routes[0].certificate: cannot be used with its key" in out


@pytest.mark.parametrize("words", [["queue"], ["mailbox"], ["mailbox", "alias"], ["app"], ["tls"], ["keys"]])
def test_the_help_of_a_group_says_in_full_what_its_commands_do(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert "..." not in out.partition("Commands:")[2]
    rows = out.partition("Commands:")[2].split("\n  ")
    assert rows[-1].rstrip().endswith(".")


def test_a_new_data_directory_is_pointed_out_once(graphpost: Any, data: Path) -> None:
    note = f"{data} is a new data directory; no server has run on it yet.\n"
    assert graphpost("queue", "list") == (0, "The queue is empty.\n", note)
    assert graphpost("queue", "list") == (0, "The queue is empty.\n", "")


def test_a_running_servers_settings_are_found_by_the_environment_too(
    graphpost: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        f'[tenant]\nid = "{"1" * 8}-1111-1111-1111-{"1" * 12}"\n[[mailboxes]]\naddress = "a@b.test"\n'
    )
    make_directory(data)
    announce(data, "https://localhost:1", file)
    monkeypatch.setenv("GRAPHPOST_DATA", str(data))
    assert main(["env"]) == 0
    assert "export MAILBOX=a@b.test" in capsys.readouterr().out


def test_a_server_that_believes_no_token_is_warned_of(
    graphpost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "issuers" not in {each["check"] for each in graphpost.json("check", "--no-dns")}
    monkeypatch.setenv("GRAPHPOST_ISSUER_ENABLED", "false")
    (found,) = (each for each in graphpost.json("check", "--no-dns") if each["check"] == "issuers")
    assert (found["warning"], "nobody's token is believed" in found["detail"]) == (True, True)


def test_a_directory_for_the_audit_log_elsewhere_is_checked(
    graphpost: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(directory: Path) -> str:
        monkeypatch.setenv("GRAPHPOST_AUDIT_DIRECTORY", str(directory))
        _, out, _ = graphpost("check", "--no-dns")
        (line,) = (line for line in out.splitlines() if " audit " in line)
        return line

    file = tmp_path / "file"
    file.write_bytes(b"")
    assert said(tmp_path / "elsewhere").startswith("ok")
    assert "is not a directory" in said(file)


@pytest.mark.parametrize(
    ("text", "mode", "is_doubted"),
    [
        ('[[mailboxes]]\naddress = "a@b.test"\npassword = "p"\n', 0o644, True),
        ('[[mailboxes]]\naddress = "a@b.test"\npassword = "p"\n', 0o600, False),
        ('[[mailboxes]]\naddress = "a@b.test"\n', 0o644, False),
        (
            f'[[applications]]\nclient_id = "{"1" * 8}-1111-1111-1111-{"1" * 12}"\nsecrets = ["s"]\n',
            0o640,
            True,
        ),
    ],
)
def test_secrets_in_a_file_that_others_can_read_are_warned_of(
    graphpost: Any, tmp_path: Path, text: str, mode: int, is_doubted: bool
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(text)
    file.chmod(mode)
    first = graphpost.json("check", "--no-dns", "--config", str(file))[0]
    assert (first["check"], first["warning"], first["ok"]) == ("settings", is_doubted, True)
    assert ("can be read by others" in first["detail"]) == is_doubted


def test_why_a_running_server_is_not_reached_is_said(graphpost: Any, data: Path) -> None:
    assert graphpost("migrate")[0] == 0
    announce(data, "http://127.0.0.1:1")
    assert graphpost("mailbox", "list")[0] == 0  # the store is free: the server has just ended
    store = SqliteStore.open(data / "graphpost.db")
    try:
        status, _, err = graphpost("mailbox", "list")
        assert (status, err.startswith("graphpost: http://127.0.0.1:1 does not answer: ")) == (1, True)
    finally:
        asyncio.run(store.close())


def test_a_postmaster_who_is_nobody_is_warned_of(graphpost: Any, data: Path) -> None:
    data.mkdir(mode=0o700)
    file = data / "graphpost.toml"
    file.write_text(
        '[tenant]\npostmaster = "Head@b.test"\n[[mailboxes]]\naddress = "a@b.test"\naliases = ["head@b.test"]\n'
    )

    def found() -> tuple[bool, str]:
        checks = graphpost.json("check", "--no-dns", "--config", str(file))
        (one,) = (each for each in checks if each["check"] == "postmaster")
        return one["warning"], one["detail"]

    assert found() == (False, "Head@b.test")
    file.write_text('[tenant]\npostmaster = "new@b.test"\n[[mailboxes]]\naddress = "a@b.test"\n')
    assert found()[0]
    assert not (data / "graphpost.db").exists()
    assert graphpost("mailbox", "add", "other@b.test", "--config", str(file))[0] == 0
    assert found()[1].startswith("nobody has new@b.test (tenant.postmaster)")
    graphpost("mailbox", "add", "new@b.test", "--config", str(file))
    assert found() == (False, "new@b.test")


def in_store(data: Path, fn: Callable[[Tx], object]) -> None:
    async def run() -> None:
        store = open_store(Config().store, data)
        await store.write(fn)
        await store.close()

    asyncio.run(run())


def test_the_queue_is_listed_without_a_server(graphpost: Any) -> None:
    assert graphpost("queue", "list")[:2] == (0, "The queue is empty.\n")
    assert graphpost.json("queue", "list", "--state", "held") == []


def test_a_database_in_use_is_said_so(graphpost: Any, data: Path) -> None:
    assert graphpost("migrate")[0] == 0
    store = SqliteStore.open(data / "graphpost.db")
    try:
        status, _, err = graphpost("mailbox", "list")
        assert (status, len(err.splitlines())) == (1, 1)
    finally:
        asyncio.run(store.close())


def test_migrate_says_what_it_does_and_does_it_once(graphpost: Any, data: Path) -> None:
    _, planned, _ = graphpost("migrate", "--dry-run")
    assert planned.startswith("would apply 001 ")
    assert not (data / "graphpost.db").exists()
    _, applied, _ = graphpost("migrate")
    assert applied == planned.replace("would apply", "applied")
    assert graphpost("migrate")[1] == "The database is up to date.\n"
    assert graphpost("migrate", "--dry-run")[1] == "The database is up to date.\n"
    assert graphpost("migrate", "--dry-run", "--restored")[1] == "The database is up to date.\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--from", "sqlite:old.db"), "graphpost: store.url: must be postgresql://"),
        (("--from", "old.db"), "graphpost: --from: must be sqlite:FILE"),
        (("--from", "sqlite:old.db", "--dry-run"), "Error: --from stands alone"),
        (("--from", "sqlite:old.db", "--restored"), "Error: --from stands alone"),
    ],
)
def test_mailboxes_move_from_sqlite_to_postgresql_alone(
    graphpost: Any, words: tuple[str, ...], problem: str
) -> None:
    status, _, err = graphpost("migrate", *words)
    assert status == 2
    assert err.splitlines()[-1].startswith(problem)


def test_after_a_backup_was_put_back_clients_begin_anew(graphpost: Any, data: Path) -> None:
    async def horizons() -> tuple[int, int]:
        store = SqliteStore.open(data / "graphpost.db")
        try:
            return await store.read(changes.forgotten), await store.read(changes.latest)
        finally:
            await store.close()

    assert graphpost("migrate")[0] == 0
    forgotten, before = asyncio.run(horizons())
    assert forgotten == 0
    _, out, _ = graphpost("migrate", "--restored")
    assert out == "The database is up to date.\nClients that synchronise will begin anew.\n"
    forgotten, after = asyncio.run(horizons())
    assert before < forgotten <= after


def test_check_finds_files_that_others_can_read(graphpost: Any, data: Path) -> None:
    status, out, _ = graphpost("check")
    assert status == 0, out
    assert [line[:4] for line in out.splitlines()] == ["ok  "] * 4
    (data / "defaults.json").chmod(0o644)
    status, out, _ = graphpost("check")
    assert status == 1
    assert "FAIL  data directory" in out


@pytest.mark.parametrize(
    ("first", "second", "is_reached"),
    [
        ("*.contoso.test", "mail.contoso.test", False),
        ("*.Contoso.test", "a.b.contoso.TEST", False),
        ("*.contoso.test", "*.mail.contoso.test", False),
        ("*.contoso.test", "*.contoso.test", False),
        ("münchen.test", "xn--mnchen-3ya.test", False),
        ("*.xn--mnchen-3ya.test", "*.a.MÜNCHEN.test", False),
        ("*", "*.contoso.test", False),
        ("*.contoso.test", "contoso.test", True),
        ("contoso.test", "*.contoso.test", True),
        ("*.mail.contoso.test", "*.contoso.test", True),
        ("*.oso.test", "contoso.test", True),
        ("*.contoso.test", "*", True),
    ],
)
def test_a_route_is_never_reached_where_an_earlier_one_has_all_that_it_names(
    first: str, second: str, is_reached: bool
) -> None:
    found = unused_routes(
        [RouteSettings(domains=[first], to="capture:"), RouteSettings(domains=[second], to="capture:")]
    )
    assert [each.check for each in found] == ([] if is_reached else ["routes[1].domains[0]"])


def test_check_warns_of_routes_that_are_never_reached(graphpost: Any, data: Path) -> None:
    """The first that matches wins."""
    file = data.parent / "settings.toml"
    routes = (["one.test"], ["Two.test", "ONE.test"], ["*"], ["three.test", "*"])
    file.write_text("".join(f'[[routes]]\ndomains = {each}\nto = "capture:"\n' for each in routes))
    rows = graphpost.json("check", "--config", str(file), "--no-dns")
    assert {row["check"]: row["detail"].partition(" because ")[2] for row in rows if row["warning"]} == {
        "routes[1].domains[1]": "routes[0] has it",
        "routes[3].domains[0]": "routes[2] has it",
        "routes[3].domains[1]": "routes[2] has it",
    }
    assert all(row["ok"] for row in rows)


@pytest.mark.parametrize(("host", "state"), [("127.0.0.1", "ok"), ("::1", "ok"), ("0.0.0.0", "warn")])
def test_check_warns_of_metrics_for_everybody(graphpost: Any, data: Path, host: str, state: str) -> None:
    file = data.parent / "metrics.toml"
    file.write_text(f'[metrics]\nport = 9100\nhost = "{host}"\n')
    status, out, _ = graphpost("check", "--config", str(file))
    assert status == 0
    (line,) = [line for line in out.splitlines() if " metrics " in line]
    assert line.split()[0] == state
    rows = graphpost.json("check", "--config", str(file))
    (row,) = [row for row in rows if row["check"] == "metrics"]
    assert (row["ok"], row["warning"]) == (True, state == "warn")


def test_check_finds_a_damaged_certificate(graphpost: Any, data: Path, tmp_path: Path) -> None:
    for name in ("own.pem", "own.key"):
        (tmp_path / name).write_text("no certificate")
    file = tmp_path / "g.toml"
    file.write_text(f'[server]\ncertificate = "{tmp_path}/own.pem"\nkey = "{tmp_path}/own.key"\n')
    status, out, _ = graphpost("check", "--config", str(file))
    assert status == 1
    assert "FAIL  certificate" in out


def test_a_command_reads_the_settings_of_the_running_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from graphpost.admin.access import announce

    file = tmp_path / "settings.toml"
    file.write_text('[tenant]\nid = "99999999-2222-3333-4444-555555555555"\n')
    announce(tmp_path, "http://localhost:1", file)
    assert main(["env", "--data", str(tmp_path), "--format", "json"]) == 0
    assert '"TENANT_ID": "99999999-2222-3333-4444-555555555555"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["postgresql://u:se@cret@h/d", "postgresql://h/d?password=cret", "postgresql://u:cret@h/d"]
)
def test_check_shows_no_password_of_the_database(tmp_path: Path, url: str) -> None:
    from graphpost.admin.access import announce
    from graphpost.cli.checks import database

    announce(tmp_path, "http://localhost:1")
    shown = database(load(None, data=tmp_path, environ={"GRAPHPOST_STORE_URL": url}, flags={}))
    assert "h/d" in shown
    assert "cret" not in shown


def test_a_dkim_key_is_made_once_and_its_record_shown(graphpost: Any, data: Path) -> None:
    made = graphpost.json("dkim", "create", "Contoso.test", "--selector", "s1")
    key = data / "dkim/contoso.test/s1.pem"
    assert made["record"] == "s1._domainkey.contoso.test"
    assert made["text"].startswith("v=DKIM1; k=rsa; p=")
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0
    before = key.read_bytes()
    status, _, error = graphpost("dkim", "create", "contoso.test", "--selector", "s1")
    assert (status, key.read_bytes()) == (1, before)
    assert error == f"graphpost: {key} is there already; choose another selector\n"


def test_the_records_of_the_keys_in_the_settings_are_shown(
    graphpost: Any, tmp_path: Path, data: Path
) -> None:
    made = graphpost.json("dkim", "create", "contoso.test", "--selector", "s1", "--algorithm", "ed25519")
    file = tmp_path / "settings.toml"
    file.write_text('[[dkim]]\ndomain = "contoso.test"\nselector = "s1"\n')
    assert graphpost.json("dkim", "show", "--config", str(file)) == [made]
    status, out, _ = graphpost("dkim", "show", "--config", str(file))
    assert (status, out.strip()) == (0, made["zone"])


def test_a_dkim_key_that_cannot_sign_is_found(graphpost: Any, tmp_path: Path, data: Path) -> None:
    graphpost.json("dkim", "create", "contoso.test", "--selector", "s1")
    file = tmp_path / "settings.toml"
    file.write_text('[[dkim]]\ndomain = "contoso.test"\nselector = "s1"\n')
    key = data / "dkim/contoso.test/s1.pem"

    def found() -> str:
        _, out, _ = graphpost("check", "--config", str(file))
        return next(line for line in out.splitlines() if "dkim[0]" in line)

    assert found().split()[:2] == ["ok", "dkim[0]"]
    key.chmod(0o644)
    assert "can be read by others" in found()
    key.unlink()
    assert "cannot be read" in found()


def test_what_a_report_said_since_stands_behind_the_state() -> None:
    told = {"state": "read", "status": "", "text": "", "at": ""}
    assert state_text({"state": "delivered", "reported": told}) == "delivered, read"
    assert state_text({"state": "delivered", "reported": None}) == "delivered"
