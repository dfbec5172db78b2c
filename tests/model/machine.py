"""The server and the model of a mailbox, driven by the same random operations, never disagree."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model import asking
from tests.model.asking import FILTERS, ORDERS, Filter, Order
from tests.model.comparing import Step
from tests.model.given import BOX, NEW, PICK, PROPERTIES
from tests.model.mailbox import recipient
from tests.model.place import BOXES, IMMUTABLE
from tests.model.walking import Walking

KINDS = st.lists(
    st.sampled_from(("patch", "move", "copy", "delete", "create", "send", "mail")), min_size=1, max_size=8
)


class MailboxMachine(Walking):
    """All operations, several of them in one batch, and questions about what there is."""

    def furnish(self) -> None:
        """Something to begin with in each mailbox: mail that was sent and received, and drafts."""
        super().furnish()
        for number, other in ((0, 1), (1, 0)):
            given = {"subject": "Lunch", "toRecipients": [recipient(self.boxes[other].address)]}
            self.run(number, self.send_mail_step(number, given, ["a.txt", "logo.png"], True))
            self.run(number, self.create_step(number, {**given, "importance": "high"}, [], None, True))
            self.create_from_mime(number, "parts", 1)

    # Batches

    @rule(number=BOX, data=st.data(), chained=st.booleans())
    def several_at_once(self, number: int, data: st.DataObject, chained: bool) -> None:
        """Operations in a batch; independent ones are of different messages, because they may swap."""
        steps: list[Step] = []
        taken: set[int] = set()
        for kind in data.draw(KINDS):
            pick = data.draw(PICK)
            kept = self.message(number, pick)
            if not chained and kind in ("patch", "move", "copy", "delete", "send"):
                if kept is None or id(kept) in taken:
                    continue
                taken.add(id(kept))
            step = self._part(number, kind, pick, data)
            if step is not None:
                steps.append(step)
            if step is not None and step.ends:
                break
        if steps and (chained or len(steps) == 1 or not steps[-1].ends):
            self.run_batch(number, steps, chained=chained)

    @rule(number=BOX, data=st.data())
    def several_in_a_row(self, number: int, data: st.DataObject) -> None:
        for kind in data.draw(KINDS):
            self.run(number, self._part(number, kind, data.draw(PICK), data))

    def _part(self, number: int, kind: str, pick: int, data: st.DataObject) -> Step | None:
        style, place = data.draw(st.integers(0, 3)), data.draw(PICK)
        match kind:
            case "patch":
                fields = data.draw(st.fixed_dictionaries({}, optional=PROPERTIES))
                return self.patch_step(number, pick, style, fields, data.draw(st.sampled_from(("", "right"))))
            case "move":
                return self.move_step(number, pick, style, place, True)
            case "copy":
                return self.copy_step(number, pick, style, place)
            case "delete":
                return self.delete_step(number, pick, style, for_good=place % 4 == 0)
            case "send":
                return self.send_step(number, pick, style)
            case "mail":
                return self.send_mail_step(number, data.draw(NEW), [], None)
        return self.create_step(number, data.draw(NEW), [], self.folder(number, place), True)

    # Asking

    @rule(
        number=BOX,
        place=st.none() | PICK,
        wanted=st.none() | FILTERS,
        order=ORDERS,
        page=st.integers(1, 4),
        skip=st.integers(0, 3),
        counted=st.booleans(),
    )
    def ask_for_some(
        self,
        number: int,
        place: int | None,
        wanted: Filter | None,
        order: Order,
        page: int,
        skip: int,
        counted: bool,
    ) -> None:
        """A filter, an order, and all pages of it."""
        box = self.boxes[number]
        folder = None if place is None else self.folder(number, place)
        among = box.listed() if folder is None else box.inside(folder)
        meant = [kept for kept in among if wanted is None or wanted.means(kept)]
        scope = "messages" if folder is None else f"mailFolders/{folder.key}/messages"
        query = [f"$top={page}", f"$skip={skip}", "$select=subject,isRead"]
        query += [f"$filter={wanted.text}"] if wanted else []
        query += [f"$orderby={asking.order_text(order)}"] if order else []
        query += ["$count=true"] if counted else []
        found: list[str] = []
        answer = self.get(number, f"{scope}?{'&'.join(query)}", Prefer=IMMUTABLE)
        while True:
            values = answer.values
            assert answer.body.get("@odata.count") == (len(meant) if counted else None)
            assert len(values) <= page
            found += [each["id"] for each in values]
            link = answer.body.get("@odata.nextLink")
            if link is None:
                break
            assert len(values) == page
            assert self.place is not None
            answer = self.place.follow(BOXES[number], link, Prefer=IMMUTABLE)
        by_key = {kept.key: kept for kept in meant}
        key = asking.sort_key(order, filtered=wanted is not None)
        assert len(set(found)) == len(found) == max(0, len(meant) - skip)
        assert [key(by_key[each]) for each in found] == sorted(map(key, meant))[skip:]
        if wanted is not None:
            total = self.get(number, f"{scope}/$count?$filter={wanted.text}")
            assert total.body == str(len(meant)).encode()
