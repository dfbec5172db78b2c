"""Mailboxes, applications and their credentials: the rows behind the Directory.

Every change counts the directory's revision up, so that a process sees from one small read that its snapshot is old.
Changes refuse what would make the directory ambiguous (an address twice) or unsafe (a redirect to script) with
ConfigurationError, whose key says what was wrong.
"""

from __future__ import annotations

import re
import uuid
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import RECOVERABLE, Application, Directory, Mailbox
from graphpost.store.directory import grants, groups, rights
from graphpost.store.mailbox import folders
from graphpost.store.store import Row, Tx

GRAPH_APPLICATION: Final = "00000003-0000-0000-c000-000000000000"
_UNSAFE_SCHEMES: Final = frozenset(
    {"", "javascript", "data", "vbscript", "file", "blob", "about", "view-source"}
)
_MAILBOXES: Final = "SELECT mailbox_id, object_id, name, enabled, created_at, kind, quota FROM mailboxes"
_CLIENT_ID: Final = re.compile(r"[a-z0-9_.:/@-]{1,128}")


class Credential(Struct, frozen=True, kw_only=True):
    """What an application proves itself with.

    `value` is a hash of `store.directory.passwords` for a secret and the base64 DER for a certificate; `origin` tells what the
    settings file declares (and removes again) from what a command added.  `expires_at` 0 means never.
    """

    client_id: str
    credential_id: str
    kind: Literal["secret", "certificate"]
    value: str
    origin: Literal["settings", "command"] = "command"
    expires_at: Instant = 0


def load_directory(tx: Tx) -> Directory:
    """The present snapshot of everybody, disabled ones included."""
    return Directory.of(
        list_mailboxes(tx), list_applications(tx), groups.list_groups(tx), rights.list_given(tx)
    )


def revision(tx: Tx) -> int:
    """Grows with every change of the directory."""
    row = tx.one("SELECT revision FROM directory_revision WHERE one = 1")
    return int(row[0]) if row else 0


def hold_directory(tx: Tx) -> None:
    """Keep the directory from being changed by others until the transaction ends."""
    tx.one(f"SELECT revision FROM directory_revision WHERE one = 1{tx.dialect.for_update}")  # noqa: S608


def list_mailboxes(tx: Tx) -> list[Mailbox]:
    """Every mailbox, oldest first."""
    addresses: dict[int, list[str]] = {}
    for mailbox_id, spelling in tx.all(
        "SELECT mailbox_id, spelling FROM addresses ORDER BY mailbox_id, position"
    ):
        addresses.setdefault(mailbox_id, []).append(spelling)
    rows = tx.all(f"{_MAILBOXES} WHERE deleted_at = 0 ORDER BY created_at, mailbox_id")
    return [mailbox_of(row, addresses.get(row[0], [])) for row in rows]


def is_known(tx: Tx, address: str, object_id: str) -> bool:
    """Whether a mailbox has that address, or had or has that object id."""
    return bool(
        tx.one("SELECT 1 FROM addresses WHERE address = ?", (address.casefold(),))
        or tx.one("SELECT 1 FROM mailboxes WHERE object_id = ?", (object_id,))
    )


def list_numbers(tx: Tx) -> list[int]:
    """The numbers of all mailboxes, of those that were deleted and are not erased yet too."""
    return [row[0] for row in tx.all("SELECT mailbox_id FROM mailboxes ORDER BY mailbox_id")]


def list_sizes(tx: Tx) -> dict[int, int]:
    """How many bytes the mailboxes have, as `folders.size_of` counts."""
    rows = tx.all(
        "SELECT mailbox_id, SUM(size) FROM folders WHERE folder_id <> ? GROUP BY mailbox_id", (RECOVERABLE,)
    )
    return {mailbox_id: int(size) for mailbox_id, size in rows}


