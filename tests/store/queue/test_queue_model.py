"""The queue under workers and administrators at once, beside a plain model of it.

Two owners claim, settle (also too late) and give back; people hold, release, retry and cancel by what is known of
messages.  After each step the database has what the model has, and the model is a list of dictionaries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from graphpost.store.queue import deliveries, interventions, lookups
from graphpost.store.queue.deliveries import BUCKETS, DONE, QUEUED, Delivery, Recipient
from graphpost.store.queue.interventions import CANCELLED, STATES, Action, Tally
from graphpost.store.queue.lookups import Choice
from graphpost.store.store import Store, Tx

T = TypeVar("T")
LEASE = 50
PLACES = ("mx:one.test", "mx:two.test")
PEOPLE = ("a@one.test", "b@one.test", "c@one.test")
SENDERS = ("x@a.test", "y@b.test")
WAITS = {"queued", "deferred"}

choices = st.builds(
    lambda place, sender, person: {"destination": place, "sender": sender, "recipient": person},
    st.sampled_from(("", "", "", *PLACES)),
    st.sampled_from(("", "", "", *SENDERS, "@a.test")),
    st.sampled_from(("", "", "", *PEOPLE, "@one.test", "nobody@one.test")),
)


class Queue(RuleBasedStateMachine):
    """`rows` is the model; `claims` are what owners believe to have, and may have lost."""

    opened: ClassVar[Callable[[], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 100
        self.numbers = 0
        self.rows: list[dict[str, Any]] = []
        self.claims: list[tuple[Delivery, int]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def write(self, fn: Callable[[Tx], T]) -> T:
        return self.run(self.store.write(fn))

    @initialize()
    def begin(self) -> None:
        async def clean() -> Store:
            store = type(self).opened()
            for table in ("deliveries", "destinations"):
                await store.write(lambda tx, table=table: tx.execute(f"DELETE FROM {table}"))  # type: ignore[misc]
            return store

        self.store = self.run(clean())

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
        self.loop.close()

    # What servers do

    @rule(
        people=st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True),
        place=st.sampled_from(PLACES),
        sender=st.sampled_from(SENDERS),
        box=st.integers(1, 3),
    )
    def accept(self, people: list[str], place: str, sender: str, box: int) -> None:
        self.numbers += 1
        delivery = Delivery(
            box,
            self.numbers,
            0,
            place,
            due_at=self.now,
            created_at=self.now,
            expires_at=10**6,
            sender=sender,
            recipients=tuple(map(Recipient, people)),
        )
        self.write(lambda tx: deliveries.add(tx, delivery))
        self.rows.append(
            {
                "number": self.numbers,
                "position": 0,
                "box": box,
                "place": place,
                "sender": sender,
                "state": "queued",
                "due": self.now,
                "owner": 0,
                "attempts": 0,
                "people": dict.fromkeys(people, "queued"),
            }
        )

    @rule(seconds=st.sampled_from((1, LEASE - 1, LEASE)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(place=st.sampled_from((*PLACES, CANCELLED)), owner=st.sampled_from((1, 2)), limit=st.integers(1, 3))
    def claim(self, place: str, owner: int, limit: int) -> None:
        for bucket in range(BUCKETS):
            found = self.write(
                lambda tx, b=bucket: deliveries.claim(tx, b, place, self.now, self.now + LEASE, owner, limit)  # type: ignore[misc]
            )
            due = [
                row
                for row in self.rows
                if (row["box"] % BUCKETS, row["place"], row["state"]) == (bucket, place, "queued")
                and row["due"] <= self.now
            ]
            assert len(found) == min(limit, len(due))
            for delivery in found:
                row = self.row(delivery)
                assert row in due
                row.update(due=self.now + LEASE, owner=owner, attempts=row["attempts"] + 1)
                self.claims.append((delivery, owner))

    @rule(data=st.data(), owner=st.sampled_from((1, 2)))
    def claim_one(self, data: st.DataObject, owner: int) -> None:
        """Of what waited when somebody last looked."""
        if not self.rows:
            return
        row = self.rows[data.draw(st.integers(0, len(self.rows) - 1))]
        here = self.write(lambda tx: deliveries.find(tx, row["number"]))
        [seen] = [each for each in here if each.position == row["position"]]
        claimed = self.write(lambda tx: deliveries.claim_one(tx, seen, self.now, self.now + LEASE, owner))
        assert (claimed is not None) is (row["state"] == "queued" and row["due"] <= self.now)
        if claimed is not None:
            row.update(due=self.now + LEASE, owner=owner, attempts=row["attempts"] + 1)
            self.claims.append((claimed, owner))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """With an outcome for each recipient that waited when it was claimed; the claim may be lost by now."""
        if not self.claims:
            return
        mine, owner = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
        outcomes = st.sampled_from(("delivered", "failed", "deferred"))
        after = tuple(
            replace(each, state=data.draw(outcomes)) if each.state in WAITS else each
            for each in mine.recipients
        )
        waits = any(each.state == "deferred" for each in after)
        state, due = (QUEUED, self.now + 20) if waits else (DONE, 0)
        uncounted = data.draw(st.integers(0, 1))
        settled = replace(mine, recipients=after, state=state, due_at=due, given_back=uncounted)
        written = self.write(lambda tx: deliveries.settle(tx, [settled], owner))
        row = self.row(mine)
        is_ours = self.is_held_by(row, owner, mine.attempts)
        assert bool(written) is is_ours
        if is_ours:
            row.update(
                state="queued" if waits else "done",
                owner=0,
                due=due,
                attempts=row["attempts"] - uncounted,
                people={each.address: each.state for each in after},
            )

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if not self.claims:
            return
        mine, owner = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
        given = self.write(lambda tx: deliveries.give_back(tx, mine, owner, self.now))
        row = self.row(mine)
        assert given is self.is_held_by(row, owner, mine.attempts)
        if given:
            row.update(owner=0, due=self.now, attempts=row["attempts"] - 1)

    # What people do

    @rule(
        action=st.sampled_from(("retry", "hold", "release", "cancel")), chosen=choices, report=st.booleans()
    )
    def intervene(self, action: Action, chosen: dict[str, str], report: bool) -> None:
        choice, now = Choice(**chosen), self.now

        def act(tx: Tx) -> Tally:
            tally = Tally()
            for state in STATES[action]:
                for bucket in range(BUCKETS):
                    some = interventions.keys(tx, bucket, state, choice, (0, -1), 1000)
                    tally += interventions.act(tx, action, bucket, some, choice, now, report=report)
            return tally

        done = self.write(act)
        expected = Tally()
        states = {"retry": ["queued"], "hold": ["queued"], "release": ["held"], "cancel": ["queued", "held"]}[
            action
        ]
        for state in states:
            for row in [each for each in self.rows if each["state"] == state]:
                expected += self.acted(row, action, chosen, report)
        assert done == expected

    def acted(self, row: dict[str, Any], action: str, chosen: dict[str, str], report: bool) -> Tally:
        meant = [
            who for who, state in row["people"].items() if state in WAITS and is_one(chosen["recipient"], who)
        ]
        if (
            chosen["destination"] not in ("", row["place"])
            or not is_one(chosen["sender"], row["sender"])
            or not meant
        ):
            return Tally()
        if row["owner"] and row["due"] > self.now:
            return Tally(under_way=1)
        row["owner"] = 0
        if action == "retry":
            row["due"] = self.now
        elif action == "cancel" and not report:
            row["people"].update(dict.fromkeys(meant, "cancelled"))
            if not WAITS & set(row["people"].values()):
                row["state"] = "done"
        else:
            part = self.part(row, meant)
            part["state"] = "held" if action == "hold" else "queued"
            if action != "hold":
                part["due"] = self.now
            if action == "cancel":
                part["place"] = CANCELLED
        return Tally(1, len(meant))

    def part(self, row: dict[str, Any], meant: list[str]) -> dict[str, Any]:
        """The row, or a further one when others wait in it."""
        rest = {who: state for who, state in row["people"].items() if who not in meant}
        if not WAITS & set(rest.values()):
            return row
        position = 1 + max(each["position"] for each in self.rows if each["number"] == row["number"])
        part = {**row, "position": position, "people": {who: row["people"][who] for who in meant}}
        row["people"] = rest
        self.rows.append(part)
        return part

    # What must be so

    @invariant()
    def the_database_has_what_the_model_has(self) -> None:
        if not hasattr(self, "store"):
            return
        found, _ = self.run(self.store.read(lambda tx: lookups.page(tx, limit=10_000)))
        names = {QUEUED: "queued", DONE: "done", deliveries.HELD: "held"}
        there = {
            (d.message_id, d.position): (
                names[d.state],
                d.destination,
                d.owner,
                d.attempts,
                {r.address: r.state for r in d.recipients},
                d.due_at if d.state == QUEUED else None,
            )
            for d in found
        }
        expected = {
            (row["number"], row["position"]): (
                row["state"],
                row["place"],
                row["owner"],
                row["attempts"],
                row["people"],
                row["due"] if row["state"] == "queued" else None,
            )
            for row in self.rows
        }
        assert there == expected
        of_several = {d.message_id for d in found if d.position}
        assert all(d.siblings > 1 for d in found if d.message_id in of_several)

    def row(self, delivery: Delivery) -> dict[str, Any]:
        key = (delivery.message_id, delivery.position)
        (row,) = [each for each in self.rows if (each["number"], each["position"]) == key]
        return row

    @staticmethod
    def is_held_by(row: dict[str, Any], owner: int, attempts: int) -> bool:
        return (row["state"], row["owner"], row["attempts"]) == ("queued", owner, attempts)


def is_one(pattern: str, address: str) -> bool:
    return pattern in ("", address) or (pattern.startswith("@") and address.endswith(pattern))


@pytest.mark.slow
def test_workers_and_people_leave_the_queue_as_the_model_says(open_store: Callable[[], Store]) -> None:
    machine = type("Machine", (Queue,), {"opened": staticmethod(open_store)})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
