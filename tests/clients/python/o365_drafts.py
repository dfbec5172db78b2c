"""python-o365: a draft saved, changed, copied and sent; the letter marked, the copy moved and deleted.

python o365_drafts.py SUBJECT
"""

import json
import sys

from o365_send import account_of, env


def main(subject):
    mailbox = account_of("").mailbox(resource=env["MAILBOX"])
    message = mailbox.new_message()
    message.subject = "Not yet"
    message.body = "<p>Erster Entwurf</p>"
    message.to.add(("Zoë Müller", "zoe@remote.example"))
    assert message.save_draft()
    message.subject = subject
    message.body = "<p>Zweiter Entwurf</p>"
    message.bcc.add("archive@remote.example")
    assert message.save_draft()
    copy = message.copy(mailbox.archive_folder())
    drafts = mailbox.drafts_folder()
    (found,) = drafts.get_messages(query=drafts.new_query().equals("subject", subject), limit=5)
    assert found.is_draft
    assert message.send()
    sent = mailbox.sent_folder()
    (letter,) = sent.get_messages(query=sent.new_query().equals("subject", subject), limit=5)
    assert letter.mark_as_unread()
    letter.flag.set_flagged()
    letter.categories = ["Red"]
    assert letter.save_message()
    (marked,) = sent.get_messages(query=sent.new_query().equals("subject", subject), limit=5)
    assert copy.move(mailbox.inbox_folder())
    inbox = mailbox.inbox_folder()
    (moved,) = inbox.get_messages(query=inbox.new_query().equals("subject", subject), limit=5)
    assert moved.delete()
    left = list(drafts.get_messages(query=drafts.new_query().equals("subject", subject), limit=5))
    deleted = mailbox.deleted_folder()
    (gone,) = deleted.get_messages(query=deleted.new_query().equals("subject", subject), limit=5)
    print(
        json.dumps(
            {
                "found": [found.subject, [each.address for each in found.bcc]],
                "marked": [marked.is_read, marked.flag.status.value, list(marked.categories)],
                "left": len(left),
                "gone": gone.subject,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
