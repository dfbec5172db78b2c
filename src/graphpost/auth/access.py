"""Who may do what: the Principal a token stands for, and the rules for mailboxes and senders."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Principal(Struct, frozen=True, kw_only=True):
    """Whom a verified token speaks for.

    `permissions` are Graph names: a user's delegated scopes, or an application's roles.  `object_id` is the user's, or
    the application's service principal.
    """

    kind: Literal["user", "application"]
    tenant_id: str
    object_id: str
    client_id: str
    permissions: frozenset[str]
    token_id: str = ""
