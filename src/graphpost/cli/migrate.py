"""`graphpost migrate`: bring the database up to date without serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphpost.cli.options import with_config

if TYPE_CHECKING:
    from graphpost.config import Config
    from graphpost.store.store import Store


@click.command()
@with_config
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(config: Config, dry_run: bool) -> None:
    """Bring the database up to date.

    `graphpost serve` does so too.
    """
    import asyncio

    from graphpost.store.opening import open_store
    from graphpost.store.pending import pending_migrations

    todo = pending_migrations(config.store, config.data)
    if todo and not dry_run:
        asyncio.run(_open_and_close(open_store(config.store, config.data)))
    for migration in todo:
        click.echo(f"{'would apply' if dry_run else 'applied'} {migration.number:03d} {migration.name}")
    if not todo:
        click.echo("The database is up to date.")


async def _open_and_close(store: Store) -> None:
    """Opening applies them."""
    await store.close()
