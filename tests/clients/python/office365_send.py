"""Office365-REST-Python-Client: send a message with a file, find it in Sent Items, read its file.

python office365_send.py SUBJECT FILE             told where Graphpost is
python office365_send.py SUBJECT FILE unchanged   graph.microsoft.com and login.microsoftonline.com lead there
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import msal
from office365 import azure_env
from office365.graph_client import GraphClient

env = os.environ


def token():
    """What the library is given, because it cannot switch off instance discovery."""
    app = msal.ConfidentialClientApplication(
        env["CLIENT_ID"],
        client_credential=env["CLIENT_SECRET"],
        authority=env["AUTHORITY"],
        instance_discovery=False,
    )
    return app.acquire_token_for_client(["https://graph.microsoft.com/.default"])


def client_of(unchanged):
    if unchanged:
        return GraphClient(tenant=env["TENANT_ID"]).with_client_secret(env["CLIENT_ID"], env["CLIENT_SECRET"])
    azure_env._ENDPOINTS[azure_env.AzureEnvironment.Global]["graph"] = env["GRAPH_URL"]
    return GraphClient(token_callback=token)


def main(subject, file, unchanged=""):
    user = client_of(unchanged).users[env["MAILBOX"]]
    user.send_mail(
        subject=subject,
        body="<p>Schöne Grüße aus <b>Office365</b></p>",
        to_recipients=["zoe@remote.example"],
        bcc_recipients=["archive@remote.example"],
        save_to_sent_items=True,
        body_type="HTML",
    ).add_file_attachment(Path(file).name, Path(file).read_bytes()).execute_query()
    sent = user.mail_folders["SentItems"].messages
    (found,) = sent.filter(f"subject eq '{subject}'").get().execute_query()
    (attachment,) = found.attachments.get().execute_query()
    content = attachment.get_content().execute_query().value
    print(
        json.dumps(
            {
                "subject": found.subject,
                "bcc": [each.emailAddress.address for each in found.bcc_recipients],
                "file": attachment.name,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
