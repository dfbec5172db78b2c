"""What a mailbox of the server holds, asked with plain requests: the witness of what the libraries did."""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import Any

import httpx2
from tests.clients.world import World


class Reader:
    """An application that reads one mailbox."""

    def __init__(self, world: World, mailbox: str) -> None:
        self.mailbox = mailbox
        variables = world.variables
        context = ssl.create_default_context(cafile=str(world.ca_file))
        self.web = httpx2.Client(verify=context, trust_env=False, timeout=60)
        form = {
            "grant_type": "client_credentials",
            "client_id": variables["CLIENT_ID"],
            "client_secret": variables["CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        }
        answer = self.web.post(f"{variables['AUTHORITY']}/oauth2/v2.0/token", data=form)
        self.web.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.root = f"{variables['GRAPH_URL']}/v1.0/users/{mailbox}"

    def get(self, path: str) -> Any:
        answer = self.web.get(f"{self.root}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def folders(self, parent: str = "msgfolderroot") -> dict[str, dict[str, Any]]:
        """The folders right under one, by name."""
        found = self.get(f"mailFolders/{parent}/childFolders?$top=1000")
        return {each["displayName"]: each for each in found["value"]}

    def messages(self, folder: str, subject: str = "") -> dict[str, dict[str, Any]]:
        """A folder's messages by subject, which must differ; those that begin so."""
        found = self.get(f"mailFolders/{folder}/messages?$top=1000&$expand=attachments")["value"]
        chosen = [each for each in found if each["subject"].startswith(subject)]
        by_subject = {each["subject"]: each for each in chosen}
        assert len(by_subject) == len(chosen)
        return by_subject

    def files(self, message: dict[str, Any]) -> dict[str, str]:
        """Names and digests of a message's attachments, as `$value` has them."""
        found = {}
        for each in message["attachments"]:
            path = f"{self.root}/messages/{message['id']}/attachments/{each['id']}/$value"
            found[each["name"]] = sha256(self.web.get(path).content).hexdigest()
        return found
