"""MSAL with a signed-in user: send as them, renew the token, send again, read who they are.

python msal_user.py code SUBJECT       prints the address to open, reads the address the browser ended at
python msal_user.py device SUBJECT     prints a code and the address where to enter it
"""

import json
import os
import sys
from urllib.parse import parse_qsl, urlsplit

import msal
import requests

env = os.environ
SCOPES = ["Mail.Send", "User.Read"]


def by_code():
    app = msal.ConfidentialClientApplication(
        env["CLIENT_ID"],
        client_credential=env["CLIENT_SECRET"],
        authority=env["AUTHORITY"],
        instance_discovery=False,
    )
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri="http://localhost:5000")
    print("OPEN", flow["auth_uri"], flush=True)
    landed = dict(parse_qsl(urlsplit(input()).query))
    return app, app.acquire_token_by_auth_code_flow(flow, landed)


def by_device():
    app = msal.PublicClientApplication(env["CLIENT_ID"], authority=env["AUTHORITY"], instance_discovery=False)
    flow = app.initiate_device_flow(SCOPES)
    print("CODE", flow["user_code"], flow["verification_uri"], flush=True)
    return app, app.acquire_token_by_device_flow(flow)


def call(token, method, path, **options):
    headers = {"Authorization": "Bearer " + token["access_token"]}
    return requests.request(method, env["GRAPH_URL"] + "/v1.0" + path, headers=headers, **options)


def send(token, subject):
    body = {"contentType": "Text", "content": "von mir"}
    to = [{"emailAddress": {"address": "zoe@remote.example"}}]
    mail = {"message": {"subject": subject, "body": body, "toRecipients": to}}
    return call(token, "POST", "/me/sendMail", json=mail).status_code


def main(how, subject):
    app, token = by_code() if how == "code" else by_device()
    assert "access_token" in token, token
    (account,) = app.get_accounts()
    renewed = app.acquire_token_silent(SCOPES, account, force_refresh=True)
    me = call(renewed, "GET", "/me?$select=mail,displayName").json()
    forbidden = call(renewed, "GET", "/me/messages")
    print(
        json.dumps(
            {
                "statuses": [send(token, subject + " 1"), send(renewed, subject + " 2")],
                "me": [me["displayName"], me["mail"]],
                "account": account["username"],
                "forbidden": [forbidden.status_code, forbidden.json()["error"]["code"]],
                "renewed": renewed["access_token"] != token["access_token"],
            }
        )
    )


main(*sys.argv[1:])
