"""Reports of success: by whom, and when there is none."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from tests.delivery.post import LATER, NEVER, YES, Office

from graphpost.mail.dsn import Dsn, Wanted
from graphpost.mail.message import Body, Header
from graphpost.mail.report import RETURNED_WHOLE
from graphpost.transport.courier import Delivered, Outcome, Reply

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("speaks_dsn", "reports"), [(True, 0), (False, 1)])
async def test_a_receipt_is_ours_to_write_when_the_other_side_will_not(
    office: Office, speaks_dsn: bool, reports: int
) -> None:
    office.one.says(Delivered(Reply(250, "2.0.0", "ok", "mx"), speaks_dsn=speaks_dsn))
    await office.send("a@one.test", is_delivery_receipt_requested=True)
    await office.until_done()
    assert [item.message.subject for item in await office.inbox()] == ["Relayed: Lunch"] * reports


async def test_a_local_receipt_says_delivered(office: Office) -> None:
    await office.send("alex@contoso.test", is_delivery_receipt_requested=True)
    await office.until_done()
    assert [item.message.subject for item in await office.inbox()] == ["Delivered: Lunch"]


@pytest.mark.parametrize(("kind", "reports"), [("DR", 0), ("RN, All", 0), ("OOF", 1)])
async def test_a_receipt_is_suppressed_by_the_message_itself(office: Office, kind: str, reports: int) -> None:
    headers = (Header("X-Auto-Response-Suppress", kind),)
    await office.send("a@one.test", is_delivery_receipt_requested=True, headers=headers)
    await office.until_done()
    assert len(await office.inbox()) == reports


async def reported(office: Office) -> list[EmailMessage]:
    found = [await office.bytes_of(item) for item in await office.inbox()]
    return [message_from_bytes(each, policy=default) for each in found]  # type: ignore[misc]


def asking(*notify: str, ret: str = "", envelope_id: str = "", original: str = "") -> Dsn:
    return Dsn(ret, envelope_id, {"a@one.test": Wanted(notify, original)})


LATE_AND_FAILED = ["Delivery delayed: Lunch", "Undeliverable: Lunch"]


@pytest.mark.parametrize(
    ("notify", "says", "subjects"),
    [
        ((), YES, []),
        ((), NEVER, LATE_AND_FAILED[1:]),
        ((), LATER, LATE_AND_FAILED),
        (("NEVER",), YES, []),
        (("NEVER",), NEVER, []),
        (("NEVER",), LATER, []),
        (("SUCCESS",), YES, ["Relayed: Lunch"]),
        (("SUCCESS",), NEVER, []),
        (("DELAY",), LATER, LATE_AND_FAILED[:1]),
        (("FAILURE",), LATER, LATE_AND_FAILED[1:]),
        (("SUCCESS", "FAILURE"), NEVER, LATE_AND_FAILED[1:]),
    ],
)
async def test_the_sender_is_told_what_the_envelope_asks_for(
    office: Office, notify: tuple[str, ...], says: Outcome, subjects: list[str]
) -> None:
    office.one.says(says)
    await office.send("A@one.test", dsn=asking(*notify))
    await office.run_until_done()
    assert [item.message.subject for item in await office.inbox()] == subjects
    assert ("warned " in office.said()) is ("Delivery delayed: Lunch" in subjects)
    assert ("bounced " in office.said()) is ("Undeliverable: Lunch" in subjects)


async def test_each_recipient_is_asked_for_apart(office: Office) -> None:
    office.one.says(NEVER)
    wanted = {
        "a@one.test": Wanted(("NEVER",)),
        "b@one.test": Wanted(("FAILURE",), "rfc822;B+2B1@far.test"),
        "alex@contoso.test": Wanted(("SUCCESS",), "utf-8;\u00e1lex@far.test"),
    }
    await office.send(
        "a@one.test", "b@one.test", "c@one.test", "alex@contoso.test", dsn=Dsn("", "id+2B1", wanted)
    )
    await office.until_done(2)
    found = {}
    for report in await reported(office):
        whole, *recipients = list(report.iter_parts())[1].get_payload()
        assert whole["Original-Envelope-Id"] == "id+1"  # type: ignore[index, call-overload]
        found |= {
            each["Final-Recipient"]: (each["Action"], each["Original-Recipient"]) for each in recipients
        }  # type: ignore[index, call-overload]
    assert found == {
        "rfc822; b@one.test": ("failed", "rfc822; B+1@far.test"),
        "rfc822; c@one.test": ("failed", None),
        "rfc822; alex@contoso.test": ("delivered", "utf-8; \\x{E1}lex@far.test"),
    }


async def test_a_delivery_knows_of_its_own_recipients_only(office: Office) -> None:
    """Of a message to hundreds of domains what is asked is not kept hundreds of times."""
    wanted = {address: Wanted(("SUCCESS",)) for address in ("a@one.test", "b@one.test", "c@two.test")}
    await office.send("A@one.test", "b@one.test", "c@two.test", "d@two.test", dsn=Dsn("HDRS", "x", wanted))
    await office.until_done(2)
    kept = [each.dsn for each in await office.queue()]
    assert [sorted(each.recipients) for each in kept if each] == [
        ["a@one.test", "b@one.test"],
        ["c@two.test"],
    ]
    assert {(each.ret, each.envelope_id) for each in kept if each} == {("HDRS", "x")}


async def test_the_header_asks_for_who_is_not_in_the_envelopes_words(office: Office) -> None:
    await office.send("a@one.test", is_delivery_receipt_requested=True, dsn=asking("NEVER"))
    await office.until_done()
    assert await office.inbox() == []


@pytest.mark.parametrize(
    ("ret", "size", "returned"),
    [
        ("FULL", 10, "message/rfc822"),
        ("HDRS", 10, "text/rfc822-headers"),
        ("", 10, "text/rfc822-headers"),
        ("FULL", RETURNED_WHOLE, "text/rfc822-headers"),
    ],
)
async def test_the_message_is_returned_as_was_asked(
    office: Office, ret: str, size: int, returned: str
) -> None:
    office.one.says(NEVER)
    await office.send("a@one.test", body=Body("x" * size, "text"), dsn=asking(ret=ret))
    await office.until_done()
    (report,) = await reported(office)
    assert list(report.iter_parts())[2].get_content_type() == returned


async def test_with_a_success_only_the_header_is_returned(office: Office) -> None:
    await office.send("a@one.test", dsn=asking("SUCCESS", ret="FULL"))
    await office.until_done()
    (report,) = await reported(office)
    assert list(report.iter_parts())[2].get_content_type() == "text/rfc822-headers"
