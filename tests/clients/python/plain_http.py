"""Plain HTTP with httpx2 and no SDK at all: the token by Basic, a gzip body, a chunked one, pages of Sent Items.

python plain_http.py SUBJECT MIME-FILE
"""

import base64
import gzip
import json
import os
import sys
from pathlib import Path

import httpx2

env = os.environ


def message(subject, *addresses):
    return {
        "message": {
            "subject": subject,
            "body": {"contentType": "HTML", "content": "<p>Grüße</p>"},
            "toRecipients": [{"emailAddress": {"address": address}} for address in addresses],
        }
    }


def in_lines(data):
    """Base64 a line at a time, as a program does that never has the whole message in memory."""
    for start in range(0, len(data), 57):
        yield base64.b64encode(data[start : start + 57]) + b"\n"


def main(subject, mime):
    client = httpx2.Client(base_url=env["GRAPH_URL"], timeout=60)
    token = client.post(
        f"/{env['TENANT_ID']}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"},
        auth=(env["CLIENT_ID"], env["CLIENT_SECRET"]),
    ).json()
    client.headers["Authorization"] = "Bearer " + token["access_token"]
    user = f"/v1.0/users/{env['MAILBOX']}"
    zipped = gzip.compress(json.dumps(message(subject, "zoe@remote.example")).encode())
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    international = message(subject + " SMTPUTF8", "jürgen@remote.example", "info@bücher.example")
    answers = [
        client.post(user + "/sendMail", content=zipped, headers=packed),
        client.post(user.replace("v1.0", "beta") + "/microsoft.graph.sendMail", json=international),
        client.post(
            user + "/sendMail", content=in_lines(mime.read_bytes()), headers={"Content-Type": "text/plain"}
        ),
    ]
    pages, seen = 0, []
    url = user + "/mailFolders/sentitems/messages?$top=2&$select=subject&$orderby=sentDateTime desc"
    while url and pages < 3:
        page = client.get(url).json()
        seen += [each["subject"] for each in page["value"]]
        url, pages = page.get("@odata.nextLink"), pages + 1
    print(
        json.dumps({"token": sorted(token), "statuses": [each.status_code for each in answers], "sent": seen})
    )


main(sys.argv[1], Path(sys.argv[2]))
