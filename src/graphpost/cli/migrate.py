"""`graphpost migrate`: bring the database up to date without serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphpost.cli.options import with_config
from graphpost.errors import ConfigurationError

if TYPE_CHECKING:
    from graphpost.config import Config
    from graphpost.store.store import Store


@click.command()
@with_config
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--restored", is_flag=True, help="It is from a backup: let clients synchronise anew.")
@click.option(
    "--from", "origin", metavar="sqlite:FILE", help="Move what is in it into the PostgreSQL database."
)
def command(config: Config, dry_run: bool, restored: bool, origin: str | None) -> None:
    """Bring the database up to date.

    `graphpost serve` does so too.  With --from, everything of a SQLite database that no server has open is copied into the
    PostgreSQL database of the settings, which has no mailboxes yet; clients that synchronise begin anew.  With --restored, delta tokens that were given out before are refused: what they know
    may have happened after the backup was made.
    """
    import asyncio

    from graphpost.store.databases.opening import open_store
    from graphpost.store.databases.pending import pending_migrations

    if origin is not None:
        if dry_run or restored:
            raise click.UsageError("--from stands alone")
        _move(config, origin)
        return
    todo = pending_migrations(config.store, config.data)
    if (todo or restored) and not dry_run:
        asyncio.run(_open(open_store(config.store, config.data), restored))
    for migration in todo:
        click.echo(f"{'would apply' if dry_run else 'applied'} {migration.number:03d} {migration.name}")
    if not todo:
        click.echo("The database is up to date.")
    if restored and not dry_run:
        click.echo("Clients that synchronise will begin anew.")


async def _open(store: Store, restored: bool) -> None:
    """Opening applies them."""
    from graphpost.store.mailbox.removals import forget_all

    try:
        if restored:
            await store.write(forget_all)
    finally:
        await store.close()


def _move(config: Config, origin: str) -> None:
    import asyncio

    scheme, _, file = origin.partition(":")
    if scheme != "sqlite" or not file:
        raise ConfigurationError("--from", "must be sqlite:FILE")
    if not config.store.url.startswith(("postgresql:", "postgres:")):
        raise ConfigurationError("store.url", "must be postgresql://…: that is where the mailboxes move to")
    try:
        from graphpost.store.databases.moving import move
    except ImportError as error:
        raise ConfigurationError("store.url", "PostgreSQL needs the extra graphpost[postgres]") from error
    count = asyncio.run(move(config.data / file, config.store.url))
    click.echo(f"{count} rows moved from {config.data / file}. Clients that synchronise will begin anew.")
