"""Signing keys that are added and retired while servers run: no token is refused on the way."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws, jwt
from tests.auth.browsing import TextBrowser
from tests.auth.verification.test_issuers import Provider
from tests.auth.verification.test_tokens import claims, sign
from tests.auth.world import (  # fmt: skip
    ADELE,
    NAMES,
    PASSWORD,
    START,
    TENANT,
    SetClock,
    authorize_url,
    make_world,
    seed,
)
from tests.client import eventually

from graphpost.auth.key_files import READ_SECONDS, SIGNS_AFTER, add_key, list_keys
from graphpost.auth.key_watch import BETWEEN_SECONDS, WatchedKeys
from graphpost.auth.keys import open_keys
from graphpost.auth.verification.issuers import Principal
from graphpost.auth.verification.jwks import RemoteKeys
from graphpost.auth.verification.tokens import TokenVerifier, own_issuer
from graphpost.clock import SECOND
from graphpost.config import IssuerSettings, LogSettings
from graphpost.config.defaults import embedded_defaults
from graphpost.errors import Unauthenticated
from graphpost.maillog import MailLog
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.testing.server import ServerThread, running_server

MINUTE = SIGNS_AFTER // SECOND


class Node:
    """A server's keys, and what it believes by them."""

    def __init__(self, directory: Path, clock: SetClock) -> None:
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, clock.now)
        self.keys = open_keys(directory, clock.now())
        self.watched = WatchedKeys(self.keys, clock, self.log)
        self.verifier = TokenVerifier([own_issuer(TENANT, NAMES, self.watched)], clock)

    def look(self) -> None:
        asyncio.run(self.watched.refresh())

    def admit(self, token: str) -> Principal:
        return asyncio.run(self.verifier.admit(token))

    def problems(self) -> int:
        self.log.flush()
        return self.output.getvalue().count("problem")


def test_a_new_key_goes_from_server_to_server_without_a_gap(tmp_path: Path, clock: SetClock) -> None:
    one, two = Node(tmp_path, clock), Node(tmp_path, clock)
    old = sign(one.keys, claims())
    add_key(tmp_path, clock.now())
    for step in range(int(2 * MINUTE / READ_SECONDS)):
        clock.pass_seconds(READ_SECONDS)
        for node, other in ((one, two), (two, one)):
            node.look()
            for token in (old, sign(node.keys, claims(uti=str(step)))):
                assert other.watched.find_key(str(jws.extract_compact(token.encode()).headers()["kid"]))
                assert other.admit(token).token_id
    assert one.keys.current.kid == two.keys.current.kid == list_keys(tmp_path)[1].kid


def test_a_key_that_another_server_signs_with_already_is_looked_for_at_once(
    tmp_path: Path, clock: SetClock
) -> None:
    one = Node(tmp_path, clock)
    add_key(tmp_path, clock.now() - 2 * SIGNS_AFTER)  # a clock of another machine
    other = open_keys(tmp_path, clock.now())
    assert one.admit(sign(other, claims())).token_id == "u"


def test_made_up_keys_do_not_keep_the_disk_busy(
    tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, asked = Node(tmp_path, clock), list[Any]()
    monkeypatch.setattr("graphpost.auth.key_watch.read_keys", lambda *of: asked.append(of) or node.keys.read)
    for number in range(10):
        with pytest.raises(Unauthenticated):
            node.admit(sign(node.keys, claims(), kid=f"made up {number}"))
    assert len(asked) == 1
    clock.pass_seconds(BETWEEN_SECONDS)
    with pytest.raises(Unauthenticated):
        node.admit(sign(node.keys, claims(), kid="made up"))
    assert len(asked) == 2


def test_a_key_that_is_taken_away_verifies_nothing_more_not_even_what_was_verified(
    tmp_path: Path, clock: SetClock
) -> None:
    add_key(tmp_path, START - 100 * SIGNS_AFTER)
    stolen = open_keys(tmp_path, START)
    add_key(tmp_path, START - 2 * SIGNS_AFTER)
    node = Node(tmp_path, clock)
    token, good = sign(stolen, claims()), sign(node.keys, claims())
    node.admit(token)
    node.admit(good)
    list_keys(tmp_path)[0].path.unlink()
    clock.pass_seconds(READ_SECONDS)
    node.look()
    assert node.verifier.find_cached(token) is None
    with pytest.raises(Unauthenticated):
        node.admit(token)
    assert node.admit(good)


def test_files_that_cannot_be_read_change_nothing_and_are_told_of_once(
    tmp_path: Path, clock: SetClock
) -> None:
    node = Node(tmp_path, clock)
    token = sign(node.keys, claims())
    half = tmp_path / "signing-9.pem"
    half.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    for _ in range(3):
        clock.pass_seconds(READ_SECONDS)
        node.look()
    assert node.problems() == 1
    half.unlink()
    shutil.move(list_keys(tmp_path)[0].path, tmp_path / "away")
    for _ in range(3):
        clock.pass_seconds(READ_SECONDS)
        node.look()
    assert node.problems() == 2
    assert node.admit(token).token_id == "u"
    assert node.keys.current.kid


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path, clock: SetClock) -> None:
    node = Node(tmp_path, clock)
    before = node.keys.current
    clock.pass_seconds(READ_SECONDS)
    node.look()
    assert node.keys.current is before
    os.utime(list_keys(tmp_path)[0].path, (1, 1))
    clock.pass_seconds(READ_SECONDS)
    node.look()
    assert node.keys.current is not before
    assert node.keys.current.kid == before.kid


