"""Whether DKIM keys have names of their own, and where their files are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from graphpost.config.names import check_domain
from graphpost.config.settings import DkimSettings
from graphpost.errors import ConfigurationError

_SELECTOR: Final = re.compile(r"(?=.{1,63}$)[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*", re.ASCII)


def checked_dkim(entries: Iterable[DkimSettings], data: Path) -> list[DkimSettings]:
    checked: dict[tuple[str, str], DkimSettings] = {}
    for i, entry in enumerate(entries):
        check_domain(entry.domain, f"dkim[{i}].domain")
        check_selector(entry.selector, f"dkim[{i}].selector")
        names = (entry.domain.lower(), entry.selector.lower())
        if names in checked:
            raise ConfigurationError(f"dkim[{i}].selector", "is already another key's of that domain")
        path = data / entry.key if entry.key else dkim_key_file(data, entry.domain, entry.selector)
        checked[names] = replace(entry, domain=names[0], selector=names[1], key=str(path))
    return list(checked.values())


def dkim_key_file(data: Path, domain: str, selector: str) -> Path:
    """Where a DKIM key is, unless the settings say otherwise."""
    return data / "dkim" / domain.lower() / f"{selector.lower()}.pem"


def check_selector(text: str, key: str) -> None:
    """Raise unless it can be the first labels of a DNS name."""
    if not _SELECTOR.fullmatch(text):
        raise ConfigurationError(key, f"{text!r} is not a selector: letters, digits and hyphens")
