"""`graphpost queue` against a server's administration: what is chosen, what is done, and what is asked first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from click.testing import CliRunner

from graphpost.admin import queue
from graphpost.cli import root
from graphpost.clock import SECOND
from graphpost.store.queue import deliveries, reported
from graphpost.store.queue.deliveries import Delivery, Recipient
from graphpost.store.queue.reported import Reported

FIRST = f"{1 << 12:016x}"


def put(server: Any, count: int = 3) -> None:
    """Messages 1, 2, … to two recipients each, the even ones to another destination."""

    def add(tx: Any) -> None:
        for number in range(1, count + 1):
            delivery = Delivery(
                mailbox_id=number,
                message_id=number << 12,
                position=0,
                destination=("mx:one.test", "mx:two.test")[number % 2 == 0],
                due_at=4_000_000_000 * SECOND,
                created_at=number,
                expires_at=5_000_000_000 * SECOND,
                sender=f"s{number}@a.test",
                recipients=(Recipient("x@one.test"), Recipient("y@one.test")),
            )
            deliveries.add(tx, delivery)

    store = server.api.operations.store
    asyncio.run_coroutine_threadsafe(store.write(add), server.loop).result(60)


def states(graphpost: Any) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for entry in graphpost.json("queue", "list"):
        found.setdefault(int(entry["id"], 16) >> 12, []).extend(each["state"] for each in entry["recipients"])
    return dict(sorted(found.items()))


@pytest.mark.parametrize(
    ("options", "held"),
    [
        (["--destination", "one.test"], {1, 3}),
        (["--destination", "mx:two.test"], {2}),
        (["--sender", "S2@A.test"], {2}),
        (["--sender", "@a.test"], {1, 2, 3}),
        (["--sender", "@a.test", "--destination", "two.test"], {2}),
        (["--all", "--yes"], {1, 2, 3}),
    ],
)
def test_messages_are_held_by_what_is_known_of_them(
    graphpost: Any, server: Any, options: list[str], held: set[int]
) -> None:
    put(server)
    status, out, _ = graphpost("queue", "hold", *options)
    counted = "1 delivery" if len(held) == 1 else f"{len(held)} deliveries"
    assert (status, out) == (0, f"{counted} with {2 * len(held)} recipients held.\n")
    assert {number for number, of in states(graphpost).items() if of == ["held", "held"]} == held
    assert graphpost.json("queue", "release", *options)["deliveries"] == len(held)
    assert set().union(*states(graphpost).values()) == {"queued"}


def test_one_recipient_of_a_message_is_held(graphpost: Any, server: Any) -> None:
    put(server, 1)
    status, out, _ = graphpost("queue", "hold", FIRST, "--recipient", "y@one.test")
    assert status == 0
    assert [line.split()[2:4] for line in out.splitlines()[-2:]] == [
        ["x@one.test", "queued"],
        ["y@one.test", "held"],
    ]
    assert graphpost("queue", "list", "--state", "held")[1].splitlines()[1].split()[3] == "y@one.test"


def test_cancelling_by_recipient_leaves_the_others(graphpost: Any, server: Any) -> None:
    put(server)
    assert graphpost.json("queue", "cancel", "--recipient", "x@one.test")["recipients"] == 3
    assert states(graphpost) == {n: ["cancelled", "queued"] for n in (1, 2, 3)}


def test_long_work_says_how_far_it_is(graphpost: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STEP", 20)
    put(server, 60)
    status, out, err = graphpost("queue", "retry", "--all", "--yes")
    assert (status, out) == (0, "60 deliveries with 120 recipients due now.\n")
    assert err.split("\r")[1] == "20 looked at, 20 done"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a message, say which ones with options, or --all"),
        (["--all", "--sender", "a@b.test"], "name a message, say which ones with options, or --all"),
        ([FIRST, "--sender", "a@b.test"], "with a message's ID only --recipient says more"),
        ([FIRST, "--all"], "with a message's ID only --recipient says more"),
    ],
)
def test_what_is_meant_has_to_be_clear(graphpost: Any, server: Any, arguments: list[str], words: str) -> None:
    status, _, err = graphpost("queue", "cancel", *arguments)
    assert status == 2
    assert words in err


@pytest.mark.parametrize(("answer", "left"), [("n\n", "queued"), ("y\n", "cancelled")])
def test_everything_is_asked_for_first(graphpost: Any, server: Any, answer: str, left: str) -> None:
    put(server, 1)
    arguments = ["queue", "cancel", "--all", "--data", str(graphpost.data)]
    CliRunner().invoke(root, arguments, input=answer)
    assert states(graphpost) == {1: [left, left]}


def test_the_list_is_as_long_as_asked_for(graphpost: Any, server: Any) -> None:
    put(server, 5)
    assert [int(e["id"], 16) >> 12 for e in graphpost.json("queue", "list", "--limit", "2")] == [5, 4]
    assert len(graphpost.json("queue", "list", "--recipient", "y@one.test", "--limit", "4")) == 4
    assert graphpost.json("queue", "list", "--message-id", "none@x") == []


def test_destinations_are_listed_the_deepest_first(graphpost: Any, server: Any) -> None:
    put(server, 5)
    graphpost("queue", "hold", "--sender", "s2@a.test")
    lines = graphpost("queue", "destinations")[1].splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["mx:one.test", "3", "3", "0"],
        ["mx:two.test", "1", "1", "1"],
    ]
    assert graphpost("queue", "destinations", "--limit", "1")[1].splitlines()[-1] == "1 more."
    assert graphpost.json("queue", "destinations")[0]["destination"] == "mx:one.test"


def test_a_list_that_is_cut_off_says_so(graphpost: Any, server: Any) -> None:
    put(server, 3)
    _, cut, _ = graphpost("queue", "list", "--limit", "2")
    assert cut.splitlines()[-1] == "There are more than 2; --limit says how many are listed."
    _, whole, _ = graphpost("queue", "list", "--limit", "3")
    assert "There are more" not in whole


def test_an_empty_list_says_whether_there_is_nothing_at_all(graphpost: Any, server: Any) -> None:
    assert graphpost("queue", "list")[1] == "The queue is empty.\n"
    put(server, 1)
    assert graphpost("queue", "list", "--state", "held")[1] == "There is no such message.\n"


def test_of_what_is_being_attempted_it_is_said_that_it_is_now(graphpost: Any, server: Any) -> None:
    put(server, 2)
    store = server.api.operations.store
    taken = "UPDATE deliveries SET owner = 7 WHERE message_id = ?"
    asyncio.run_coroutine_threadsafe(
        store.write(lambda tx: tx.execute(taken, (1 << 12,))), server.loop
    ).result(60)
    _, out, _ = graphpost("queue", "list")
    assert [line.split()[4] for line in out.splitlines()[1:]] == ["2096-10-02T07:06:40Z"] * 2 + ["now"] * 2


def test_what_a_report_from_elsewhere_said_is_shown_in_full(graphpost: Any, server: Any) -> None:
    put(server, 1)
    told = Reported("y@one.test", "bounced", 60 * SECOND, "5.1.1", 'smtp; unknown user: "y"')
    store = server.api.operations.store
    asyncio.run_coroutine_threadsafe(
        store.write(lambda tx: reported.note(tx, 1, 1 << 12, told)), server.loop
    ).result(60)
    status, out, _ = graphpost("queue", "show", FIRST)
    assert status == 0
    assert [line.split() for line in out.splitlines()][-2:] == [
        ["RECIPIENT", "AT", "REPORTED", "SINCE", "REPORT"],
        ["y@one.test", "1970-01-01T00:01:00Z", "bounced", "5.1.1", "smtp;", "unknown", "user:", '"y"'],
    ]


def test_nothing_that_a_stranger_wrote_moves_the_cursor(graphpost: Any, server: Any) -> None:
    delivery = Delivery(
        mailbox_id=1,
        message_id=1 << 12,
        position=0,
        destination="mx:one.test",
        due_at=4_000_000_000 * SECOND,
        created_at=1,
        expires_at=5_000_000_000 * SECOND,
        sender="s@a.test",
        internet_message_id="<1\x9b2J\x1b[2J\u202e@far.test>",
        recipients=(Recipient("x@one.test"),),
    )
    store = server.api.operations.store
    asyncio.run_coroutine_threadsafe(
        store.write(lambda tx: deliveries.add(tx, delivery)), server.loop
    ).result(60)
    status, out, _ = graphpost("queue", "show", FIRST)
    assert status == 0
    assert "message_id  <1" in out
    assert all(c.isprintable() or c == "\n" for c in out)
