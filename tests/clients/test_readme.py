"""What the README prints works as it is printed, in a shell beside a server that has no settings at all."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.clients import node

from graphpost.cli.env import environment
from graphpost.testing.server import ServerThread, running_server

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def snippet(language: str, containing: str) -> str:
    """The one code block of this language with this text in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return str(found)


ENVIRONMENT = 'eval "$(.venv/bin/graphpost env)"\n'


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a clone is after `make serve`: the environment, the README."""
    path = tmp_path_factory.mktemp("clone")
    (path / ".venv").symlink_to(sys.prefix)
    shutil.copy(ROOT / "README.md", path)
    return path


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[ServerThread]:
    with running_server(directory / "graphpost-data") as running:
        yield running


def shell(directory: Path, script: str) -> str:
    """Run it in a shell that stops at the first failure; what it printed."""
    variables = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(directory), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-e"], input=script, cwd=directory, env=variables, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def arrived(server: ServerThread, mark: int) -> str:
    """The subject of the message that has come to Alex since; also the newest in Adele's Sent Items."""
    server.output.wait_for("(delivered|filed).*alex@example.test", mark)
    values = environment(server.config)
    context = ssl.create_default_context(cafile=values["CA_FILE"])
    with httpx2.Client(base_url=values["GRAPH_URL"], verify=context, trust_env=False, timeout=60) as client:
        grant = {
            "grant_type": "client_credentials",
            "client_id": values["CLIENT_ID"],
            "client_secret": values["CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        }
        token = client.post(f"/{values['TENANT_ID']}/oauth2/v2.0/token", data=grant).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        newest = "messages?$top=1&$select=subject&$orderby=receivedDateTime desc"
        subjects = [
            client.get(f"/v1.0/users/{address}/mailFolders/{folder}/{newest}").json()["value"][0]["subject"]
            for address, folder in [("alex@example.test", "inbox"), (values["MAILBOX"], "sentitems")]
        ]
    assert subjects[0] == subjects[1]
    return str(subjects[0])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line(server: ServerThread, directory: Path) -> None:
    mark = server.output.mark()
    sending, looking = snippet("sh", "/sendMail"), snippet("sh", "/sentitems/")
    said = shell(directory, sending)
    assert re.match(r"HTTP/\S+ 202\b", said)
    assert arrived(server, mark) == "Hello"
    mark = server.output.mark()
    listed = json.loads(shell(directory, sending + looking).partition("\n\n")[2])
    arrived(server, mark)  # or the next test takes it for its own
    assert listed["value"][0]["bodyPreview"] == "It works."


def test_the_python_program(server: ServerThread, directory: Path) -> None:
    (directory / "hello.py").write_text(snippet("python", "GraphServiceClient"), "utf-8")
    mark = server.output.mark()
    shell(directory, ENVIRONMENT + ".venv/bin/python hello.py")
    assert arrived(server, mark) == "Hello from the SDK"


def test_the_javascript_program(server: ServerThread, directory: Path) -> None:
    program = node.node()
    (directory / "node_modules").symlink_to(node.DIRECTORY / "node_modules")
    (directory / "hello.js").write_text(snippet("js", "Client.init"), "utf-8")
    mark = server.output.mark()
    said = shell(directory, f'{ENVIRONMENT}NODE_EXTRA_CA_CERTS="$CA_FILE" {program} hello.js')
    assert said == "accepted\n"
    assert arrived(server, mark) == "Hello from JavaScript"


def test_the_command_line(server: ServerThread, directory: Path) -> None:
    mark = server.output.mark()
    said = shell(directory, snippet("sh", "graphpost send"))
    assert "delivered" in said
    assert arrived(server, mark) == "Report"
