"""`graphpost dkim`: the keys that sign outgoing mail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import print_json
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config
    from graphpost.transport.dkim_keys import Algorithm


@click.group(cls=Commands)
def command() -> None:
    """Make the keys that sign outgoing mail, and print their DNS records."""


@command.command()
@click.argument("domain")
@with_config
@click.option("--selector", metavar="NAME", help="The key's name in DNS [rsa- or ed-, and the date].")
@click.option("--algorithm", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@json_option
def create(config: Config, domain: str, selector: str | None, algorithm: Algorithm, as_json: bool) -> None:
    """Make a key for a domain; the settings say when it begins to sign."""
    from graphpost.clock import SystemClock, to_datetime
    from graphpost.config import check_domain, check_selector, dkim_key_file
    from graphpost.files import create_file, make_directory
    from graphpost.transport.dkim_keys import make_key

    check_domain(domain, "DOMAIN")
    if selector is None:
        selector = f"{'rsa' if algorithm == 'rsa' else 'ed'}-{to_datetime(SystemClock().now()):%Y%m%d}"
    check_selector(selector, "--selector")
    path = dkim_key_file(config.data, domain, selector)
    if path.exists():
        raise GraphpostError(f"{path} is there already; choose another selector")
    make_directory(path.parent)
    create_file(path, make_key(algorithm))
    found = _described(domain, selector, path)
    if as_json:
        print_json(found)
        return
    click.echo(f"The key is in {path}. Publish this record:\n\n{found['zone']}\n")
    click.echo(f'Then sign with it:\n\n[[dkim]]\ndomain = "{domain}"\nselector = "{selector}"')


@command.command()
@with_config
@json_option
def show(config: Config, as_json: bool) -> None:
    """Print the DNS records of the keys in the settings."""
    found = [_described(entry.domain, entry.selector, Path(entry.key)) for entry in config.dkim]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No key is in the settings.")
    for entry in found if not as_json else ():
        click.echo(entry["zone"])


def _described(domain: str, selector: str, path: Path) -> dict[str, str]:
    from graphpost.mail.address import domain_of
    from graphpost.transport.dkim_keys import read_key, record_name, record_text, zone_line

    key = read_key(path, selector)
    published = domain_of(f"a@{domain}")
    return {
        "domain": domain,
        "selector": selector,
        "algorithm": key.algorithm,
        "key": str(path),
        "record": record_name(published, selector),
        "text": record_text(key),
        "zone": zone_line(published, key),
    }
