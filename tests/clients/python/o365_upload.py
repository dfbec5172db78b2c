"""python-o365: files attached to a draft, large ones in slices, as its `save_draft` does.

python o365_upload.py MESSAGE_ID FILE...
"""

import json
import sys

from o365_send import account_of, env


def main(message, *files):
    mailbox = account_of("").mailbox(resource=env["MAILBOX"])
    draft = mailbox.get_message(message)
    draft.attachments.add(list(files))
    print(json.dumps(draft.attachments._update_attachments_to_cloud()))


main(*sys.argv[1:])
