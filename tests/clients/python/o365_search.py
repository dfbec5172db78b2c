"""python-o365: a letter found by `search`, with the quotes as the library writes them.

python o365_search.py WORD
"""

import json
import sys

from o365_send import account_of, env


def main(word):
    mailbox = account_of("").mailbox(resource=env["MAILBOX"])
    message = mailbox.new_message()
    message.subject = f"About a {word}"
    message.body = f"A {word} of many colours"
    message.to.add("zoe@remote.example")
    assert message.save_draft()
    drafts = mailbox.drafts_folder()
    asked = (word, f"subject:{word}", f'"{word} of many"', f"{word} AND nowhere", f"body:{word[:4]}*")
    seen = {}
    for text in asked:
        found = drafts.get_messages(query=mailbox.new_query().search(text), limit=5)
        seen[text.replace(word, "W").replace(word[:4], "P")] = [each.subject for each in found]
    print(json.dumps(seen))


main(sys.argv[1])
