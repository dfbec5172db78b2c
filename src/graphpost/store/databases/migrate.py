"""Migrations: the numbered SQL files in schema/, applied once each and in order.

One text serves both databases; `{bigint}` and its like stand for the words in which they differ.  A statement ends
with a semicolon at the end of a line.  An applied file must never change: its checksum is kept, and a difference, or a
migration this version does not know (a newer version was here), raises StoreError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from types import MappingProxyType
from typing import Final

from graphpost.errors import StoreError
from graphpost.store.databases.transaction import Session

WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "sqlite": {
            "bigint": "INTEGER",
            "smallint": "INTEGER",
            "text": "TEXT",
            "blob": "BLOB",
            "clustered": "STRICT, WITHOUT ROWID",
            "postgres": "-- ",  # before what only PostgreSQL is told
        },
        "postgres": {
            "bigint": "BIGINT",
            "smallint": "SMALLINT",
            "text": 'TEXT COLLATE "C"',
            "blob": "BYTEA",
            "clustered": "",
            "postgres": "",
        },
    }
)
_TABLE: Final = "CREATE TABLE IF NOT EXISTS migrations (number {bigint} PRIMARY KEY, name {text} NOT NULL, checksum {text} NOT NULL)"


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    def statements(self, dialect: str) -> list[str]:
        """The statements in the words of a database."""
        parts = worded(self.text, dialect).split(";\n")
        return [part.strip() for part in parts if _has_code(part)]


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this version has, in order."""
    found = []
    for file in resources.files("graphpost.store").joinpath("schema").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql") and number.isdigit():
            found.append(Migration(int(number), name, file.read_text("utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def pending(applied: Mapping[int, str], known: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied, given the checksums of what was; StoreError when the two don't fit."""
    numbers = {migration.number for migration in known}
    if unknown := sorted(set(applied) - numbers):
        raise StoreError(f"the database was changed by a newer version (migration {unknown[-1]})")
    for migration in known:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise StoreError(
                f"migration {migration.number} ({migration.name}) is not the one that was applied"
            )
    return [migration for migration in known if migration.number not in applied]


def apply(session: Session, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is pending, inside the session's transaction; what was applied."""
    dialect = session.dialect.name
    session.change(worded(_TABLE, dialect), ())
    applied = {row[0]: row[1] for row in session.query("SELECT number, checksum FROM migrations", ())}
    todo = pending(applied, migrations() if known is None else known)
    for migration in todo:
        for statement in migration.statements(dialect):
            session.change(statement, ())
        session.change(
            "INSERT INTO migrations VALUES (?, ?, ?)", (migration.number, migration.name, migration.checksum)
        )
    return todo


def worded(text: str, dialect: str) -> str:
    for word, meaning in WORDS[dialect].items():
        text = text.replace("{" + word + "}", meaning)
    return text


def _has_code(statement: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines())
