"""python-o365: a letter that was sent is answered, to its author and to all, and passed on.

python o365_replies.py SUBJECT
"""

import json
import sys

from o365_send import account_of, env


def main(subject):
    mailbox = account_of("").mailbox(resource=env["MAILBOX"])
    message = mailbox.new_message()
    message.subject = subject
    message.body = "<p>Suppe?</p>"
    message.to.add(("Zoë Müller", "zoe@remote.example"))
    message.cc.add("sakura@remote.example")
    assert message.send()
    sent = mailbox.sent_folder()
    (letter,) = sent.get_messages(query=sent.new_query().equals("subject", subject), limit=5)
    reply = letter.reply()
    seen = [
        reply.subject,
        [each.address for each in reply.to],
        [each.address for each in reply.cc],
        reply.is_draft,
    ]
    reply.body = "<p>Nachtisch auch.</p>"
    assert reply.send()
    own = letter.reply(to_all=False)
    passed = letter.forward()
    passed.to.add("archive@remote.example")
    assert passed.send()
    answers = {
        "all": seen,
        "own": [each.address for each in own.to],
        "kept": [
            "divRplyFwdMsg" in reply.body,
            "Suppe?" in reply.body,
            reply.body.find("Nachtisch") < reply.body.find("Suppe"),
        ],
        "conversations": len({letter.conversation_id, reply.conversation_id, passed.conversation_id}),
        "message_id": letter.internet_message_id,
    }
    assert own.delete()
    print(json.dumps(answers))


main(*sys.argv[1:])
