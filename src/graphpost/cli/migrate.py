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
@click.option("--restored", is_flag=True, help="It is from a backup: let clients synchronise anew.")
def command(config: Config, dry_run: bool, restored: bool) -> None:
    """Bring the database up to date.

    `graphpost serve` does so too.  With --restored, delta tokens that were given out before are refused: what they know
    may have happened after the backup was made.
    """
    import asyncio

    from graphpost.store.databases.opening import open_store
    from graphpost.store.databases.pending import pending_migrations

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
