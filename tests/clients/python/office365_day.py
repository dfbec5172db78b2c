"""Office365-REST-Python-Client: a day's work: folders, drafts, files, queries, pages, answers, moves, deletions.

python office365_day.py SUBJECT SMALL-FILE LARGE-FILE
"""

import json
import sys
from pathlib import Path

from office365_send import client_of, env


def main(subject, small, large):
    user = client_of("").users[env["MAILBOX"]]
    top = user.mail_folders.add(f"{subject} top").execute_query()
    drafts = []
    for number in range(5):
        properties = {
            "subject": f"{subject} {number}",
            "importance": "high" if number % 2 else "normal",
            "toRecipients": [{"emailAddress": {"address": "zoe@remote.example"}}],
            "isRead": False,
        }
        draft = top.messages.add()
        for name, value in properties.items():
            draft.set_property(name, value)
        drafts.append(draft.execute_query())
    high = top.messages.filter("importance eq 'high'").get().execute_query()
    paged = top.messages.get_all(page_size=2).execute_query()
    print_later = {"high": sorted(each.subject for each in high), "paged": [each.subject for each in paged]}

    first = drafts[0]
    first.add_file_attachment(Path(small).name, Path(small).read_bytes())
    first.execute_query()
    first.attachments.resumable_upload(large, 2**21)
    first.execute_query()
    user.messages[drafts[0].id].set_property("subject", f"{subject} with files").update().execute_query()
    user.messages[drafts[2].id].copy("archive").execute_query()
    user.messages[drafts[3].id].move("archive").execute_query()
    user.messages[drafts[4].id].delete_object().execute_query()
    first.send().execute_query()

    sent = user.mail_folders["SentItems"].messages
    (letter,) = sent.filter(f"subject eq '{subject} with files'").get().execute_query()
    answer = user.messages[letter.id].create_reply("Danke.").execute_query()
    user.messages[letter.id].forward(["archive@remote.example"], "Siehe unten.").execute_query()
    top.mark_all_items_as_read().execute_query()
    gone = user.mail_folders.add(f"{subject} gone").execute_query()
    gone.delete_object().execute_query()
    print(json.dumps({**print_later, "answer": answer.subject}))


main(*sys.argv[1:])
