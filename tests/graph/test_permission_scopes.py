"""An application whose permissions have mailboxes of their own: each opens what is in its scope, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.graph.desk import ADELE, ALEX, APP, MAILBOXES
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to
from tests.notifications.hall import open_hall
from tests.notifications.receiver import Receiver

from graphpost.mail.mailbox import Directory, Group

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
RAOP = "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."
LETTER = {"message": {"subject": "Lunch", "toRecipients": to("zoe@one.test")}}
OF = {box.address: f"/v1.0/users/{box.address}" for box in (ADELE, ALEX)}
TOKEN = "roles:Mail.Send Mail.Read Mail.ReadBasic.All MailboxSettings.Read User.Read.All"


def let(study: Study, usual: tuple[str, ...] = (), **scopes: tuple[str, ...]) -> None:
    own = {name.replace("_", "."): entries for name, entries in scopes.items()}
    app = replace(APP, mailbox_scope=usual, permission_scopes=own)
    senders = Group(name="Senders", members=frozenset({ALEX.address.lower()}))
    study.office.directory = Directory.of(MAILBOXES, [app], [senders])


async def statuses(study: Study, method: str, rest: str, body: Any = None, query: str = "") -> dict[str, int]:
    found = {}
    for address, path in OF.items():
        answer = await study.ask(method, path + rest, body, query=query, token=TOKEN)
        found[address] = answer.status
        if answer.status == 403:
            assert answer.json["error"]["message"] == RAOP
    return found


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("usual", "scopes", "sends", "reads"),
    [
        ((), {"Mail_Send": ("group:Senders",)}, {ALEX}, {ADELE, ALEX}),
        ((ADELE.address,), {"Mail_Send": (ALEX.address,)}, {ALEX}, {ADELE}),
        ((ADELE.address,), {"Mail_Send": ()}, {ADELE, ALEX}, {ADELE}),
        ((), {"Mail_Send": ("group:nobody",)}, set(), {ADELE, ALEX}),
        ((), {"Mail_Read": (ADELE.address,), "Mail_ReadBasic_All": (ADELE.address,)}, {ADELE, ALEX}, {ADELE}),
    ],
)
async def test_each_permission_opens_the_mailboxes_of_its_scope(
    study: Study, usual: tuple[str, ...], scopes: dict[str, tuple[str, ...]], sends: set[Any], reads: set[Any]
) -> None:
    let(study, usual, **scopes)
    sent = await statuses(study, "POST", "/sendMail", LETTER)
    read = await statuses(study, "GET", "/messages")
    assert sent == {box.address: 202 if box in sends else 403 for box in (ADELE, ALEX)}
    assert read == {box.address: 200 if box in reads else 403 for box in (ADELE, ALEX)}


async def test_what_is_shown_is_what_the_permission_shows_that_is_good_there(study: Study) -> None:
    """Mail.Read here and Mail.ReadBasic everywhere: elsewhere no body is shown, nor searched."""
    draft = await study.draft(subject="Lunch", body={"contentType": "text", "content": "Secret soup"})
    let(study, Mail_Read=(ALEX.address,))
    seen = await study.get(f"{OF[ADELE.address]}/messages/{draft.id}", token=TOKEN)
    assert (seen.status, "body" in seen.json, "bodyPreview" in seen.json) == (200, False, False)
    asked = ("", '$search="soup"'), ("", "$filter=contains(body/content,'soup')"), (f"/{draft.id}/$value", "")
    for rest, query in asked:
        answer = await study.get(f"{OF[ADELE.address]}/messages{rest}", query=query, token=TOKEN)
        assert answer.status == 403, (rest, query, answer)
    let(study, Mail_Read=(ADELE.address,))
    seen = await study.get(f"{OF[ADELE.address]}/messages/{draft.id}", token=TOKEN)
    assert "Secret soup" in seen.json["body"]["content"]


async def test_settings_that_come_with_a_user_are_in_the_scope_of_theirs(study: Study) -> None:
    let(study, MailboxSettings_Read=(ALEX.address,))
    found = await statuses(study, "GET", "", query="$select=mailboxSettings")
    assert found == {ADELE.address: 403, ALEX.address: 200}


async def test_the_parts_of_a_batch_are_looked_at_one_by_one(study: Study) -> None:
    let(study, Mail_Send=(ALEX.address,))
    parts = [
        {"id": str(number), "method": "POST", "url": f"{path.removeprefix('/v1.0')}/sendMail", "body": LETTER, "headers": {"Content-Type": "application/json"}}
        for number, path in enumerate((OF[ALEX.address], OF[ADELE.address], OF[ALEX.address]))
    ]  # fmt: skip
    answer = await study.post("/v1.0/$batch", {"requests": parts}, token=TOKEN)
    assert [part["status"] for part in answer.json["responses"]] == [202, 403, 202]


def test_a_subscription_needs_a_permission_to_read_there(tmp_path: Path) -> None:
    def narrow(config: Any) -> Any:
        (application,) = config.applications
        scopes = {
            name: ["alex@example.test"]
            for name in application.application_permissions
            if name.startswith("Mail.Read")
        }
        return replace(config, applications=[replace(application, permission_scopes=scopes)])

    with open_hall(tmp_path, change=narrow) as hall, Receiver() as receiver:
        for address, status in (("adele@example.test", 403), ("alex@example.test", 201)):
            made = hall.subscribe(receiver.url(), "app", resource=f"users/{address}/messages")
            assert made.status == status, address
