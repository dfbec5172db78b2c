"""Who signs outgoing mail (DKIM), from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from graphpost.clock import Clock
from graphpost.config import DkimSettings
from graphpost.errors import ConfigurationError
from graphpost.mail.address import domain_of
from graphpost.transport.courier import Courier
from graphpost.transport.dkim import Key, Signer
from graphpost.transport.dkim_keys import DkimKeyError, read_key
from graphpost.transport.signing import SigningCourier


def signing(settings: Sequence[DkimSettings], clock: Clock) -> Callable[[Courier], Courier]:
    """What makes a courier sign; nothing is put around it when there are no keys."""
    signers = signers_of(settings)
    return lambda courier: SigningCourier(courier, signers, clock) if signers else courier


def signers_of(settings: Sequence[DkimSettings]) -> dict[str, Signer]:
    """The signers by domain; ConfigurationError when a key cannot be used."""
    keys: dict[str, list[Key]] = {}
    for i, entry in enumerate(settings):
        try:
            key = read_key(Path(entry.key), entry.selector)
        except DkimKeyError as error:
            hint = f"`graphpost dkim create {entry.domain} --selector {entry.selector}` makes one"
            raise ConfigurationError(f"dkim[{i}].key", f"{error}; {hint}") from error
        keys.setdefault(domain_of(f"a@{entry.domain}"), []).append(key)
    return {domain: Signer(domain, its) for domain, its in keys.items()}
