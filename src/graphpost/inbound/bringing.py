"""Bringing a message: DATA and BDAT, and what is answered when it is whole."""

from __future__ import annotations

from graphpost.inbound import replies
from graphpost.inbound.house import Talk, Transaction
from graphpost.inbound.reception import Letter
from graphpost.inbound.replies import Refusal, Reply, refusal
from graphpost.inbound.spool import Spool
from graphpost.inbound.transfer import Transfer


async def data(talk: Talk, argument: str) -> None:
    transaction = _ready(talk)
    if argument:
        raise refusal(501, "5.5.4", "Syntax: DATA")
    if transaction.transfer is not None:
        raise refusal(503, "5.5.1", "Error: BDAT has begun")
    if talk.connection.has_octets:
        raise refusal(554, "5.5.1", "Error: data before the go-ahead", "early-talker", ends=True)
    talk.say(replies.GO_AHEAD)
    transfer = transaction.transfer = talk.transfer()
    await transfer.dotted(talk.connection)
    await _file(talk, transaction, transfer)


async def bdat(talk: Talk, argument: str) -> None:
    size, is_last = _chunk(talk, argument)
    transaction = talk.transaction
    if transaction is None or not transaction.takers:
        await talk.transfer().skip(talk.connection, size)
        _ready(talk)
        return
    transfer = transaction.transfer = transaction.transfer or talk.transfer()
    await transfer.chunk(talk.connection, size)
    if is_last:
        transfer.end_chunks()
        await _file(talk, transaction, transfer)
    elif transfer.refusal is not None:
        raise transfer.refusal
    else:
        talk.say(Reply(250, "2.0.0", f"{size} octets received"))


def _chunk(talk: Talk, argument: str) -> tuple[int, bool]:
    """How many octets follow, and whether they are the last.  When that cannot be read, the client is out of step."""
    number, _, rest = argument.partition(" ")
    most = talk.most
    if not (number.isascii() and number.isdigit() and len(number) < 20) or rest.upper() not in (
        "",
        "LAST",
    ):
        raise refusal(501, "5.5.4", "Syntax: BDAT size [LAST]", ends=True)
    if int(number) > 2 * most:
        raise refusal(552, "5.3.4", "Message size exceeds fixed limit", "size", ends=True)
    return int(number), bool(rest)


def _ready(talk: Talk) -> Transaction:
    transaction = talk.transaction
    if transaction is None:
        raise refusal(503, "5.5.1", "Error: need MAIL command")
    if not transaction.takers:
        if talk.is_lmtp:
            raise refusal(503, "5.5.1", "Error: no valid recipients")
        raise refusal(554, "5.5.1", "Error: no valid recipients")
    return transaction


def _check_mailboxes(talk: Talk, letter: Letter) -> None:
    """Nobody reads what is filed in a mailbox that was deleted while the message came."""
    here = talk.house.directory().by_id
    if any(box.mailbox_id not in here for box in letter.boxes):
        raise refusal(451, "4.2.1", "A mailbox has gone meanwhile; try again", "unknown-recipient")


async def _check_room(talk: Talk, letter: Letter, size: int) -> None:
    """Count it, once for each mailbox; refuse it when none has room: it may be larger than was said, or others were first.

    When one has room the others get it too: to one message there is one answer, and who sent it is not to be told later.
    """
    if talk.user is not None:
        return
    is_report = not letter.mail.sender
    has_room = [await talk.house.quotas.takes(box, size, is_report=is_report) for box in letter.boxes]
    if not any(has_room):
        raise refusal(552, "5.2.2", "The mailbox has no room for a message of that size", "quota")


async def _taken(talk: Talk, letter: Letter, spool: Spool) -> list[Reply]:
    """Have it filed, or sent for who signed in; the reply for each recipient."""
    house = talk.house
    if talk.user is not None and house.desk is not None:
        return [await house.desk.take(letter, spool, talk.check_user())]
    given = await house.reception.take(letter, spool, apart=talk.is_lmtp)
    return [given[taker.mailbox.mailbox_id] for taker in letter.takers]


async def _file(talk: Talk, transaction: Transaction, transfer: Transfer) -> None:
    """Have it filed, and answer: once, with LMTP for each recipient."""
    letter = Letter(talk.peer(transaction.mail), transaction.mail, tuple(transaction.takers))
    try:
        if transfer.refusal is not None:
            raise transfer.refusal
        await transfer.spool.complete()
        _check_mailboxes(talk, letter)
        await _check_room(talk, letter, transfer.spool.size)
        said = await _taken(talk, letter, transfer.spool)
        talk.messages += 1
        talk.commands = 0
        for reply in said if talk.is_lmtp else said[:1]:
            talk.say(reply)
    except Refusal as error:
        for _ in letter.takers[1:] if talk.is_lmtp else ():
            talk.say(error.reply)
        raise
    except Exception as error:  # also what is a defect of ours: its sender keeps the message, and is told so
        talk.house.log.problem("inbound", error)
        for _ in letter.takers if talk.is_lmtp else letter.takers[:1]:
            talk.say(Reply(451, "4.3.0", "The message cannot be taken at the moment"))
    finally:
        talk.forget()
