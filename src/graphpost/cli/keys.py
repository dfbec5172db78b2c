"""`graphpost keys`: the keys that sign tokens, changed without a gap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import print_json, print_table

if TYPE_CHECKING:
    from graphpost.config import Config

_KEY_ID: Final = re.compile(r"-[\w-]{26}", re.ASCII)


class _OfKey(click.Command):
    """Takes a key id that begins with a hyphen, as every 64th does, for what it is and not for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ids = [] if "--" in args else [each for each in args if _KEY_ID.fullmatch(each)]
        others = [each for each in args if each not in ids]
        return super().parse_args(ctx, [*others, "--", *ids] if ids else args)


@click.group(cls=Commands)
def command() -> None:
    """List, add and retire the keys that sign tokens."""


@command.command("list")
@with_config
@json_option
def list_(config: Config, as_json: bool) -> None:
    """List the keys: the newest that is a minute old signs, all of them verify."""
    found = _keys(config)
    if as_json:
        print_json(found)
        return
    rows = [(each["kid"], each["created"], "yes" if each["signs"] else "no") for each in found]
    print_table(("KEY ID", "CREATED", "SIGNS"), rows, "The first start of the server makes the first key.")


@command.command()
@with_config
@json_option
def add(config: Config, as_json: bool) -> None:
    """Make a key, which signs a minute later; running servers see it by themselves."""
    from graphpost.auth.key_files import add_key
    from graphpost.clock import SystemClock
    from graphpost.files import make_directory

    make_directory(config.data / "keys")
    add_key(config.data / "keys", SystemClock().now())
    _print(_keys(config)[-1], "signs in a minute and a half at the latest", as_json)


@command.command(cls=_OfKey)
@click.argument("kid", metavar="KEY-ID")
@with_config
@json_option
def retire(config: Config, kid: str, as_json: bool) -> None:
    """Remove an old key; running servers accept what it signed for another twenty seconds at most."""
    from graphpost.auth.key_files import retire_key
    from graphpost.clock import SECOND, SystemClock

    lifetime = config.issuer.access_token_seconds * SECOND
    path = retire_key(config.data / "keys", kid, SystemClock().now(), lifetime)
    _print({"kid": kid, "file": str(path)}, "retired", as_json)


def _keys(config: Config) -> list[dict[str, Any]]:
    from graphpost.auth.key_files import list_keys, signing_index
    from graphpost.clock import SystemClock, to_text

    found = list_keys(config.data / "keys")
    signs = signing_index([each.created_at for each in found], SystemClock().now())
    return [
        {
            "kid": each.kid,
            "created": to_text(each.created_at),
            "file": str(each.path),
            "signs": index == signs,
        }
        for index, each in enumerate(found)
    ]


def _print(found: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['kid']} {done}")
