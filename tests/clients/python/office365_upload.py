"""Office365-REST-Python-Client: a large file attached to a draft in slices.

python office365_upload.py MESSAGE_ID FILE SLICE
"""

import json
import sys

from office365_send import client_of, env


def main(message, file, size):
    draft = client_of("").users[env["MAILBOX"]].messages[message]
    progress = []
    draft.attachments.resumable_upload(file, int(size), progress.append)
    draft.execute_query()
    print(json.dumps(progress))


main(*sys.argv[1:])
