"""msgraph-sdk and azure-identity, as released, each run as a program of its own."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from tests.clients import letters
from tests.clients.person import Person
from tests.clients.refusals import REFUSED, check_refusals
from tests.clients.world import ADELE, ALEX, NARROW, World, python_script
from tests.notifications.receiver import Receiver

pytestmark = pytest.mark.slow
SUBJECT = "Angebot №7 – Größe ✓ 寸法, and so long that the line has to be folded somewhere 📎"


@pytest.fixture(scope="module")
def sent(world: World, picture: Path, report: Path) -> str:
    """The letter, sent with the SDK and delivered to everybody; its subject."""
    mark = world.server.output.mark()
    assert world.python("sdk_send.py", SUBJECT, picture, report) == {"answer": None}
    world.server.output.wait_for(f"delivered.*{ALEX}", mark)
    world.server.output.wait_for("delivered.*zoe@remote.example", mark)
    return SUBJECT


def test_the_letter_arrives_as_it_was_written(world: World, sent: str, picture: Path, report: Path) -> None:
    letters.check_on_the_wire(world.relay.wait_for(sent), sent, picture, report)


def test_the_letter_is_in_sent_items_with_its_bcc(
    world: World, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = world.python("sdk_read.py", sent, ADELE, "sentitems", tmp_path / "sent.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == letters.BCC
    assert seen["delivery_receipt"] is True
    assert seen["message_id"] == world.relay.wait_for(sent).message["message-id"]
    letters.check_mime(tmp_path / "sent.eml", sent, picture, report, letters.BCC)


def test_the_letter_is_in_the_inbox_of_a_local_recipient_without_its_bcc(
    world: World, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = world.python("sdk_read.py", sent, ALEX, "inbox", tmp_path / "inbox.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == []
    letters.check_mime(tmp_path / "inbox.eml", sent, picture, report, [])


def test_a_delivery_receipt_comes_for_each_destination(world: World, sent: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt.eml"
    for what, address in [("Relayed", "zoe@remote.example"), ("Delivered", ALEX)]:
        seen = world.python("sdk_read.py", f"{what}: {sent}", ADELE, "inbox", file)
        assert address in seen["body"]
        receipt = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert receipt.get_content_type() == "multipart/report"


def test_mail_to_nobody_comes_back_with_the_reason(world: World, tmp_path: Path) -> None:
    mark = world.server.output.mark()
    assert world.python("sdk_short.py", "Gibt es dich?", "nobody@contoso.test") == "done"
    world.server.output.wait_for("bounced", mark)
    file = tmp_path / "report.eml"
    seen = world.python("sdk_read.py", "Undeliverable: Gibt es dich?", ADELE, "inbox", file)
    assert "nobody@contoso.test" in seen["body"]
    assert "There is no such address" in seen["body"]
    report = message_from_bytes(file.read_bytes(), policy=policy.default)
    (status,) = [part for part in report.walk() if part.get_content_type() == "message/delivery-status"]
    (fields,) = [block for block in status.get_payload() if block["action"]]
    assert (fields["action"], fields["status"]) == ("failed", "5.1.1")


KINDS = ("secret", "certificate", "certificate-with-chain", "async-secret", "async-certificate")


def test_every_credential_of_an_application_sends_and_none_saves(world: World, tmp_path: Path) -> None:
    world.python("sdk_credentials.py", "Short", *KINDS)
    for kind in KINDS:
        letters.check_short(world.relay.wait_for(f"Short {kind}"), kind)
    assert world.python("sdk_read.py", "Short secret", ADELE, "sentitems", tmp_path / "none.eml") is None


def test_a_device_code_sends_as_its_user(world: World, adele: Person) -> None:
    with world.talking(python_script("sdk_credentials.py"), "Short", "device") as program:
        code, address = program.hear("CODE")
        adele.enter_code(address, code)
        assert program.answer() == "done"
    assert world.relay.wait_for("Short device").sender == ADELE


def test_a_message_is_attached_to_another(world: World, picture: Path) -> None:
    assert world.python("sdk_attached.py", "About this", picture) == "done"
    mail = world.relay.wait_for("About this")
    (part,) = [part for part in mail.message.walk() if part.get_content_type() == "message/rfc822"]
    (inner,) = part.get_payload()
    assert inner["subject"] == "Frühere Nachricht"
    assert inner["from"] == "Zoë Müller <zoe@remote.example>"
    assert inner.get_body(("html",)).get_content().strip() == "<p>früher</p>"
    (logo,) = inner.iter_attachments()
    assert logo.get_payload(decode=True) == picture.read_bytes()


def test_many_sent_at_once_arrive_once_each(world: World) -> None:
    count = 60
    assert world.python("sdk_many.py", "Many", count) == "done"
    expected = [f"Many {number}" for number in range(count)]
    for subject in expected:
        world.relay.wait_for(subject)
    came = [mail.subject for mail in world.relay.delivered if mail.subject.startswith("Many ")]
    assert sorted(came) == sorted(expected)


def test_mime_is_relayed_byte_for_byte_but_for_bcc(world: World, tmp_path: Path) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(letters.MIME.format(id="sdk").encode())
    assert world.python("sdk_mime.py", file) == "done"
    letters.check_relayed(world.relay.wait_for_bytes(b"<sdk@contoso.test>"), "sdk")
    copy = tmp_path / "copy.eml"
    seen = world.python("sdk_read.py", "Grüße as MIME sdk", ADELE, "sentitems", copy)
    assert copy.read_bytes() == file.read_bytes()
    assert [address for _, address in seen["bcc"]] == ["archive@remote.example", "hidden@remote.example"]
    assert seen["has_attachments"] is True


def test_refusals_are_the_sdks_own_exceptions_with_the_code_in_them(world: World, sent: str) -> None:
    seen = world.python("sdk_errors.py", NARROW=NARROW)
    check_refusals(seen["graph"], REFUSED)
    assert "Never sent" not in [mail.subject for mail in world.relay.delivered]
    assert "AADSTS7000215" in seen["token"]


def test_folders_are_made_renamed_moved_copied_and_deleted(world: World) -> None:
    assert world.python("sdk_folders.py", ADELE) == {
        "renamed": "This year",
        "children": ["This year"],
        "twice": [409, "ErrorFolderExists"],
        "inbox": [400, "ErrorDeleteDistinguishedFolder"],
        "copied": ["Projects", 1, True],
        "moved": [True],
        "left": 0,
        "deleted": ["Projects", "Projects1"],
        "gone": [404, "ErrorItemNotFound"],
    }


def test_settings_categories_rules_overrides_and_tips(world: World) -> None:
    assert world.python("sdk_settings.py", ALEX, ADELE) == {
        "categories": ["preset3", [409, "nameAlreadyExists"], "preset7", ["Paid"], []],
        "settings": [
            "W. Europe Standard Time",
            "German (Germany)",
            "07:30:00",
            ["monday", "friday"],
            "alwaysEnabled",
            "W. Europe Standard Time",
        ],
        "rules": ["From the SDK", False, False, "high", ADELE, "Other", 1, [404, "ErrorItemNotFound"]],
        "overrides": ["other"],
        "tips": ["Away", True],
        "languages": True,
        "zones": True,
        "iana": True,
    }


def test_a_subscription_is_made_renewed_and_ended_and_its_receiver_told(world: World) -> None:
    with Receiver() as receiver:
        command = python_script("sdk_subscriptions.py")
        with world.talking(command, ADELE, receiver.url()) as program:
            subscription, draft = program.hear("MADE")
            [told] = receiver.wait_for(1)
            program.say("go on")
            seen = program.answer()
    assert (told["subscriptionId"], told["resourceData"]["id"]) == (subscription, draft)
    assert (told["changeType"], told["clientState"]) == ("created", "state of the SDK")
    assert seen == {
        "made": ["state of the SDK", "created,updated", "v1_2"],
        "renewed": 3600,
        "listed": [True],
        "gone": [404, "ResourceNotFound"],
    }


def test_a_folder_is_synchronised(world: World) -> None:
    assert world.python("sdk_delta.py", ADELE) == {
        "rounds": [["one", "three", "two"], [None, "four", "one"]],
        "folders": ["Renamed"],
        "elsewhere": [410, "syncStateNotFound"],
    }