def test_who_is_signing_in_while_the_key_changes_goes_on(tmp_path: Path, clock: SetClock) -> None:
    with asyncio.Runner() as runner:
        store = SqliteStore.open(tmp_path / "g.db", readers=1)
        keys = open_keys(tmp_path / "keys", clock.now())
        world = make_world(runner, store, clock, keys, IssuerSettings())
        seed(world, [])
        add_key(tmp_path / "keys", clock.now())
        browser = TextBrowser(world)
        page = browser.open(authorize_url())
        watched = WatchedKeys(keys, clock, MailLog(LogSettings(), io.StringIO(), clock.now))
        clock.pass_seconds(MINUTE + 1)
        before = keys.current.kid
        world.run(watched.refresh())
        assert keys.current.kid != before
        page = browser.submit(page, username=ADELE, password=PASSWORD)
        assert page.step == "consent"
        list_keys(tmp_path / "keys")[0].path.unlink()
        clock.pass_seconds(READ_SECONDS)
        world.run(watched.refresh())
        assert "code" in browser.submit(page, decision="allow").answer
        runner.run(store.close())


def test_a_running_server_follows_its_files(tmp_path: Path) -> None:
    with running_server(tmp_path, flags={"server.tls": False}) as server:
        now = int(time.time())
        add_key(tmp_path / "keys", (now - 3600) * SECOND)
        (new,) = (
            key
            for key in open_keys(tmp_path / "keys", now * SECOND).public()
            if key.created_at < (now - 3000) * SECOND
        )
        tenant = server.config.tenant.id
        body = claims(iat=now, nbf=now, exp=now + 300, iss=f"{server.url}/{tenant}/", tid=tenant)
        token = jwt.encode({"alg": "RS256", "kid": new.kid}, body, new.key)
        asked = urllib.request.Request(f"{server.url}/v1.0/me", headers={"Authorization": f"Bearer {token}"})

        def is_right() -> bool:
            """The signature: then it is the person whom nobody knows."""
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked)
            with refused.value as answer:
                return "Application is disabled or does not exist" in answer.read().decode()

        eventually(is_right)  # it may have read them just before the new one was there


def test_an_issuer_that_is_turned_off_is_not_believed_any_more(tmp_path: Path) -> None:
    def status(server: ServerThread, token: str) -> int:
        asked = urllib.request.Request(
            f"{server.url}/v1.0/users", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(asked) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    with running_server(tmp_path, flags={"server.tls": False}) as server:
        given, tenant = embedded_defaults(tmp_path), server.config.tenant.id
        form = {
            "grant_type": "client_credentials",
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        with urllib.request.urlopen(
            f"{server.url}/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode()
        ) as answer:
            token = json.load(answer)["access_token"]
        assert status(server, token) == 200
    with running_server(tmp_path, flags={"server.tls": False, "issuer.enabled": False}) as server:
        assert status(server, token) == 401


def test_a_clock_that_is_set_back_keeps_no_key_away(tmp_path: Path, clock: SetClock) -> None:
    node, provider = Node(tmp_path, clock), Provider()
    remote = RemoteKeys("https://id.test", "https://id.test/keys", provider, clock, node.log)
    node.look()
    asyncio.run(remote.refresh())
    clock.pass_seconds(-86_400)
    add_key(tmp_path, clock.now() - 2 * SIGNS_AFTER)
    node.look()
    assert len(node.keys.public()) == 2
    asyncio.run(remote.refresh())
    assert len(provider.asked) == 2
