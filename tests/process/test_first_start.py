"""The first start makes everything, for its owner's eyes only; later ones find it again."""

from __future__ import annotations

import http.client
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import COMMAND
from tests.programs import needed

from graphpost.testing.ports import free_port
from graphpost.testing.process import ServerProcess

pytestmark = pytest.mark.slow
PUBLIC = {"ca.pem", "server.pem"}


def test_the_first_start_makes_everything_for_its_owner_only(data: Path, serve: Any, graphpost: Any) -> None:
    server: ServerProcess = serve()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*") if path.is_file()}
    assert {"defaults.json", "admin.token", "running.json", "ca.key", "server.key"} <= set(files)
    readable = {name for name, mode in files.items() if mode & 0o077}
    assert readable - PUBLIC == set()

    wire = graphpost.wire(server)
    assert (wire.request("GET", "/healthz", {}).body, wire.request("GET", "/readyz", {}).body) == (
        b"ok\n",
        b"ready\n",
    )
    assert wire.request("GET", "/metrics", {}).status == 401
    token = (data / "admin.token").read_text().strip()
    metrics = wire.request("GET", "/metrics", {"Authorization": f"Bearer {token}"})
    assert (metrics.status, b"graphpost_queue_depth 0.0" in metrics.body) == (200, True)
    wire.close()
    assert server.stop() == 0
    secrets = [token, *(graphpost.settings[name] for name in ("CLIENT_SECRET", "USER_PASSWORD"))]
    assert not [secret for secret in secrets if secret in server.output]


def test_metrics_have_a_port_of_their_own_when_one_is_set(serve: Any) -> None:
    port = free_port()
    server = serve(GRAPHPOST_METRICS_PORT=str(port))
    found = {}
    for path in ("/metrics", "/healthz", "/readyz", "/admin/queue", "/v1.0/me"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        found[path] = answer.status
        body = answer.read()
        if path == "/metrics":
            assert b"graphpost_accepted_total" in body
        connection.close()
    assert found == {"/metrics": 200, "/healthz": 200, "/readyz": 404, "/admin/queue": 404, "/v1.0/me": 404}
    assert server.stop() == 0


def test_a_second_start_keeps_identities_and_tokens(serve: Any, graphpost: Any) -> None:
    first = serve()
    before, token, boxes = graphpost.settings, graphpost.token(), graphpost("mailbox", "list", "--json").json
    assert first.stop() == 0
    second = serve()
    after = graphpost.settings
    changing = {"GRAPH_URL", "AUTHORITY"}  # the port is another
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }
    assert graphpost("mailbox", "list", "--json").json == boxes
    wire = graphpost.wire(second)
    answer = wire.request("GET", "/v1.0/users?$select=mail", {"Authorization": f"Bearer {token}"})
    assert answer.status == 200, answer.body
    wire.close()


def test_the_banners_trial_works_as_printed(data: Path, graphpost: Any) -> None:
    needed("curl")
    with subprocess.Popen(
        [str(COMMAND), "serve", "--data", str(data), "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        trial = ""
        for line in process.stdout:
            trial += line
            if line.lstrip().startswith("-d "):
                break
        try:
            commands = re.split(r"^Try:\n", trial, flags=re.MULTILINE)[1]
            done = subprocess.run(["sh", "-c", commands], capture_output=True, text=True, timeout=60)
            assert re.match(r"HTTP/1\.1 202 ", done.stdout), done
        finally:
            process.terminate()


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_env_is_all_that_a_shell_needs(serve: Any, graphpost: Any, data: Path, shell: str) -> None:
    server = serve()
    script = f"""eval "$({COMMAND} env --data '{data}')" &&
        printf '%s\\n' "$GRAPH_URL" "$AUTHORITY" "$TENANT_ID" "$CLIENT_ID" "$CLIENT_SECRET" "$CA_FILE" \
        "$MAILBOX" "$USER_PASSWORD" &&
        sh -c 'test -r "$CA_FILE"'"""
    done = subprocess.run([shell, "-euc", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == list(graphpost.settings.values())
    assert done.stdout.splitlines()[0] == server.url
