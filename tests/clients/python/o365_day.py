"""python-o365: a day's work in folders of its own: drafts, files, queries, marks, answers, moves, deletions.

python o365_day.py SUBJECT SMALL-FILE LARGE-FILE
"""

import json
import sys

from o365_send import account_of, env


def main(subject, small, large):
    account = account_of("")
    mailbox = account.mailbox(resource=env["MAILBOX"])
    top = mailbox.create_child_folder(f"{subject} top")
    inner = top.create_child_folder("inner")
    assert inner.update_folder_name("This year")

    drafts = []
    for number in range(7):
        draft = top.new_message()
        draft.subject = f"{subject} {number}"
        draft.body = f"<p>Nummer <b>{number}</b></p>"
        draft.to.add(("Zoë Müller", "zoe@remote.example"))
        draft.importance = "High" if number % 2 else "Normal"
        assert draft.save_draft(target_folder=top)
        drafts.append(draft)
    drafts[0].attachments.add([small, large])
    drafts[0].subject = f"{subject} with files"
    assert drafts[0].save_draft()

    build = top.new_query()
    query = build.startswith("subject", subject) & build.equals("importance", "high")
    high = [each.subject for each in top.get_messages(query=query, limit=25)]
    newest = [each.subject for each in top.get_messages(limit=100, batch=2, order_by="subject desc")]

    categories = account.outlook_categories(resource=env["MAILBOX"])
    made = categories.create_category(f"{subject} red", color="red")
    assert made.update_color("yellow")
    marked = drafts[1]
    marked.add_category(made)
    marked.flag.set_flagged()
    assert marked.save_message()

    copy = drafts[2].copy(inner)
    assert copy.object_id != drafts[2].object_id
    assert drafts[3].move(inner)
    assert drafts[4].delete()
    assert drafts[0].send()
    assert drafts[5].send(save_to_sent_folder=False)

    sent = mailbox.sent_folder()
    (letter,) = sent.get_messages(
        query=sent.new_query().equals("subject", f"{subject} with files"), limit=5, download_attachments=True
    )
    assert letter.mark_as_unread()
    answer = letter.reply(to_all=False)
    answer.body = "Danke."
    assert answer.save_draft()
    passed = letter.forward()
    passed.to.add("archive@remote.example")
    assert passed.send()

    moved = top.create_child_folder(f"{subject} moved")
    assert drafts[6].copy(moved)
    assert moved.move_folder(mailbox.archive_folder())
    deleted = mailbox.create_child_folder(f"{subject} gone")
    assert deleted.delete()
    found = mailbox.get_folder(folder_name=f"{subject} top")
    print(
        json.dumps(
            {
                "high": sorted(high),
                "newest": newest,
                "files": sorted([each.name, each.size] for each in letter.attachments),
                "counts": [found.total_items_count, found.unread_items_count, found.child_folders_count],
                "answer": answer.subject,
            }
        )
    )


main(*sys.argv[1:])
