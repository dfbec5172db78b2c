"""Acting in somebody else's mailbox, and sending in somebody else's name."""

from __future__ import annotations

import base64
import dataclasses
import json
from email import message_from_bytes, policy
from typing import Any

import pytest
from msgspec.structs import replace
from tests.delivery.post import NEVER
from tests.graph.desk import ADELE, ALEX, APP, MAILBOXES, SCOPED
from tests.graph.study import Answer, Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.clock import SECOND, to_text
from graphpost.config import LimitSettings
from graphpost.graph.sending.due import due_check
from graphpost.mail.mailbox import SENT_ITEMS, Directory, Mailbox
from graphpost.mail.rights import Given
from graphpost.store.mailbox import messages

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
DENIED = (403, "ErrorAccessDenied")
NOT_AS = (403, "ErrorSendAsDenied")
OTHERS = f"/v1.0/users/{ALEX.address}"
SHARED = "scp:Mail.Read.Shared Mail.ReadWrite.Shared Mail.Send.Shared"


def let(study: Study, *rights: str, holder: Mailbox = ADELE, box: Mailbox = ALEX) -> None:
    """Adele has these rights to Alex's mailbox, and no others; the application has every permission."""
    given = Given(mailbox_id=box.mailbox_id, holder=holder.object_id, rights=frozenset(rights))  # type: ignore[arg-type]
    names = ("Mail.Send", "Mail.Send.Shared", "Mail.ReadWrite")
    app = replace(APP, delegated_permissions=names)
    study.office.directory = Directory.of(MAILBOXES, [app, SCOPED], (), [given])


def message(author: str = "", **more: Any) -> dict[str, Any]:
    found = {"subject": "Lunch", "toRecipients": to("zoe@one.test"), **more}
    return {**found, "from": {"emailAddress": {"address": author}}} if author else found


def mime(*fields: str) -> bytes:
    lines = [*fields, "To: zoe@one.test", "Subject: Lunch", "", "Hello"]
    return base64.b64encode("\r\n".join(lines).encode())


async def on_the_wire(study: Study) -> tuple[str, str | None, str | None]:
    """The sender of the envelope, and the addresses of From and Sender, of the only message that was sent."""
    await study.office.worker.start()
    await study.office.until_done()
    ((_, envelope, data),) = study.office.one.taken
    found = message_from_bytes(data, policy=policy.default)
    author, sender = (found[name] and found[name].addresses[0].addr_spec for name in ("From", "Sender"))
    return envelope.sender, author, sender


async def sent_of(study: Study, box: Mailbox) -> list[tuple[str, str]]:
    """Author and sender of what is in a mailbox's Sent Items."""
    found = await study.store.read(lambda tx: messages.find(tx, box.mailbox_id, folder_id=SENT_ITEMS, top=10))
    assert all(item.message.from_ and item.message.sender for item in found)
    return [(item.message.from_.address, item.message.sender.address) for item in found]  # type: ignore[union-attr]


# The ways to send in somebody's name

TOKEN = "scp:Mail.Send Mail.Send.Shared Mail.ReadWrite"


async def by_json(study: Study, author: str) -> Answer:
    return await study.post("sendMail", {"message": message(author)}, token=TOKEN)


async def by_json_with_both(study: Study, author: str) -> Answer:
    both = message(author, sender={"emailAddress": {"address": author}})
    return await study.post("sendMail", {"message": both}, token=TOKEN)


async def by_json_naming_oneself(study: Study, author: str) -> Answer:
    both = message(author, sender={"emailAddress": {"address": ADELE.address}})
    return await study.post("sendMail", {"message": both}, token=TOKEN)


async def by_mime(study: Study, author: str) -> Answer:
    return await study.post("sendMail", mime(f"From: {author}"), token=TOKEN, content_type="text/plain")


async def by_draft(study: Study, author: str) -> Answer:
    draft = await study.post("messages", message(author), token=TOKEN)
    return await study.post(f"messages/{draft.id}/send", token=TOKEN)


async def by_changed_draft(study: Study, author: str) -> Answer:
    draft = await study.post("messages", message(), token=TOKEN)
    changed = await study.patch(
        f"messages/{draft.id}", {"from": {"emailAddress": {"address": author}}}, token=TOKEN
    )
    return changed if changed.status != 200 else await study.post(f"messages/{draft.id}/send", token=TOKEN)


async def by_mime_draft(study: Study, author: str) -> Answer:
    draft = await study.post("messages", mime(f"From: {author}"), token=TOKEN, content_type="text/plain")
    return await study.post(f"messages/{draft.id}/send", token=TOKEN)


