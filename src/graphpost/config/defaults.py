"""The embedded default: a tenant, two people and an application, made once.

What has to be secret or unique (ids, the application's secret, the people's password) is generated at the first start
and kept in `defaults.json` (0600) in the data directory, so that `graphpost env` can tell it.
"""

from __future__ import annotations

import secrets
import uuid
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from graphpost.config.settings import ApplicationSettings, MailboxSettings
from graphpost.errors import ConfigurationError
from graphpost.files import create_file, make_directory

FILE: Final = "defaults.json"
DOMAIN: Final = "example.test"
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_PERMISSIONS: Final = ("Mail.Send", "Mail.ReadWrite", "MailboxSettings.ReadWrite", "User.Read.All")
_PEOPLE: Final = (("adele", "Adele Vance"), ("alex", "Alex Wilber"))


class Defaults(Struct, frozen=True, kw_only=True):
    """What was generated.  Both people have the one password."""

    tenant_id: str
    client_id: str
    client_secret: str
    user_password: str

    def mailboxes(self) -> list[MailboxSettings]:
        return [
            MailboxSettings(address=f"{person}@{DOMAIN}", name=name, password=self.user_password)
            for person, name in _PEOPLE
        ]

    def application(self) -> ApplicationSettings:
        return ApplicationSettings(
            client_id=self.client_id,
            name="Embedded application",
            secrets=[self.client_secret],
            public=True,
            redirect_uris=["http://localhost"],
            application_permissions=[*_PERMISSIONS],
            delegated_permissions=[*_PERMISSIONS, "User.Read"],
        )


def embedded_defaults(data: Path) -> Defaults:
    """Read what was generated for this data directory, or generate it; safe when two processes start at once."""
    path = data / FILE
    try:
        if not path.exists():
            _create(path)
        return msgspec.json.decode(path.read_bytes(), type=Defaults)
    except OSError as error:
        raise ConfigurationError(
            "data", f"cannot keep the embedded default in {path}: {error.strerror}"
        ) from error
    except msgspec.MsgspecError as error:
        raise ConfigurationError("data", f"{path} is damaged: {error}") from error


def _create(path: Path) -> None:
    make_directory(path.parent)
    made = Defaults(
        tenant_id=str(uuid.uuid4()),
        client_id=str(uuid.uuid4()),
        client_secret=secrets.token_urlsafe(30),
        user_password=secrets.token_urlsafe(12),
    )
    create_file(path, msgspec.json.format(msgspec.json.encode(made)) + b"\n")
