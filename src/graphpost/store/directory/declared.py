"""The mailboxes and applications a settings file declares, made so at start.

What the file names is created or updated; what it does not name stays.  Only the credentials it once declared and
names no longer are removed, because taking a secret out of the file means that it shall not work any more.  A mailbox
that was deleted and is named is restored, rather than a second, empty one made.  Unchanged
accounts are not written.  Servers that start at the same time on one database take turns; what takes long, hashing, is
done before (`store.directory.hashing`).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from graphpost.clock import Instant, from_datetime
from graphpost.config import ApplicationSettings, Config, MailboxSettings
from graphpost.errors import ConfigurationError
from graphpost.ids import Numbers, new_guid
from graphpost.mail.mailbox import Application, Directory, Mailbox
from graphpost.mail.rights import NO_RIGHTS, Given
from graphpost.store.directory import accounts, deleted, groups, rights
from graphpost.store.directory.accounts import Credential
from graphpost.store.directory.hashing import Declared, Hashes, Outdated, put_seal, seal_of
from graphpost.store.directory.passwords import MAX_PASSWORD
from graphpost.store.store import Store, Tx


async def apply_settings(store: Store, config: Config, numbers: Numbers, now: Instant) -> list[str]:
    """Make the declared accounts so; passwords and secrets are in the settings in clear by now.

    The addresses of mailboxes that were deleted and are there again.  Raises ConfigurationError with the path of the key.
    """
    hashes = Hashes()
    while True:
        declared, seal = await store.read(lambda tx: (_declared_secrets(tx, config), seal_of(tx)))
        await hashes.find_out(declared, seal)
        try:
            restored, declared = await store.write(lambda tx: _apply(tx, config, hashes, numbers, now))
        except Outdated:  # another server was faster
            continue
        if new_seal := await hashes.seal(declared):
            await store.write(lambda tx: put_seal(tx, new_seal))
        return restored


def _declared_secrets(tx: Tx, config: Config) -> list[Declared]:
    directory, found = accounts.load_directory(tx), []
    for mailbox in config.mailboxes:
        if mailbox.password:
            box = directory.find(mailbox.address)
            if box is None and (gone := deleted.find_deleted(tx, mailbox.address)) is not None:
                box = gone.mailbox
            kept = accounts.password_of(tx, box.mailbox_id) if box else ""
            found.append(Declared(mailbox.address, (mailbox.password,), _hashes(kept)))
    for application in config.applications:
        if application.secrets:
            secrets = _kept_secrets(accounts.credentials(tx, application.client_id))
            found.append(Declared(application.client_id, tuple(application.secrets), frozenset(secrets)))
    return found


def _hashes(kept: str) -> frozenset[str]:
    return frozenset([kept] if kept else [])


def _kept_secrets(credentials: Iterable[Credential]) -> dict[str, Credential]:
    """By their hashes."""
    return {each.value: each for each in credentials if each.kind == "secret"}


def _apply(
    tx: Tx, config: Config, hashes: Hashes, numbers: Numbers, now: Instant
) -> tuple[list[str], list[Declared]]:
    """The addresses that are there again, and what is kept now.

    Raises ConfigurationError, and Outdated when the hashes are to be looked at again.
    """
    accounts.hold_directory(tx)
    directory = accounts.load_directory(tx)
    restored = []
    for index, mailbox in enumerate(config.mailboxes):
        with_key = f"mailboxes[{index}]"
        try:
            if _apply_mailbox(tx, directory, mailbox, hashes, numbers, now):
                restored.append(mailbox.address)
        except ConfigurationError as error:
            raise ConfigurationError(f"{with_key}.{error.key}", error.problem) from error
    try:
        if groups.declare(tx, {group.name: (group.address, group.members) for group in config.groups}):
            accounts.changed(tx)
    except ConfigurationError as error:
        raise ConfigurationError(f"groups.{error.key}", error.problem) from error
    if rights.declare(tx, _declared_rights(tx, config)):
        accounts.changed(tx)
    for index, application in enumerate(config.applications):
        with_key = f"applications[{index}]"
        try:
            _apply_application(tx, directory, application, hashes, config.data)
        except ConfigurationError as error:
            raise ConfigurationError(f"{with_key}.{error.key}", error.problem) from error
    return restored, _declared_secrets(tx, config)


def read_certificate(path: Path, client_id: str) -> Credential:
    """The credential of a PEM certificate file; ConfigurationError when it is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError("certificates", f"{path}: not a readable PEM certificate") from error
    return certificate_of(data, client_id, "certificates", f"{path}: ")


