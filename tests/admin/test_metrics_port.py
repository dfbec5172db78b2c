"""The metrics' own port answers a collector, and nothing else."""

import asyncio
from typing import Any

import pytest

from graphpost.admin.http import AdminApi
from graphpost.admin.metrics_port import serve_metrics
from graphpost.config import MetricsSettings
from graphpost.errors import ConfigurationError


async def exchange(api: AdminApi, request: bytes) -> bytes:
    server = await serve_metrics(api, MetricsSettings())
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        try:
            return await reader.read()
        except ConnectionResetError:  # it closed while more was coming
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("request_line", "status", "part"),
    [
        ("GET /metrics HTTP/1.1", "200 OK", b"graphpost_queue_depth 0.0"),
        ("GET /metrics?x=1 HTTP/1.0", "200 OK", b"graphpost_accepted_total"),
        ("HEAD /metrics HTTP/1.1", "200 OK", b"content-length: "),
        ("GET /healthz HTTP/1.1", "200 OK", b"ok\n"),
        ("GET /admin/queue HTTP/1.1", "404 Not Found", b"only /metrics and /healthz"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", b"only GET"),
        ("nonsense", "405 Method Not Allowed", b"only GET"),
    ],
)
def test_it_answers_a_collector_and_nothing_else(
    admin: Any, request_line: str, status: str, part: bytes
) -> None:
    answer = admin.run(lambda api: exchange(api, f"{request_line}\r\nhost: x\r\n\r\n".encode()))
    assert answer.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert part in answer


@pytest.mark.parametrize("request_bytes", [b"", b"GET /metrics", b"GET /" + b"x" * 40_000 + b"\r\n\r\n"])
def test_half_a_request_and_an_endless_one_get_nothing(admin: Any, request_bytes: bytes) -> None:
    assert admin.run(lambda api: exchange(api, request_bytes)) == b""


def test_a_port_in_use_is_said_with_its_setting(admin: Any) -> None:
    async def twice(api: AdminApi) -> None:
        async with await serve_metrics(api, MetricsSettings()) as first:
            await serve_metrics(api, MetricsSettings(port=first.sockets[0].getsockname()[1]))

    with pytest.raises(ConfigurationError, match=r"metrics\.port: cannot listen on 127\.0\.0\.1 port"):
        admin.run(twice)
