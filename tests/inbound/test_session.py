"""What an SMTP client is answered, and what is filed of what it brings."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable

import pytest
from msgspec.structs import replace
from tests.delivery.post import ADELE, ALEX
from tests.inbound.room import HOST, LETTER, MakeRoom, Room

from graphpost.mail.mailbox import INBOX, Directory
from graphpost.mail.message import Item, Message
from graphpost.store.mailbox import messages

pytestmark = pytest.mark.anyio


async def test_a_message_is_in_the_inbox_when_it_is_acknowledged(room: Room) -> None:
    wire = await room.wire()
    code, text = await wire.deliver()
    assert (code, text[:20]) == (250, "2.0.0 Ok: filed as 0")
    [item] = await room.inbox()
    assert (item.message.subject, item.is_read, item.message.is_foreign) == ("Hello", False, True)
    assert (await room.value(item)).endswith(LETTER)


async def test_our_fields_stand_above_the_octets_that_came(room: Room) -> None:
    wire = await room.wire()
    await wire.deliver(sender="bob@else.test")
    [value] = await room.values()
    top = value.removesuffix(LETTER)
    fields = email.message_from_bytes(top + b"\r\n", policy=email.policy.SMTP)
    assert fields.keys() == ["Return-Path", "Received"]
    assert fields["Return-Path"] == "<bob@else.test>"
    received = " ".join(fields["Received"].split())
    assert received.startswith(f"from client.test ([127.0.0.1]) by {HOST} with ESMTP id ")
    assert " for <adele@contoso.test>; " in received


async def test_a_received_field_does_not_tell_one_of_several_recipients_of_the_others(room: Room) -> None:
    wire = await room.wire()
    await wire.deliver(LETTER, "adele@contoso.test", "alex@contoso.test")
    for box in (ADELE, ALEX):
        [value] = await room.values(box)
        assert b"\tfor <" not in value


async def test_a_mailbox_named_by_several_addresses_gets_the_message_once(room: Room) -> None:
    wire = await room.wire()
    await wire.deliver(LETTER, "alex@contoso.test", "AL@contoso.test", "alex+lists@contoso.test")
    assert len(await room.inbox(ALEX)) == 1


async def test_one_dot_is_taken_off_lines_that_begin_with_one(room: Room) -> None:
    wire = await room.wire()
    await wire.begin()
    assert (await wire.data(b"Subject: x\r\n\r\n..\r\n...three\r\n.one\r\n"))[0] == 250
    [value] = await room.values()
    assert value.endswith(b"Subject: x\r\n\r\n.\r\n..three\r\none\r\n\r\n")


@pytest.mark.parametrize(
    ("commands", "replies"),
    [
        (["MAIL FROM:<a@b.test>"], [(503, "5.5.1")]),
        (["EHLO x", "RCPT TO:<adele@contoso.test>"], [(250, HOST), (503, "5.5.1")]),
        (["EHLO x", "DATA"], [(250, HOST), (503, "5.5.1")]),
        (["EHLO x", "MAIL FROM:<a@b.test>", "DATA"], [(250, HOST), (250, "2.1.0"), (554, "5.5.1")]),
        (["EHLO x", "MAIL FROM:<>", "MAIL FROM:<>"], [(250, HOST), (250, "2.1.0"), (503, "5.5.1")]),
        (["EHLO x", "MAIL FROM:<>", "RSET", "MAIL FROM:<>"], [(250, HOST), (250, "2."), (250, "2."), (250, "2.")]),
        (["EHLO x", "MAIL FROM:<>", "EHLO y", "RCPT TO:<adele@contoso.test>"], [(250, ""), (250, ""), (250, ""), (503, "5.5.1")]),
        (["HELO x"], [(250, HOST)]),
        (["EHLO"], [(501, "5.5.4")]),
        (["EHLO [127.0.0.1]", "EHLO [IPv6:::1]", "EHLO [x]"], [(250, HOST), (250, HOST), (501, "5.5.4")]),
        (["EHLO a b"], [(250, HOST)]),
        (["EHLO a\tb"], [(501, "5.5.4")]),
        (["LHLO x"], [(500, "5.5.1")]),
        (["NOOP", "NOOP with words", "RSET", "HELP"], [(250, "2.0.0"), (250, "2.0.0"), (250, "2.0.0"), (214, "2.0.0")]),
        (["VRFY adele", "VRFY"], [(252, "2."), (501, "5.5.4")]),
        (["EXPN staff"], [(502, "5.5.1")]),
        (["XYZZY"], [(500, "5.5.2")]),
        (["STARTTLS"], [(503, "5.5.1")]),
        (["QUIT"], [(221, "2.0.0"), (0, "")]),
        (["GET / HTTP/1.1"], [(421, "4.7.0"), (0, "")]),
        (["Host: mx"], [(421, "4.7.0"), (0, "")]),
    ],
)  # fmt: skip
async def test_commands_are_answered_in_their_order(
    room: Room, commands: list[str], replies: list[tuple[int, str]]
) -> None:
    wire = await room.wire(helo="")
    wire.send("".join(f"{command}\r\n" for command in commands).encode())
    for code, text in replies:
        said = await wire.reply()
        assert said[0] == code
        assert said[1].startswith(text), said


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("adele@contoso.test", (250, "2.1.5")),
        ("ADELE@CONTOSO.TEST", (250, "2.1.5")),
        ('"adele"@contoso.test', (250, "2.1.5")),
        ("@relay.test,@other.test:adele@contoso.test", (250, "2.1.5")),
        ("adele+anything+more@contoso.test", (250, "2.1.5")),
        ("postmaster@contoso.test", (250, "2.1.5")),
        ("PostMaster", (250, "2.1.5")),
        ("nobody@contoso.test", (550, "5.1.1")),
        ("+x@contoso.test", (550, "5.1.1")),
        ("adele@else.test", (550, "5.7.1")),
        ("postmaster@else.test", (550, "5.7.1")),
        ("adele%else.test@contoso.test", (550, "5.1.1")),
        ("else.test!adele@contoso.test", (550, "5.1.1")),
        ('"adele@else.test"@contoso.test', (550, "5.1.1")),
        ("adele@contoso.test@else.test", (501, "5.5.4")),
        ("adele", (501, "5.1.3")),
        ("", (501, "5.1.3")),
        ("adele@[127.0.0.1]", (501, "5.1.3")),
        ("adèle@contoso.test", (553, "5.6.7")),
    ],
)
async def test_only_mail_for_mailboxes_of_ours_is_taken(
    room: Room, recipient: str, reply: tuple[int, str]
) -> None:
    wire = await room.wire()
    assert (await wire.ask("MAIL FROM:<bob@else.test>"))[0] == 250
    code, text = await wire.ask(f"RCPT TO:<{recipient}>")
    assert (code, text[:5]) == reply


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        (f"bounces+{'0' * 80}-adele=contoso.test@em.else.test", 250),
        (f"{'b' * 400}@else.test", 501),
        ("bounce@out_7.else.test", 250),
        ("john..doe.@else.test", 250),
        ('"john doe"@else.test', 250),
        ("bob@else..test", 501),
        ("bob@[192.0.2.1]", 501),
        ("bob", 501),
        ("bob(x)@else.test", 501),
        ("bob,eve@else.test", 501),
        ("bob@else.test,eve", 501),
    ],
)
async def test_senders_may_have_addresses_that_are_a_little_wrong(room: Room, sender: str, code: int) -> None:
    """Mailing programs write long ones, and some hosts and people have names that RFC 5321 does not know."""
    wire = await room.wire()
    assert (await wire.ask(f"MAIL FROM:<{sender}>"))[0] == code
    if code == 250:
        assert (await wire.ask("RCPT TO:<adele@contoso.test>"))[0] == 250
        assert (await wire.data(LETTER.removesuffix(b"\r\n")))[0] == 250
        [value] = await room.values()
        assert value.startswith(f"Return-Path: <{sender}>\r\n".encode())


async def test_a_tag_behind_the_plus_may_be_long(room: Room) -> None:
    wire = await room.wire()
    assert (await wire.deliver(LETTER, f"adele+{'t' * 120}@contoso.test"))[0] == 250


async def test_mail_for_the_postmaster_is_the_first_mailboxs(room: Room) -> None:
    wire = await room.wire()
    await wire.deliver(LETTER, "postmaster")
    await wire.deliver(LETTER, "postmaster@contoso.test", sender="")
    assert len(await room.inbox(ADELE)) == 2


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb", 250),
        ("BODY=7bit", 250),
        ("SIZE=157286400", 250),
        ("SIZE=157286401", 552),
        ("SIZE=99999999999999999999", 552),
        ("SIZE=x", 501),
        ("SIZE=1 SIZE=1", 501),
        ("BODY=BINARYMIME", 501),
        ("RET=ALL", 501),
        ("ENVID=a b", 555),
        ("X=y", 555),
        ("=", 501),
        ("AUTH=<>", 555),
    ],
)
async def test_parameters_of_mail_are_read(room: Room, parameters: str, code: int) -> None:
    wire = await room.wire()
    assert (await wire.ask(f"MAIL FROM:<bob@else.test> {parameters}"))[0] == code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("NOTIFY=NEVER", 250),
        ("NOTIFY=success,delay ORCPT=rfc822;adele+40contoso.test", 250),
        ("ORCPT=utf-8;ad\\x{E8}le@contoso.test", 250),
        ("NOTIFY=NEVER,DELAY", 501),
        ("NOTIFY=", 501),
        ("ORCPT=adele", 501),
        ("SIZE=1", 555),
    ],
)
async def test_parameters_of_rcpt_are_read(room: Room, parameters: str, code: int) -> None:
    wire = await room.wire()
    await wire.ask("MAIL FROM:<bob@else.test>")
    assert (await wire.ask(f"RCPT TO:<adele@contoso.test> {parameters}"))[0] == code


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\n\r\nbare LF",
        b"Subject: x\r\n\r\nbare\rCR",
        b"Subject: x\r\n\r\nends with CR\r",
        b"Subject: x\r\n\r\nNUL \0",
        b"Subject: x\r\n\r\n" + b"x" * 65_536,
    ],
)
async def test_what_is_no_text_is_refused_and_the_session_goes_on(room: Room, content: bytes) -> None:
    wire = await room.wire()
    await wire.begin()
    code, text = await wire.data(content)
    assert (code, text[:5]) == (550, "5.6.0")
    assert await room.inbox() == []
    assert (await wire.deliver())[0] == 250


@pytest.mark.parametrize(
    "end", [b"\n.\r\n", b"\r.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n.\r"]
)
@pytest.mark.parametrize("apart", [False, True])
async def test_a_smuggled_end_of_data_ends_the_session_and_nothing_is_filed(
    room: Room, end: bytes, apart: bool
) -> None:
    """What follows the false end would be a second message, in the name of whom it likes."""
    wire = await room.wire()
    await wire.begin()
    await wire.ask("DATA")
    smuggled = b"MAIL FROM:<ceo@contoso.test>\r\nRCPT TO:<adele@contoso.test>\r\nDATA\r\n" + LETTER + b".\r\n"
    for piece in [LETTER[:-2], *([end[:1], end[1:]] if apart else [end]), smuggled]:
        wire.send(piece)
        await wire.writer.drain()
    code, text = await wire.reply()
    assert (code, text[:5]) in ((521, "5.5.2"), (550, "5.6.0"))
    await wire.ask("QUIT")
    assert await room.inbox() == []


async def test_what_is_pipelined_behind_data_ends_the_session(room: Room) -> None:
    wire = await room.wire()
    await wire.begin()
    wire.send(b"DATA\r\n" + LETTER + b".\r\nQUIT\r\n")
    assert (await wire.reply())[0] == 554
    assert await wire.is_at_end()
    assert await room.inbox() == []


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\r\r\n", b"\rNOOP\r\n"])
async def test_a_command_that_does_not_end_as_it_should_ends_the_session(room: Room, line: bytes) -> None:
    wire = await room.wire()
    wire.send(line)
    assert (await wire.reply())[0] == 500
    assert await wire.is_at_end()


async def test_a_line_that_is_too_long_is_refused_whole(room: Room) -> None:
    wire = await room.wire()
    wire.send(b"NOOP " + b"x" * 200_000 + b"\r\nNOOP\r\n")
    assert (await wire.reply())[0] == 500
    assert (await wire.reply())[0] == 250


async def test_a_message_that_is_too_large_is_refused_when_it_is_whole(make_room: MakeRoom) -> None:
    room = make_room(message_bytes=1000)
    await room.open()
    wire = await room.wire()
    await wire.begin()
    assert (await wire.data(b"Subject: x\r\n\r\n" + b"x" * 1000))[0] == 552
    assert (await wire.deliver())[0] == 250
    await wire.begin()
    await wire.ask("DATA")
    wire.send(b"x" * 3000)
    assert (await wire.reply())[0] == 552
    assert await wire.is_at_end()


async def test_what_goes_round_in_circles_is_refused(room: Room) -> None:
    wire = await room.wire()
    await wire.begin()
    code, text = await wire.data(b"Received: from a by b\r\n" * 51 + b"Subject: x\r\n\r\nx")
    assert (code, text[:5]) == (554, "5.4.6")


async def test_results_in_our_name_are_taken_out(room: Room) -> None:
    wire = await room.wire()
    ours = (
        b"Authentication-Results: mx.contoso.test; spf=pass\r\n"
        b"authentication-results : (a ;) MX.contoso.test 1;\r\n\tdkim=pass\r\n"
        b'Authentication-Results: "mx.contoso.test" (x\\)) ; dmarc=pass\r\n'
        b"Authentication-Results: (open mx.other.test; none\r\n"
    )
    theirs = b"Authentication-Results: mx.other.test; none\r\nSubject: x\r\n\r\nAuthentication-Results: mx.contoso.test;\r\n"
    await wire.deliver(b"X: y\r\n" + ours + theirs)
    [value] = await room.values()
    assert value.endswith(b"\r\nX: y\r\n" + theirs)
    assert b"(open" not in value


async def test_what_exchange_hosts_tell_each_other_is_taken_out(room: Room) -> None:
    """A program that reads `AuthAs: Internal` takes it for our word."""
    wire = await room.wire()
    claims = (
        b"X-MS-Exchange-Organization-AuthAs: Internal\r\n"
        b"x-ms-exchange-ORGANIZATION-SCL :\r\n\t-1\r\nX-MS-Exchange-Forest-RulesExecuted: mx\r\n"
    )
    rest = b"X-MS-Exchange-CrossTenant-Id: 1\r\nSubject: x\r\n\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
    await wire.deliver(b"X: y\r\n" + claims + rest)
    [value] = await room.values()
    assert value.endswith(b"\r\nX: y\r\n" + rest)


async def test_what_our_own_relay_tells_is_kept(make_room: MakeRoom) -> None:
    room = make_room()
    await room.open(lmtp=True)
    wire = await room.wire(verb="LHLO")
    told = b"X-MS-Exchange-Organization-SCL: 5\r\n" + LETTER
    assert (await wire.deliver(told))[0] == 250
    [value] = await room.values()
    assert value.endswith(told)


async def test_a_message_without_a_header_has_one(room: Room) -> None:
    wire = await room.wire()
    await wire.deliver(b"just some words\r\n")
    [item] = await room.inbox()
    assert item.message.body.content == "just some words\r\n"
    assert (await room.value(item)).endswith(b"+0000\r\n\r\njust some words\r\n")


async def test_a_mailbox_that_goes_while_the_message_comes_gets_nothing(room: Room) -> None:
    wire, directory = await room.wire(), room.directory
    await wire.begin("adele@contoso.test", "alex@contoso.test")
    room.directory = Directory.of([ADELE]).receiving(directory.reception)
    code, text = await wire.data(LETTER.removesuffix(b"\r\n"))
    assert (code, text[:5]) == (451, "4.2.1")
    assert await room.inbox(ADELE) == await room.inbox(ALEX) == []
    await wire.ask("MAIL FROM:<bob@else.test>")
    assert (await wire.ask("RCPT TO:<alex@contoso.test>"))[0] == 550


async def test_a_message_that_cannot_be_stored_is_refused_for_now(room: Room) -> None:
    from graphpost.errors import StoreError

    wire = await room.wire()
    room.store.breaks = lambda fn: StoreError("the disk is full")
    code, text = await wire.deliver(LETTER, "adele@contoso.test", "alex@contoso.test")
    assert (code, text[:5]) == (451, "4.3.0")
    room.store.breaks = lambda fn: None
    assert (await wire.deliver())[0] == 250
    assert len(await room.inbox()) == 1


async def test_a_defect_of_ours_leaves_the_message_with_its_sender(make_room: MakeRoom) -> None:
    async def evaluate(letter: object, spool: object) -> bytes:
        raise ZeroDivisionError

    room = make_room(evaluate=evaluate)
    await room.open()
    wire = await room.wire()
    assert await wire.deliver() == (451, "4.3.0 The message cannot be taken at the moment")
    assert (await wire.ask("NOOP"))[0] == 250
    assert "problem where=inbound error=ZeroDivisionError" in room.said()
    assert await room.inbox() == []


async def test_what_the_evaluation_says_stands_between_our_fields(make_room: MakeRoom) -> None:
    async def evaluate(letter: object, spool: Iterable[bytes]) -> bytes:
        assert b"".join(spool) == LETTER
        return b"Authentication-Results: mx.contoso.test; none\r\n"

    room = make_room(evaluate=evaluate)
    await room.open()
    await (await room.wire()).deliver()
    [value] = await room.values()
    assert [line.partition(b":")[0] for line in value.split(b"\r\n")[:3]] == [
        b"Return-Path",
        b"Authentication-Results",
        b"Received",
    ]


@pytest.mark.parametrize(("sender", "code"), [("bob@else.test", 552), ("", 250)])
async def test_a_full_mailbox_takes_reports_only(room: Room, sender: str, code: int) -> None:
    room.directory = Directory.of([replace(ADELE, quota=1000), ALEX])
    item = Item(mailbox_id=ADELE.mailbox_id, message_id=1, folder_id=INBOX, message=Message(), size=1000)
    await room.store.write(lambda tx: messages.add(tx, item))
    wire = await room.wire()
    assert (await wire.ask(f"MAIL FROM:<{sender}> SIZE=20"))[0] == 250
    found, text = await wire.ask("RCPT TO:<adele@contoso.test>")
    assert found == code, text
    assert code == 250 or text.startswith("5.2.2 <adele@contoso.test>: the mailbox is full")
    assert (await wire.ask("RCPT TO:<alex@contoso.test>"))[0] == 250


async def test_who_announces_much_and_brings_nothing_takes_nobodys_room(room: Room) -> None:
    room.directory = Directory.of([replace(ADELE, quota=2000), ALEX])
    wire = await room.wire()
    for _ in range(3):
        await wire.begin(*["adele@contoso.test"] * 3, options=" SIZE=1500")
        assert (await wire.ask("RSET"))[0] == 250
    other = await room.wire()
    for text in (b"x" * 900, b"y" * 500):  # the room is taken once, however often its mailbox is named
        assert (await other.deliver(b"\r\n" + text, *["adele@contoso.test"] * 3, options=" SIZE=900"))[
            0
        ] == 250
    assert len(await room.inbox()) == 2


async def test_who_come_at_once_share_the_room_when_their_messages_are_whole(room: Room) -> None:
    room.directory = Directory.of([replace(ADELE, quota=2000), ALEX])
    wires = [await room.wire() for _ in range(3)]
    for wire in wires:
        await wire.begin(options=" SIZE=1100")
    codes = [(await wire.data(b"\r\n" + b"x" * 900 + b"\r\n" + b"y" * 200))[0] for wire in wires]
    assert codes == [250, 552, 552]
    assert len(await room.inbox()) == 1


@pytest.mark.parametrize(("others", "code"), [([], 552), (["alex@contoso.test"], 250)])
async def test_a_message_larger_than_was_said_is_for_those_who_have_room(
    room: Room, others: list[str], code: int
) -> None:
    """A client need not say how large a message is, and may say what it likes."""
    room.directory = Directory.of([replace(ADELE, quota=1000), ALEX])
    wire = await room.wire()
    await wire.ask("MAIL FROM:<bob@else.test>")
    for address in ["adele@contoso.test", *others]:
        assert (await wire.ask(f"RCPT TO:<{address}>"))[0] == 250
    assert (await wire.ask("DATA"))[0] == 354
    found, text = await wire.ask("Subject: Long\r\n\r\n" + "x" * 900 + "\r\n" + "y" * 900 + "\r\n.")
    assert found == code, text
    assert (await wire.ask("NOOP"))[0] == 250
