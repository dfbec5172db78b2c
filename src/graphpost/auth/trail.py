"""What the audit log is told of requests to the issuer: who, and how it ended.

A trail is filled in while a request is answered.  A name is in it only when it is one of somebody here: what a person
types where a name belongs may be the password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from graphpost.mail.mailbox import Mailbox
from graphpost.store.audit import ISSUER, Actor, Kind

Note = Callable[[Actor, int, str], object]
"""Told of who asked, the status of the answer, and the code of a refusal."""


@dataclass(slots=True)
class Trail:
    """`action` is what is asked for; '' for what nobody wants to know.  Proofs are passwords, secrets, sessions, grants."""

    action: str = ""
    client_id: str = ""
    user: Mailbox | None = None
    permissions: str = ""
    token_id: str = ""
    has_client_proof: bool = False
    has_user_proof: bool = False

    @property
    def kind(self) -> Kind:
        if self.has_user_proof:
            return "user"
        return "application" if self.has_client_proof else "nobody"

    def actor(self, remote: str, request_id: str, client_request_id: str) -> Actor:
        user = self.user
        return Actor(
            self.kind,
            self.client_id,
            "" if user is None else user.object_id,
            "" if user is None else user.address,
            self.token_id,
            remote,
            self.permissions,
            action=f"{ISSUER}{self.action}",
            request_id=request_id,
            client_request_id=client_request_id,
        )


# Names of what may be asked for, beside the kinds of grants.
AUTHORIZE: Final = "authorize"
SIGN_IN: Final = "sign-in"
CONSENT: Final = "consent"
CODE: Final = "code"
DEVICE_CODE: Final = "device code"
DEVICE: Final = "device"
DEVICE_CONSENT: Final = "device consent"
SIGN_OUT: Final = "sign-out"


def nobody(actor: Actor, status: int, code: str) -> None:
    """Where there is no audit log."""
