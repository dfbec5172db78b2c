"""Commands reach the server of their machine wherever it listens, and whatever its name is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trustme

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("host", ["127.0.0.2", "::1", "0.0.0.0", "::"])
def test_a_server_is_reached_at_the_address_that_it_listens_at(serve: Any, graphpost: Any, host: str) -> None:
    serve("--host", host)
    sent = graphpost("send", "--to", "alex@example.test", "--subject", "x", "text")
    assert (sent.status, sent.err) == (0, "")
    assert graphpost("queue", "list", "--json").json[0]["state"] == "done"


def test_a_server_with_a_name_that_only_others_look_up_is_reached(
    serve: Any, graphpost: Any, data: Path
) -> None:
    data.mkdir()
    certificate = trustme.CA().issue_cert("mail.contoso.test")
    certificate.private_key_pem.write_to_path(data / "own.key")
    certificate.cert_chain_pems[0].write_to_path(data / "own.pem")
    settings = {
        "GRAPHPOST_SERVER_NAMES": "mail.contoso.test",
        "GRAPHPOST_SERVER_CERTIFICATE": "own.pem",
        "GRAPHPOST_SERVER_KEY": "own.key",
    }
    server = serve(**settings)  # which the commands in another shell know nothing of
    assert graphpost("env", "--format", "json").json["GRAPH_URL"] == server.url
    assert server.url.startswith("https://mail.contoso.test:")
    assert graphpost("queue", "list").status == 0
    sent = graphpost("send", "--to", "alex@example.test", "--subject", "x", "text")
    assert (sent.status, sent.err) == (0, "")
    assert json.loads((data / "running.json").read_text())["at"].startswith("https://127.0.0.1:")
