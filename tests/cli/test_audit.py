"""`graphpost audit`: from a sent message to who sent it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from graphpost.clock import SECOND
from graphpost.config import load
from graphpost.store import audit
from graphpost.store.audit import NO_MAILBOX, Actor, Entry, Record, entry_of
from graphpost.store.databases.opening import open_store
from graphpost.store.directory import accounts
from graphpost.store.store import Tx

DAY = 86_400 * SECOND
START = 1_767_225_600 * SECOND  # 2026-01-01
ADELE = "adele@example.test"
NUMBER = 0x0AC3F84260000001


def put(tx: Tx, record: Record) -> None:
    audit.add(tx, entry_of(record))


@pytest.fixture
def _recorded(graphpost: Command, data: Path) -> None:
    """A message that Adele sent, many that an application sent for Alex, who was refused, and the two mailboxes added."""
    for address in (ADELE, "alex@example.test"):
        assert graphpost("mailbox", "add", address)[0] == 0
    config = load(None, data=data, environ={}, flags={})

    def add(tx: Tx) -> None:
        first, second = sorted(accounts.list_mailboxes(tx), key=lambda box: box.address)
        user = Actor(
            "user",
            "app-1",
            first.object_id,
            ADELE,
            "t1",
            "192.0.2.1",
            "Mail.Send",
            "owner",
            "POST U/sendMail",
        )
        app = Actor("application", "app-2", remote="192.0.2.2", right="application", action="POST U/sendMail")
        put(tx, Record(first.mailbox_id, NUMBER, START, user, first.address, NUMBER, ("Zoe@one.test",), 202))
        put(tx, Record(first.mailbox_id, NUMBER + 8192, START + 2, user, first.address, NUMBER, (), 201))
        where, at = NUMBER + DAY * 4096, START + DAY
        for extra in range(1500):
            put(
                tx,
                Record(second.mailbox_id, where + extra, at, app, second.address, 5, ("max@two.test",), 202),
            )
        stranger = Actor("nobody", remote="192.0.2.3")
        put(
            tx,
            Record(NO_MAILBOX, NUMBER - 1, START - 1, stranger, "", 0, (), 401, "InvalidAuthenticationToken"),
        )

    async def write() -> None:
        store = open_store(config.store, config.data)
        await store.write(add)
        await store.close()

    asyncio.run(write())


pytestmark = pytest.mark.usefixtures("_recorded")


def found(graphpost: Command, *options: str) -> list[dict[str, object]]:
    records: list[dict[str, object]] = graphpost.json("audit", *options)
    return records


def test_of_a_message_it_tells_who_sent_it_from_where_and_by_which_right(graphpost: Command) -> None:
    moved, sent = found(graphpost, "--message", f"{NUMBER:016x}")
    assert (sent["application"], sent["user"], sent["remote"]) == ("app-1", ADELE, "192.0.2.1")
    assert (sent["permission"], sent["right"], sent["recipients"]) == ("Mail.Send", "owner", ["Zoe@one.test"])
    assert moved["status"] == 201


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 100),
        (("--limit", "2000"), 1505),
        (("--mailbox", ADELE), 2),
        (("--application", "APP-1"), 2),
        (("--user", ADELE.upper()), 2),
        (("--recipient", "zoe@ONE.test"), 1),
        (("--remote", "192.0.2.3"), 1),
        (("--action", "sendmail", "--limit", "9"), 9),
        (("--failed",), 1),
        (("--until", "2026-01-01T00:00:00"), 0),
        (("--since", "2026-06-01T00:00:00+02:00"), 2),
    ],
)
def test_records_are_found_by_what_is_asked_for(
    graphpost: Command, options: tuple[str, ...], count: int
) -> None:
    assert len(found(graphpost, *options)) == count


def test_a_table_says_that_there_are_more(graphpost: Command) -> None:
    more = "There are more than 3; --limit says how many are listed."
    assert graphpost("audit", "--limit", "3")[1].splitlines()[-1] == more
    assert "There are more" not in graphpost("audit", "--limit", "1505")[1]
    assert len(graphpost.json("audit", "--limit", "3")) == 3


def test_all_of_it_is_exported_as_json_lines(graphpost: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    status, out, _ = graphpost("audit", "--export", str(file))
    assert (status, out.strip()) == (0, f"1505 records in {file}")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == 1505
    assert [line["id"] for line in lines] == sorted((line["id"] for line in lines), reverse=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (graphpost("audit", "--export", str(file)))[0] == 1


def test_an_export_that_does_not_come_to_its_end_leaves_no_file(graphpost: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    status, _, err = graphpost("audit", "--message", "zzz", "--export", str(file))
    assert (status, err) == (1, "graphpost: 'zzz' is no id of a message\n")
    assert not file.exists()


def test_a_record_that_cannot_be_read_hides_no_other(graphpost: Command, data: Path, tmp_path: Path) -> None:
    config = load(None, data=data, environ={}, flags={})
    broken = (b"{", b"\xff", b'{"time":"noon","id":"1","kind":"user"}', b'{"time":"2026-01-01T00:00:00Z"}', b'{"time":"2026-01-01T00:00:00Z","id":"","kind":"user","message":"x"}')  # fmt: skip

    async def write() -> None:
        store = open_store(config.store, config.data)
        for number, line in enumerate(broken, NUMBER + 1):
            entry = Entry(NO_MAILBOX, number, line)
            await store.write(lambda tx, entry=entry: audit.add(tx, entry))  # type: ignore[misc]
        await store.close()

    asyncio.run(write())
    status, out, err = graphpost("audit", "--user", ADELE, "--json")
    assert (status, err.strip()) == (0, "5 records cannot be read; their times and ids alone are known")
    kinds = [(each["kind"], each["id"]) for each in json.loads(out)]
    assert kinds.count(("user", f"{NUMBER:016x}")) == 1
    assert {number for kind, number in kinds if kind == "unreadable"} == {
        f"{NUMBER + 1 + each:016x}" for each in range(5)
    }
    assert len(kinds) == 7
    status, _, err = graphpost("audit", "--export", str(tmp_path / "all"))
    assert (status, err[:9]) == (0, "5 records")
    assert graphpost("audit")[0] == 0


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--message", "x"), "is no id of a message"),
        (("--since", "yesterday"), "is no time"),
        (("--mailbox", "nobody@example.test"), "nobody@example.test"),
    ],
)
def test_a_wrong_option_is_one_clear_line(graphpost: Command, options: tuple[str, ...], fault: str) -> None:
    status, _, err = graphpost("audit", *options)
    assert status in (1, 2)
    assert fault in err
    assert len(err.strip().splitlines()) == 1