async def by_reply(study: Study, author: str) -> Answer:
    draft = await study.post("messages", message(), token=TOKEN)
    body = {"message": message(author), "comment": "Yes"}
    return await study.post(f"messages/{draft.id}/reply", body, token=TOKEN)


async def by_mime_reply(study: Study, author: str) -> Answer:
    draft = await study.post("messages", message(), token=TOKEN)
    body = mime(f"From: {author}")
    return await study.post(f"messages/{draft.id}/forward", body, token=TOKEN, content_type="text/plain")


async def by_batch(study: Study, author: str) -> Answer:
    part = {
        "id": "1",
        "method": "POST",
        "url": "/me/sendMail",
        "headers": {"Content-Type": "application/json"},
        "body": {"message": message(author)},
    }
    batch = await study.post("/v1.0/$batch", {"requests": [part]}, token=TOKEN)
    (found,) = batch.json["responses"]
    return Answer(found["status"], {}, json.dumps(found.get("body")).encode(), "")


WAYS = [
    by_json,
    by_json_with_both,
    by_json_naming_oneself,
    by_mime,
    by_draft,
    by_changed_draft,
    by_mime_draft,
    by_reply,
    by_mime_reply,
    by_batch,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rights", [("SendAs",), ("SendAs", "SendOnBehalf", "FullAccess")])
async def test_send_as_sends_as_if_the_other_had(study: Study, way: Any, rights: tuple[str, ...]) -> None:
    let(study, *rights)
    assert (await way(study, ALEX.address)).status == 202
    assert await sent_of(study, ADELE) == [(ALEX.address, ALEX.address)]
    assert await sent_of(study, ALEX) == []
    assert await on_the_wire(study) == (ALEX.address, ALEX.address, None)


@pytest.mark.parametrize("way", WAYS)
async def test_send_on_behalf_says_who_sent(study: Study, way: Any) -> None:
    let(study, "SendOnBehalf", "FullAccess")
    assert (await way(study, ALEX.address.upper())).status == 202
    assert await sent_of(study, ADELE) == [(ALEX.address.upper(), ADELE.address)]
    envelope, author, sender = await on_the_wire(study)
    assert (envelope, author, sender) == (ADELE.address, ALEX.address.upper(), ADELE.address)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rights", [(), ("FullAccess",)])
@pytest.mark.parametrize("author", [ALEX.address, "nobody@contoso.com", MAILBOXES[2].address])
async def test_nobody_sends_in_a_name_without_a_right_to_it(
    study: Study, way: Any, rights: tuple[str, ...], author: str
) -> None:
    let(study, *rights)
    assert (await way(study, author)).error == NOT_AS
    assert await study.office.queue() == []
    assert await sent_of(study, ADELE) == await sent_of(study, ALEX) == []


@pytest.mark.parametrize("right", ["SendAs", "SendOnBehalf"])
async def test_a_token_without_the_shared_permission_sends_in_no_other_name(study: Study, right: str) -> None:
    let(study, right)
    answer = await study.post("sendMail", {"message": message(ALEX.address)}, token="scp:Mail.Send")
    assert answer.error == DENIED
    mail = await study.post(
        "sendMail", mime(f"From: {ALEX.address}"), token="scp:Mail.Send", content_type="text/plain"
    )
    assert mail.error == DENIED
    assert await study.office.queue() == []


async def test_the_shared_permission_alone_sends_in_the_own_name_too(study: Study) -> None:
    assert (await study.post("sendMail", {"message": message()}, token="scp:Mail.Send.Shared")).status == 202


@pytest.mark.parametrize(
    ("fields", "right", "wanted"),
    [
        ((f"Sender: {ADELE.address}",), "SendAs", 202),
        ((f"Sender: {ADELE.address}",), "SendOnBehalf", 202),
        ((f"Sender: {ALEX.address}",), "SendAs", 202),
        ((f"Sender: {ALEX.address}",), "SendOnBehalf", 403),
        ((f"Sender: {MAILBOXES[2].address}",), "SendAs", 403),
        ((f"Sender: {ADELE.address}", f"Sender: {ALEX.address}"), "SendOnBehalf", 403),
        (("Sender: <x@y.example>",), "SendAs", 403),
        ((f"From: {MAILBOXES[2].address}",), "SendAs", 403),
        ((f"From: {ADELE.address}",), "SendOnBehalf", 202),
    ],
)
async def test_every_author_of_mime_needs_a_right(
    study: Study, fields: tuple[str, ...], right: str, wanted: int
) -> None:
    let(study, right)
    body = mime(f"From: {ALEX.address}", *fields)
    answer = await study.post("sendMail", body, token=TOKEN, content_type="text/plain")
    assert answer.status == wanted
    if wanted == 202 and right == "SendOnBehalf":
        assert (await on_the_wire(study))[2] == ADELE.address


async def test_the_sender_that_json_names_is_one_of_the_two(study: Study) -> None:
    let(study, "SendAs")
    wrong = message(ALEX.address, sender={"emailAddress": {"address": MAILBOXES[2].address}})
    assert (await study.post("sendMail", {"message": wrong}, token=TOKEN)).error == NOT_AS
    wrong = message(ADELE.address, sender={"emailAddress": {"address": ALEX.address}})
    assert (await study.post("sendMail", {"message": wrong}, token=TOKEN)).error == NOT_AS


async def test_nobody_sends_as_a_mailbox_that_is_disabled(study: Study) -> None:
    let(study, "SendAs")
    off = [replace(box, enabled=box is not ALEX) for box in MAILBOXES]
    given = Given(mailbox_id=ALEX.mailbox_id, holder=ADELE.object_id, rights=frozenset({"SendAs"}))
    study.office.directory = Directory.of(off, [APP], (), [given])
    assert (await by_json(study, ALEX.address)).error == NOT_AS


async def test_the_report_on_what_failed_goes_to_whose_name_it_was(study: Study) -> None:
    study.office.one.says(NEVER)
    await study.office.worker.start()
    for right, reported in (("SendAs", ALEX), ("SendOnBehalf", ADELE)):
        let(study, right)
        before = len(await study.office.inbox(reported))
        assert (await by_json(study, ALEX.address)).status == 202
        await study.office.until_done(1 if right == "SendAs" else 2)
        assert len(await study.office.inbox(reported)) == before + 1
    assert [len(await study.office.inbox(box)) for box in (ADELE, ALEX)] == [1, 1]


@pytest.mark.parametrize("way", [by_json, by_draft])
@pytest.mark.parametrize("ends", ["right", "scope", "mailbox"])
async def test_a_deferred_message_is_looked_at_again_when_its_time_comes(
    study: Study, way: Any, ends: str
) -> None:
    let(study, "SendAs")
    later = {"id": "SystemTime 0x3FEF", "value": to_text(study.clock.now() + 3600 * SECOND)}
    body = message(ALEX.address, singleValueExtendedProperties=[later])
    if way is by_json:
        assert (await study.post("sendMail", {"message": body}, token=TOKEN)).status == 202
    else:
        draft = await study.post("messages", body, token=TOKEN)
        assert (await study.post(f"messages/{draft.id}/send", token=TOKEN)).status == 202
    if ends == "right":
        let(study, "FullAccess")
    elif ends == "scope":
        study.office.directory = dataclasses.replace(
            study.office.directory, applications={APP.client_id: APP}
        )
    dispatcher = study.office.dispatcher(due_check(lambda: study.office.directory, LimitSettings()))
    await study.clock.advance(3600.0)
    await dispatcher.once()
    sent = [(ALEX.address, ALEX.address)] if ends == "mailbox" else []
    assert await sent_of(study, ADELE) == sent
    assert len(await study.office.inbox(ADELE)) == 1 - len(sent)


# Full Access


async def test_full_access_opens_a_mailbox_to_the_shared_permissions(study: Study) -> None:
    let(study, "FullAccess")
    for user in (ALEX.address, ALEX.object_id, ALEX.address.upper()):
        there = f"/v1.0/users/{user}"
        made = await study.post(f"{there}/messages", message(), token="scp:Mail.ReadWrite.Shared")
        assert (await study.get(f"{there}/messages", token="scp:Mail.Read.Shared")).status == 200
        assert (
            await study.get(f"{there}/messages/{made.id}", token="scp:Mail.ReadBasic.Shared")
        ).status == 200
        sent = await study.post(f"{there}/messages/{made.id}/send", token="scp:Mail.Send.Shared")
        assert sent.status == 202
    assert await sent_of(study, ALEX) == [(ALEX.address, ALEX.address)] * 3
    assert await sent_of(study, ADELE) == []


@pytest.mark.parametrize("rights", [(), ("SendAs",), ("SendOnBehalf",)])
async def test_without_full_access_the_mailbox_is_closed(study: Study, rights: tuple[str, ...]) -> None:
    let(study, *rights)
    assert (await study.get(f"{OTHERS}/messages", token=SHARED)).error == DENIED
    assert (await study.post(f"{OTHERS}/sendMail", {"message": message()}, token=SHARED)).error == DENIED


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "messages", "Mail.Read Mail.ReadWrite Mail.Send.Shared"),
        ("POST", "messages", "Mail.ReadWrite Mail.Read.Shared"),
        ("POST", "sendMail", "Mail.Send Mail.ReadWrite.Shared"),
        ("GET", "mailboxSettings", "MailboxSettings.ReadWrite Mail.ReadWrite.Shared"),
        ("GET", "mailFolders/inbox/messageRules", "MailboxSettings.Read Mail.Read.Shared"),
        ("POST", "translateExchangeIds", "User.Read Mail.Read.Shared"),
    ],
)
async def test_without_the_shared_permission_the_mailbox_is_closed(
    study: Study, method: str, path: str, scopes: str
) -> None:
    let(study, "FullAccess", "SendAs")
    answer = await study.ask(method, f"{OTHERS}/{path}", {}, token=f"scp:{scopes}")
    assert answer.error == DENIED
    assert answer.json["error"]["message"] == "Access is denied. Check credentials and try again."


