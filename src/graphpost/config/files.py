"""Files that settings name, under the data directory."""

from __future__ import annotations

from pathlib import Path

from graphpost.errors import ConfigurationError


def existing(data: Path, name: str, key: str) -> str:
    """The file's path; ConfigurationError when there is none."""
    path = data / name
    if not path.is_file():
        raise ConfigurationError(key, f"there is no file {path}")
    return str(path)
