"""Redirect URIs: whether one is an application's, and whether a page is there."""

from __future__ import annotations

from enum import Enum

from graphpost.mail.mailbox import Application
from graphpost.store.directory.accounts import is_safe_redirect, redirect_key


class Place(Enum):
    """What is at a redirect URI."""

    CLIENT = "client"  # a web server or a program, which redeems its codes itself
    PAGE = "page"  # a single-page application, which redeems them in the browser


def find_place(uri: str, application: Application) -> Place | None:
    """What is registered under that URI: exactly, but for the port of a loopback one and a missing `/`; or None.

    No URI is registered as both, and there are no wildcards.
    """
    if not is_safe_redirect(uri):
        return None
    key = redirect_key(uri)
    if any(redirect_key(registered) == key for registered in application.spa_redirect_uris):
        return Place.PAGE
    if any(redirect_key(registered) == key for registered in application.redirect_uris):
        return Place.CLIENT
    return None