async def test_permissions_for_the_own_mailbox_show_no_more_in_anothers(study: Study) -> None:
    let(study, "FullAccess")
    body = {"contentType": "text", "content": "Secret"}
    made = await study.post(f"{OTHERS}/messages", message(body=body), token=SHARED)
    token = "scp:Mail.ReadWrite Mail.ReadBasic.Shared"
    seen = await study.get(f"{OTHERS}/messages/{made.id}", token=token)
    assert (seen.status, "body" in seen.json, "bodyPreview" in seen.json) == (200, False, False)
    sent = await study.post(f"{OTHERS}/messages/{made.id}/send", token=SHARED)
    assert sent.status == 202
    (found,) = (await study.get(f"{OTHERS}/mailFolders/sentitems/messages", token=SHARED)).json["value"]
    own = "scp:Mail-Advanced.ReadWrite Mail.ReadWrite.Shared"
    changed = await study.patch(f"{OTHERS}/messages/{found['id']}", {"subject": "X"}, token=own)
    assert changed.error == DENIED
    shared = "scp:Mail-Advanced.ReadWrite.Shared Mail.ReadWrite.Shared"
    changed = await study.patch(f"{OTHERS}/messages/{found['id']}", {"subject": "X"}, token=shared)
    assert changed.status == 200


