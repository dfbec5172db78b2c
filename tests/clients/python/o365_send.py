"""python-o365: send an HTML message with a file, find it in Sent Items, read its file.

python o365_send.py SUBJECT FILE             told where Graphpost is
python o365_send.py SUBJECT FILE unchanged   graph.microsoft.com and login.microsoftonline.com lead there
"""

import base64
import hashlib
import json
import os
import sys

import msal
from O365 import Account, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

env = os.environ


class Graphpost(MSGraphProtocol):
    _protocol_url = env["GRAPH_URL"] + "/"


def account_of(unchanged):
    credentials = (env["CLIENT_ID"], env["CLIENT_SECRET"])
    account = Account(
        credentials,
        auth_flow_type="credentials",
        tenant_id=env["TENANT_ID"],
        token_backend=MemoryTokenBackend(),
        protocol=None if unchanged else Graphpost(),
    )
    if not unchanged:  # there is no setting for the authority
        account.con._msal_client = msal.ConfidentialClientApplication(
            credentials[0],
            client_credential=credentials[1],
            authority=env["AUTHORITY"],
            instance_discovery=False,
            token_cache=account.con.token_backend,
        )
    assert account.authenticate()
    return account


def main(subject, file, unchanged=""):
    mailbox = account_of(unchanged).mailbox(resource=env["MAILBOX"])
    message = mailbox.new_message()
    message.subject = subject
    message.body = "<p>Schöne Grüße aus <b>O365</b></p>"
    message.to.add(("Zoë Müller", "zoe@remote.example"))
    message.bcc.add("archive@remote.example")
    message.attachments.add(file)
    assert message.send()
    folder = mailbox.sent_folder()
    query = folder.new_query().equals("subject", subject)
    (found,) = folder.get_messages(query=query, download_attachments=True, limit=5)
    (attachment,) = found.attachments
    print(
        json.dumps(
            {
                "subject": found.subject,
                "bcc": [each.address for each in found.bcc],
                "file": attachment.name,
                "sha256": hashlib.sha256(base64.b64decode(attachment.content)).hexdigest(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
