"""Reports of success: by whom, and when there is none."""

import pytest
from tests.delivery.post import Office

from graphpost.mail.message import Header
from graphpost.transport.courier import Delivered, Reply

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