@pytest.mark.parametrize(
    ("author", "wanted"),
    [(ALEX.address, ALEX.address), (ADELE.address, ADELE.address), (MAILBOXES[2].address, "")],
)
async def test_in_anothers_mailbox_the_rights_of_who_acts_count(
    study: Study, author: str, wanted: str
) -> None:
    let(study, "FullAccess")
    answer = await study.post(f"{OTHERS}/sendMail", {"message": message(author)}, token=SHARED)
    assert (answer.status == 202) == bool(wanted)
    assert await sent_of(study, ALEX) == ([(wanted, wanted)] if wanted else [])


async def test_a_right_that_is_revoked_closes_the_mailbox_to_the_next_request(study: Study) -> None:
    let(study, "FullAccess")
    assert (await study.get(f"{OTHERS}/messages", token=SHARED)).status == 200
    let(study, "SendAs")
    assert (await study.get(f"{OTHERS}/messages", token=SHARED)).error == DENIED


# Applications


@pytest.mark.parametrize(("right", "sender"), [("SendAs", ALEX), ("SendOnBehalf", ADELE)])
async def test_an_application_sends_in_names_that_its_mailbox_has_a_right_to(
    study: Study, right: str, sender: Mailbox
) -> None:
    path = f"/v1.0/users/{ADELE.address}/sendMail"
    let(study)
    answer = await study.post(path, {"message": message(ALEX.address)}, token="app-with-everything")
    assert answer.error == NOT_AS
    let(study, right)
    answer = await study.post(path, {"message": message(ALEX.address)}, token="app-with-everything")
    assert answer.status == 202
    assert await sent_of(study, ADELE) == [(ALEX.address, sender.address)]
    back = f"/v1.0/users/{ALEX.address}/sendMail"
    answer = await study.post(back, {"message": message(ADELE.address)}, token="app-with-everything")
    assert answer.error == NOT_AS
