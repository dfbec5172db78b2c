"""MSAL with a certificate and requests: JSON, then MIME, as the application.

python msal_certificate.py SUBJECT MIME-FILE
"""

import base64
import json
import os
import sys
from pathlib import Path

import msal
import requests

env = os.environ
subject, mime = sys.argv[1], Path(sys.argv[2])
pem = Path(env["CERTIFICATE"]).read_text()
app = msal.ConfidentialClientApplication(
    env["CLIENT_ID"],
    client_credential={"private_key": pem, "public_certificate": pem},
    authority=env["AUTHORITY"],
    instance_discovery=False,
)
token = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
url = f"{env['GRAPH_URL']}/v1.0/users/{env['MAILBOX']}/sendMail"
session = requests.Session()
session.headers["Authorization"] = "Bearer " + token["access_token"]
answers = [
    session.post(
        url,
        json={
            "message": {
                "subject": subject,
                "body": {"contentType": "Text", "content": "Schöne Grüße"},
                "toRecipients": [{"emailAddress": {"address": "zoe@remote.example", "name": "Zoë"}}],
                "attachments": [
                    {
                        "@odata.type": "#microsoft.graph.fileAttachment",
                        "name": "größe.txt",
                        "contentBytes": base64.b64encode("fünf\n".encode()).decode(),
                    }
                ],
            },
            "saveToSentItems": "false",
        },
    ),
    session.post(url, data=base64.encodebytes(mime.read_bytes()), headers={"Content-Type": "text/plain"}),
]
print(json.dumps([[each.status_code, each.text, each.headers.get("Content-Type")] for each in answers]))