def add_mailbox(tx: Tx, mailbox: Mailbox, password: str = "") -> None:
    """Add a mailbox with its default folders; `password` is a hash of `store.directory.passwords`, '' for no sign-in."""
    tx.execute(
        "INSERT INTO mailboxes (mailbox_id, object_id, name, password, enabled, created_at, kind, quota)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            mailbox.mailbox_id,
            mailbox.object_id,
            mailbox.name,
            password,
            int(mailbox.enabled),
            mailbox.created_at,
            mailbox.kind,
            mailbox.quota,
        ),
    )
    _set_addresses(tx, mailbox)
    folders.create_defaults(tx, mailbox.mailbox_id)
    changed(tx)


def change_mailbox(tx: Tx, mailbox: Mailbox) -> None:
    """Write what is told of a mailbox; when nobody may sign in to it any more, sign-ins end."""
    tx.execute(
        "UPDATE mailboxes SET name = ?, enabled = ?, kind = ?, quota = ? WHERE mailbox_id = ?",
        (mailbox.name, int(mailbox.enabled), mailbox.kind, mailbox.quota, mailbox.mailbox_id),
    )
    _set_addresses(tx, mailbox)
    if not mailbox.can_sign_in:
        grants.revoke_holder(tx, mailbox.object_id)
    changed(tx)


def password_of(tx: Tx, mailbox_id: int) -> str:
    """The hash of a mailbox's password; '' when it has none or is not there."""
    row = tx.one("SELECT password FROM mailboxes WHERE mailbox_id = ?", (mailbox_id,))
    return str(row[0]) if row else ""


def find_owner(tx: Tx, address: str) -> Mailbox | None:
    """Whose an address is, first or alias."""
    row = tx.one("SELECT mailbox_id FROM addresses WHERE address = ?", (address.casefold(),))
    if row is None:
        return None
    rows = tx.all("SELECT spelling FROM addresses WHERE mailbox_id = ? ORDER BY position", row)
    found = tx.one(f"{_MAILBOXES} WHERE mailbox_id = ?", row)
    return None if found is None else mailbox_of(found, [each[0] for each in rows])


def list_passwords(tx: Tx) -> dict[int, str]:
    """The hashes of all mailboxes that have a password."""
    return dict(tx.all("SELECT mailbox_id, password FROM mailboxes WHERE password <> ''"))


def set_password(tx: Tx, mailbox: Mailbox, password: str) -> None:
    """Keep the hash of a new password; whatever was signed in with the old one ends."""
    tx.execute("UPDATE mailboxes SET password = ? WHERE mailbox_id = ?", (password, mailbox.mailbox_id))
    grants.revoke_holder(tx, mailbox.object_id)
    changed(tx)


def list_applications(tx: Tx) -> list[Application]:
    """Every application, in the order of their client ids."""
    rows = tx.all("SELECT enabled, document FROM applications ORDER BY client_id")
    return [
        msgspec.structs.replace(msgspec.json.decode(document, type=Application), enabled=bool(enabled))
        for enabled, document in rows
    ]


def put_application(tx: Tx, application: Application) -> None:
    """Add an application, or change the one with that client id."""
    check_application(application)
    document = msgspec.json.encode(application).decode()
    values = (application.client_id.lower(), application.object_id, int(application.enabled), document)
    tx.execute(
        "INSERT INTO applications (client_id, object_id, enabled, document) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (client_id) DO UPDATE SET enabled = excluded.enabled, document = excluded.document",
        values,
    )
    changed(tx)


def check_application(application: Application) -> None:
    """Raise ConfigurationError for a client id that is unusual or Graph's own, or a redirect URI that cannot be one.

    A client id is a GUID in its usual form, or another provider's lower-case name for the client.
    """
    if (
        not _CLIENT_ID.fullmatch(application.client_id)
        or _usual(application.client_id) != application.client_id
    ):
        raise ConfigurationError("client_id", f"{application.client_id!r} cannot be a client id")
    if application.client_id == GRAPH_APPLICATION:
        raise ConfigurationError("client_id", f"{application.client_id!r} cannot be a client id")
    for uri in application.redirect_uris:
        if not is_safe_redirect(uri):
            raise ConfigurationError("redirect_uris", f"{uri!r} cannot be a redirect URI")
    others = {redirect_key(uri) for uri in application.redirect_uris}
    for uri in application.spa_redirect_uris:
        if not is_safe_redirect(uri) or "*" in uri or urlsplit(uri).scheme not in ("http", "https"):
            raise ConfigurationError("spa_redirect_uris", f"{uri!r} cannot be a page's redirect URI")
        if redirect_key(uri) in others:
            raise ConfigurationError("spa_redirect_uris", f"{uri!r} is among redirect_uris too")