def certificate_of(data: bytes, client_id: str, key: str, where: str = "") -> Credential:
    """The credential of a certificate in PEM; ConfigurationError when it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise ConfigurationError(key, f"{where}not a readable PEM certificate") from error
    if not isinstance(certificate.public_key(), RSAPublicKey):
        raise ConfigurationError(key, f"{where}only RSA keys sign client assertions")
    der = certificate.public_bytes(Encoding.DER)
    return Credential(
        client_id=client_id,
        credential_id=hashlib.sha256(der).hexdigest(),
        kind="certificate",
        value=b64encode(der).decode(),
        expires_at=from_datetime(certificate.not_valid_after_utc),
    )


def _apply_mailbox(
    tx: Tx,
    directory: Directory,
    declared: MailboxSettings,
    hashes: Hashes,
    numbers: Numbers,
    now: Instant,
) -> bool:
    """Whether it had been deleted."""
    _check_secret("password", declared.password)
    existing = directory.find(declared.address)
    is_restored = False
    if existing is None and (gone := deleted.find_deleted(tx, declared.address)) is not None:
        existing = msgspec.structs.replace(gone.mailbox, address=declared.address, aliases=())
        deleted.restore(tx, existing)
        is_restored = True
    if existing is None:
        mailbox = Mailbox(
            mailbox_id=numbers.next(),
            object_id=new_guid(),
            address=declared.address,
            name=declared.name or declared.address.partition("@")[0],
            aliases=tuple(declared.aliases),
            created_at=now,
            kind=declared.kind,
            quota=declared.quota_bytes,
        )
        password = hashes.new(declared.address, declared.password, ()) if declared.password else ""
        accounts.add_mailbox(tx, mailbox, password)
        return False
    changed = msgspec.structs.replace(
        existing,
        address=declared.address,
        name=declared.name or existing.name,
        aliases=tuple(declared.aliases),
        kind=declared.kind,
        quota=declared.quota_bytes,
    )
    if changed != existing:
        accounts.change_mailbox(tx, changed)
    if declared.password:
        kept = _hashes(accounts.password_of(tx, existing.mailbox_id))
        secret = declared.address, declared.password, kept
        if not hashes.are_as_sealed(declared.address, kept) and not hashes.same(*secret):
            accounts.set_password(tx, existing, hashes.new(*secret))
    return is_restored


def _declared_rights(tx: Tx, config: Config) -> list[Given]:
    """What `[[rights]]` says; who is named there and has no mailbox yet has the rights once there is one."""
    if not config.rights:
        return []
    directory, found = accounts.load_directory(tx), dict[tuple[int, str], Given]()
    for index, row in enumerate(config.rights):
        box = directory.find_address(row.mailbox)
        if box is None:
            raise ConfigurationError(f"rights[{index}].mailbox", f"there is no mailbox {row.mailbox}")
        for holder in row.to:
            key = box.mailbox_id, holder.casefold()
            before = found[key].rights if key in found else NO_RIGHTS
            given = frozenset(row.rights) | before
            found[key] = Given(mailbox_id=box.mailbox_id, holder=holder, rights=given, origin="settings")
    return list(found.values())


def _apply_application(
    tx: Tx, directory: Directory, declared: ApplicationSettings, hashes: Hashes, data: Path
) -> None:
    client_id = declared.client_id.lower()
    existing = directory.applications.get(client_id)
    application = Application(
        client_id=client_id,
        object_id=existing.object_id if existing else new_guid(),
        name=declared.name or (existing.name if existing else client_id),
        public=declared.public,
        redirect_uris=tuple(declared.redirect_uris),
        spa_redirect_uris=tuple(declared.spa_redirect_uris),
        application_permissions=tuple(declared.application_permissions),
        delegated_permissions=tuple(declared.delegated_permissions),
        mailbox_scope=tuple(declared.mailbox_scope),
        permission_scopes={name: tuple(scope) for name, scope in declared.permission_scopes.items()},
        enabled=existing.enabled if existing else True,
    )
    if application != existing:
        accounts.put_application(tx, application)
    _apply_credentials(tx, client_id, declared, hashes, data)


def _apply_credentials(
    tx: Tx, client_id: str, declared: ApplicationSettings, hashes: Hashes, data: Path
) -> None:
    kept = {c.credential_id: c for c in accounts.credentials(tx, client_id)}
    secrets = _kept_secrets(kept.values())
    wanted: set[str] = set()
    if hashes.are_as_sealed(declared.client_id, secrets):
        wanted.update(each.credential_id for each in secrets.values())
    else:
        for secret in declared.secrets:
            _check_secret("secrets", secret)
            same = hashes.same(declared.client_id, secret, secrets)
            new = "" if same else hashes.new(declared.client_id, secret, secrets)
            credential = secrets[same] if same else _secret(client_id, new)
            wanted.add(credential.credential_id)
            accounts.add_credential(tx, credential)
    for name in declared.certificates:
        credential = msgspec.structs.replace(read_certificate(data / name, client_id), origin="settings")
        wanted.add(credential.credential_id)
        accounts.add_credential(tx, credential)
    for credential in kept.values():
        if credential.origin == "settings" and credential.credential_id not in wanted:
            accounts.remove_credential(tx, client_id, credential.credential_id)


def _check_secret(key: str, secret: str) -> None:
    if len(secret) > MAX_PASSWORD:
        raise ConfigurationError(key, f"has more than {MAX_PASSWORD} characters")


def _secret(client_id: str, hashed: str) -> Credential:
    return Credential(
        client_id=client_id,
        credential_id=new_guid(),
        kind="secret",
        value=hashed,
        origin="settings",
    )
