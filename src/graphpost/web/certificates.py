"""The server's certificate, from a local authority unless the operator has one.

The authority is made at the first start and kept in `ca/` in the data directory: clients trust `ca/ca.pem`, its key
(0600) never leaves the machine.  The server's certificate is renewed when it ends soon, when the names changed, or when
it is not the authority's.  The profile is RFC 5280; a leaf lives at most 397 days, as browsers want.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from graphpost.clock import Instant, to_datetime
from graphpost.config import Config
from graphpost.config.checking import WILDCARDS
from graphpost.errors import ConfigurationError
from graphpost.files import make_directory, replace_file

_BACKDATED: Final = timedelta(days=1)  # clients' clocks may be behind ours
_CA_LIFE: Final = timedelta(days=3650)
_LEAF_LIFE: Final = timedelta(days=396)  # and the day before: 397
_RENEWED_BEFORE: Final = timedelta(days=30)
_ALWAYS: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """What the listener is given.  `ca` is what clients are told to trust; None with the operator's certificate."""

    certificate: Path
    key: Path
    ca: Path | None


def ca_file(config: Config) -> Path | None:
    """Where the authority's certificate is (or will be); None when the operator has a certificate, or there's no TLS."""
    return None if config.server.certificate or not config.server.tls else authority_file(config.data)


def authority_file(data: Path) -> Path:
    """The local authority's certificate in a data directory."""
    return data / "ca" / "ca.pem"


def server_certificate(config: Config, now: Instant) -> CertificateFiles:
    """The operator's certificate, or a valid one of the local authority, made or renewed if need be."""
    server = config.server
    if server.certificate:
        return CertificateFiles(Path(server.certificate), Path(server.key), None)
    authority = config.data / "ca"
    try:
        return _issued(authority, subject_names(server.host, server.names), to_datetime(now))
    except (OSError, ValueError) as error:
        fault = f"a file in {authority} is damaged"
        if isinstance(error, OSError):
            fault = f"{error.filename or authority}: {error.strerror}"
        advice = (
            "put it back, or move the directory away for a new authority, which clients have to trust then"
        )
        problem = f"the local certificate authority cannot be used: {fault}; {advice}"
        raise ConfigurationError("data", problem) from error


def subject_names(host: str, names: Iterable[str]) -> list[str]:
    """Every name a client may reach the server by: the configured ones, the host, and the machine's own."""
    wanted = [*names, *_ALWAYS]
    if host not in WILDCARDS:
        wanted.insert(0, host.strip("[]"))
    return list(dict.fromkeys(name.lower() for name in wanted))


def days_left(certificate: Path, now: Instant) -> int:
    """Whole days until the first certificate in a PEM file ends; negative when it did."""
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (ends - to_datetime(now)).days


def _issued(directory: Path, names: Sequence[str], now: datetime) -> CertificateFiles:
    make_directory(directory)
    files = CertificateFiles(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    authority, authority_key = _authority(directory, now)
    if not _serves(files, authority, names, now):
        _issue(files, authority, authority_key, names, now)
    return files


def _authority(directory: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    if certificate_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        return certificate, _load_key(key_file)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Graphpost local CA {secrets.token_hex(4)}")
    certificate = (
        _builder(name, name, key.public_key(), now, now + _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    replace_file(key_file, _key_bytes(key))
    replace_file(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key


def _serves(
    files: CertificateFiles, authority: x509.Certificate, names: Sequence[str], now: datetime
) -> bool:
    """Whether the certificate on disk is the authority's, for these names, and lasts."""
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        certificate.verify_directly_issued_by(authority)
        same_key = _load_key(files.key).public_key() == certificate.public_key()
        subjects = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    begun = certificate.not_valid_before_utc <= now
    return (
        begun
        and same_key
        and set(subjects) == set(_general_names(names))
        and (now < certificate.not_valid_after_utc - _RENEWED_BEFORE)
    )


def _issue(
    files: CertificateFiles,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ends = min(now + _LEAF_LIFE, authority.not_valid_after_utc)
    certificate = (
        _builder(_name("Graphpost server"), authority.subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    replace_file(files.key, _key_bytes(key))
    replace_file(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Graphpost"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name if name.isascii() else name.encode("idna").decode())


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic curve key")
    return key


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
