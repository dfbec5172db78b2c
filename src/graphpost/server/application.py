"""What answers requests: the Graph API, uploads, issuer, administration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from graphpost.admin.access import administrator_token
from graphpost.admin.http import AdminApi
from graphpost.admin.mailboxes import declared_addresses
from graphpost.admin.operations import Operations
from graphpost.auth.issuer.issuer import Issuer
from graphpost.auth.key_watch import WatchedKeys
from graphpost.auth.keys import SigningKeys
from graphpost.auth.verification.issuers import authorization_uri, foreign_issuer
from graphpost.auth.verification.provisioning import Newcomer, Provisioner
from graphpost.auth.verification.tokens import OwnIssuer, TokenVerifier, own_issuer
from graphpost.graph.api import GraphApi
from graphpost.graph.attachments.uploading import Uploads
from graphpost.graph.call import Services
from graphpost.mail.mailbox import Mailbox
from graphpost.notifications.notifier import Notifier
from graphpost.server.delivery import Delivery
from graphpost.server.foundation import Foundation
from graphpost.store.audit import Actor
from graphpost.throttling.throttle import Throttle
from graphpost.web.app import Application
from graphpost.web.certificates import subject_names


def make_application(
    base: Foundation,
    delivery: Delivery,
    notifier: Notifier,
    throttle: Throttle | None,
    keys: SigningKeys,
    url: str,
    why_not_ready: Callable[[], str],
) -> Application:
    """Everything that answers requests; `url` is our own, without a path."""
    config, clock, store, people = base.config, base.clock, base.store, base.people
    names, tenant = subject_names(config.server.host, config.server.names), config.tenant.id
    watched = WatchedKeys(keys, clock, base.log)
    base.background(watched.watch())
    services = Services(
        store=store,
        blobs=base.blobs,
        directory=people.directory,
        verifier=_verifier(base, own_issuer(tenant, names, watched), url),
        submitter=delivery.submitter,
        numbers=base.numbers,
        clock=clock,
        limits=config.limits,
        tenant_id=tenant,
        notifier=notifier,
        quotas=delivery.quotas,
        searched=delivery.indexer.searched,
        receipt_of=delivery.receipts.filing,
        auditor=base.auditor,
        idempotency=config.idempotency,
        inline_limit=config.store.inline_limit,
        throttle=throttle,
    )
    issuer = (
        Issuer(
            store,
            clock,
            people.directory,
            config.issuer,
            tenant,
            config.tenant.domains,
            keys,
            guesses=base.guesses,
            names=names,
            note=base.note,
        )
        if config.issuer.enabled
        else None
    )
    operations = Operations(
        store,
        base.numbers,
        clock,
        queue_changed=delivery.worker.forget_holds,
        relinquish=delivery.worker.relinquish,
        accounts_changed=people.refresh,
        deleted_seconds=config.accounts.deleted_seconds,
        quota_bytes=config.accounts.quota_bytes,
        declared=declared_addresses(config),
        suppressions_changed=delivery.suppressions.refresh,
        tls_forgotten=delivery.outlets.forget,
    )
    admin = AdminApi(
        operations,
        administrator_token(config.data),
        base.log,
        why_not_ready,
        config.metrics.destinations,
        base.auditor,
    )
    return Application(
        graph=GraphApi(services),
        uploads=Uploads(services),
        issuer=issuer,
        admin=admin,
        limits=config.limits,
        log=base.log,
        hosts=frozenset(names),
    )


def _verifier(base: Foundation, own: OwnIssuer, url: str) -> TokenVerifier:
    """Who is not let in is told of the first issuer that the settings name, or of our own.

    Our own is believed as long as it is there: whoever turns it off wants no tokens of it.
    """
    config, people = base.config, base.people
    foreign = [
        foreign_issuer(each, config.tenant.id, people.directory, base.clock, base.log)
        for each in config.issuers
    ]
    for issuer in foreign:
        base.background(issuer.keys.watch())
    where = authorization_uri(config.issuers[0]) if config.issuers else f"{url}/common/oauth2/authorize"
    provisioner = Provisioner(people, base.numbers, base.clock, base.log, partial(_note, base))
    return TokenVerifier(
        [own, *foreign] if config.issuer.enabled else foreign,
        base.clock,
        authorization_uri=where,
        people=people.directory,
        provide=provisioner.provide,
    )


def _note(base: Foundation, newcomer: Newcomer, mailbox: Mailbox) -> None:
    """The audit log has who got a mailbox, and by which token."""
    if base.auditor is not None:
        actor = Actor(
            "user",
            client_id=newcomer.client_id,
            object_id=mailbox.object_id,
            person=mailbox.address,
            token_id=newcomer.token_id,
            right=newcomer.issuer,
            action="provision",
        )
        base.auditor.note(actor, mailbox_id=mailbox.mailbox_id, mailbox=mailbox.address, status=201)
