"""python-o365: a message that waits for its time among the drafts, and one that is deleted before its time.

python o365_delayed.py SUBJECT
"""

import json
import sys

from o365_send import account_of, env


def later(mailbox, subject, seconds):
    message = mailbox.new_message()
    message.subject = subject
    message.body = "<p>Später</p>"
    message.to.add("zoe@remote.example")
    message.delay_delivery(seconds)
    assert message.send()


def found(folder, subject):
    return list(folder.get_messages(query=folder.new_query().equals("subject", subject), limit=5))


def main(subject):
    mailbox = account_of("").mailbox(resource=env["MAILBOX"])
    drafts = mailbox.drafts_folder()
    later(mailbox, f"{subject} never", 3600)
    (cancelled,) = found(drafts, f"{subject} never")
    assert cancelled.delete()
    later(mailbox, subject, 3600)
    (waiting,) = found(drafts, subject)
    print(
        json.dumps(
            {
                "waiting": [waiting.is_draft, waiting.subject],
                "sent": len(found(mailbox.sent_folder(), subject)),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
