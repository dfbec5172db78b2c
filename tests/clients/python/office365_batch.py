"""Office365-REST-Python-Client: a few reads, collected and sent as one batch, one after the other.

python office365_batch.py
"""

import json
import os

import msal
from office365 import azure_env
from office365.graph_client import GraphClient

env = os.environ


def token():
    app = msal.ConfidentialClientApplication(
        env["CLIENT_ID"],
        client_credential=env["CLIENT_SECRET"],
        authority=env["AUTHORITY"],
        instance_discovery=False,
    )
    return app.acquire_token_for_client(["https://graph.microsoft.com/.default"])


azure_env._ENDPOINTS[azure_env.AzureEnvironment.Global]["graph"] = env["GRAPH_URL"]
client = GraphClient(token_callback=token)
user = client.users[env["MAILBOX"]].get()
folders = client.users[env["MAILBOX"]].mail_folders.get()
inbox = client.users[env["MAILBOX"]].mail_folders["inbox"].get()
client.execute_batch(sequential=True)
print(json.dumps([user.user_principal_name, len(folders) > 3, inbox.properties["displayName"]]))