def _usual(client_id: str) -> str:
    try:
        return str(uuid.UUID(client_id))
    except ValueError:
        return client_id


def is_safe_redirect(uri: str) -> bool:
    """Whether a browser may be sent there: absolute, printable ASCII, no fragment, https, loopback or an app's scheme."""
    if not uri.isascii() or not uri.isprintable() or any(c in uri for c in ' "<>\\^`{|}#'):
        return False
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    if parts.scheme == "http":
        return parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme not in _UNSAFE_SCHEMES and (parts.scheme != "https" or bool(parts.hostname))


def redirect_key(uri: str) -> str:
    """The same for safe redirect URIs that mean the same: a loopback one with any port (RFC 8252, 7.3), and no path is `/`."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        return uri
    netloc = parts.hostname if parts.scheme == "http" else parts.netloc
    return parts._replace(netloc=netloc or "", path=parts.path or "/").geturl()


def credentials(tx: Tx, client_id: str) -> list[Credential]:
    """What an application may prove itself with, expired ones included."""
    rows = tx.all(
        "SELECT client_id, credential_id, kind, value, origin, expires_at FROM credentials WHERE client_id = ?",
        (client_id.lower(),),
    )
    return [
        Credential(
            client_id=row[0],
            credential_id=row[1],
            kind=row[2],
            value=row[3],
            origin=row[4],
            expires_at=row[5],
        )
        for row in rows
    ]


def add_credential(tx: Tx, credential: Credential) -> None:
    """Add a credential; one with the same id is left as it is."""
    tx.execute(
        "INSERT INTO credentials (client_id, credential_id, kind, value, origin, expires_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (client_id, credential_id) DO NOTHING",
        (
            credential.client_id.lower(),
            credential.credential_id,
            credential.kind,
            credential.value,
            credential.origin,
            credential.expires_at,
        ),
    )


def remove_credential(tx: Tx, client_id: str, credential_id: str) -> bool:
    """Remove a credential; False when there is none with that id."""
    removed = tx.execute(
        "DELETE FROM credentials WHERE client_id = ? AND credential_id = ?",
        (client_id.lower(), credential_id),
    )
    return removed == 1


def _set_addresses(tx: Tx, mailbox: Mailbox) -> None:
    tx.execute("DELETE FROM addresses WHERE mailbox_id = ?", (mailbox.mailbox_id,))
    wanted = list(dict.fromkeys((mailbox.address, *mailbox.aliases)))
    seen: set[str] = set()
    for position, spelling in enumerate(wanted):
        if spelling.casefold() in seen:
            continue
        seen.add(spelling.casefold())
        if tx.one("SELECT mailbox_id FROM addresses WHERE address = ?", (spelling.casefold(),)):
            raise ConfigurationError("address", f"{spelling} belongs to another mailbox")
        if groups.is_address(tx, spelling):
            raise ConfigurationError("address", f"{spelling} belongs to a group")
        tx.execute(
            "INSERT INTO addresses (address, mailbox_id, position, spelling) VALUES (?, ?, ?, ?)",
            (spelling.casefold(), mailbox.mailbox_id, position, spelling),
        )


def mailbox_of(row: Row, addresses: list[str]) -> Mailbox:
    """The mailbox of a row with the columns `_MAILBOXES`, and its addresses."""
    mailbox_id, object_id, name, enabled, created_at, kind, quota = row
    return Mailbox(
        mailbox_id=mailbox_id,
        object_id=object_id,
        address=addresses[0] if addresses else "",
        name=name,
        aliases=tuple(addresses[1:]),
        enabled=bool(enabled),
        created_at=created_at,
        kind=kind,
        quota=quota,
    )


def changed(tx: Tx) -> None:
    """Let every process read the directory again."""
    tx.execute("UPDATE directory_revision SET revision = revision + 1 WHERE one = 1")
