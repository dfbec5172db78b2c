"""What is on the suppression list is not sent to, and its senders are told."""

from __future__ import annotations

import pytest
from tests.delivery.post import ADELE, ONE, Office
from tests.store.made import delivery

from graphpost.clock import SECOND
from graphpost.config import SuppressionSettings
from graphpost.delivery.outbound.suppressing import SuppressedCourier, Suppressions
from graphpost.delivery.routing import LOCAL, SUPPRESSED, Router
from graphpost.delivery.settle import Conclusion
from graphpost.mail.mailbox import Directory
from graphpost.store.queue import suppressions
from graphpost.store.queue.deliveries import Recipient, Saying
from graphpost.store.queue.suppressions import Suppression
from graphpost.transport.courier import Failed, Reply

pytestmark = pytest.mark.anyio
GONE = Failed(Reply(550, "5.1.1", "no such user", "mx.one.test"))
HARD = SuppressionSettings(statuses=["5.1.1"], seconds=100)


def known(office: Office, settings: SuppressionSettings = HARD) -> Suppressions:
    return Suppressions(office.store, settings, office.clock, office.log)


async def put(office: Office, *some: Suppression) -> None:
    await office.store.write(lambda tx: suppressions.put(tx, some))


def install(office: Office, listed: Suppressions) -> None:
    """Let the office look at the list, as the server does."""
    office.router._is_suppressed = listed.has
    office.settler._observers = (listed.note,)
    office.couriers[SUPPRESSED] = SuppressedCourier(office.store, "mail.test")


async def test_a_suppressed_recipient_fails_at_once_and_others_are_undisturbed(office: Office) -> None:
    listed = known(office)
    await put(office, Suppression("a@one.test", "asked us to stop", created_at=1_700_000_000 * SECOND))
    await listed.refresh()
    install(office, listed)
    await office.send("A@one.test", "b@one.test")
    await office.until_done(2)
    assert office.one.addresses == ["b@one.test"]
    states = {r.address: r for d in await office.queue() for r in d.recipients}
    assert states["b@one.test"].state == "delivered"
    assert states["A@one.test"].state == "failed"
    assert states["A@one.test"].reply == Saying(
        550,
        "5.7.1",
        "not sent: the address is on the suppression list of this server since 2023-11-14T22:13:20Z: asked us to stop",
        "mail.test",
    )
    (report,) = await office.inbox(ADELE)
    text = (await office.bytes_of(report)).decode()
    assert "Status: 5.7.1" in text
    assert "asked us to stop" in text.replace("\r\n ", " ")


@pytest.mark.parametrize(
    ("entry", "address", "stopped"),
    [
        ("a@one.test", "A@ONE.test", True),
        ("a@one.test", "b@one.test", False),
        ("@one.test", "b@one.test", True),
        ("@one.test", "b@sub.one.test", False),
        ("adele@contoso.test", "adele@contoso.test", True),
    ],
)
async def test_addresses_and_domains_are_known_in_any_spelling(
    office: Office, entry: str, address: str, stopped: bool
) -> None:
    listed = known(office)
    await put(office, Suppression(entry))
    await listed.refresh()
    assert listed.has(address) is stopped
    router = Router(lambda: Directory.of([ADELE]), ["contoso.test"], [], listed.has)
    assert (router.destination(address) == SUPPRESSED) is stopped


async def test_an_entry_ends(office: Office) -> None:
    listed = known(office)
    await put(office, Suppression("a@one.test", expires_at=office.clock.now() + 10))
    await listed.refresh()
    assert listed.has("a@one.test")
    await office.clock.advance(1)
    assert not listed.has("a@one.test")


async def test_another_process_knows_after_its_next_look(office: Office) -> None:
    here, there = known(office), known(office)
    await put(office, Suppression("a@one.test"))
    await here.once()
    assert (here.has("a@one.test"), there.has("a@one.test")) == (True, False)
    await there.once()
    assert there.has("a@one.test")
    await office.store.write(lambda tx: suppressions.remove(tx, "a@one.test"))
    await there.once()
    assert not there.has("a@one.test")


async def test_who_is_refused_for_good_is_suppressed_when_settings_say_so(office: Office) -> None:
    listed = known(office)
    install(office, listed)
    office.one.says(GONE)
    await office.send("a@one.test")
    await office.until_done()
    await listed.once()
    (entry,) = await office.store.read(suppressions.listed)
    assert (entry.entry, entry.status, entry.origin) == ("a@one.test", "5.1.1", "bounce")
    assert entry.reason == "mx.one.test answered 550 5.1.1 no such user"
    assert entry.expires_at - entry.created_at == 100 * SECOND
    await office.send("a@one.test")
    await office.until_done(2)
    assert office.one.addresses == ["a@one.test"], "only the first was tried"
    await listed.once()
    assert await office.store.read(suppressions.listed) == [entry], "our own refusal makes it no longer"


@pytest.mark.parametrize(
    ("settings", "destination", "said"),
    [
        (SuppressionSettings(), ONE, Saying(550, "5.1.1", "no")),
        (HARD, ONE, Saying(550, "5.7.1", "no")),
        (HARD, ONE, Saying(450, "5.1.1", "no")),
        (HARD, ONE, None),
        (HARD, LOCAL, Saying(550, "5.1.1", "no")),
        (HARD, "unknown", Saying(550, "5.1.1", "no")),
        (HARD, "reject:no", Saying(550, "5.1.1", "no")),
    ],
)
async def test_nobody_else_is_suppressed(
    office: Office, settings: SuppressionSettings, destination: str, said: Saying | None
) -> None:
    listed = known(office, settings)
    refused = (Recipient("a@one.test", "failed", said),)
    listed.note(Conclusion(delivery(destination=destination), failed=refused))
    await listed.once()
    assert await office.store.read(suppressions.listed) == []
