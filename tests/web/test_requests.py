"""Requests as they come over the wire: slow, wrong, hostile, many.  Each has its answer, and others are served."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import zlib
from contextlib import ExitStack, closing

import pytest
from tests.client import ADELE
from tests.web.conftest import Site, only, parsed, rest_of

pytestmark = pytest.mark.slow

BODY = json.dumps(
    {
        "message": {
            "subject": "Lunch",
            "body": {"contentType": "Text", "content": "Soup."},
            "toRecipients": [{"emailAddress": {"address": "b@else.test"}}],
        }
    }
).encode()
CLOSE = "Connection: close"


def code_of(body: bytes) -> str:
    found: str = json.loads(body)["error"]["code"]
    return found


# Slow


def test_a_body_that_stops_is_answered_408(hasty: Site) -> None:
    reply = only(hasty.say(hasty.head(len(BODY)), BODY[:20]))
    assert (reply.status, code_of(reply.body)) == (408, "RequestTimeout")
    assert reply.headers["connection"] == "close"
    hasty.check_serves()


def test_a_head_that_stops_is_answered_408(hasty: Site) -> None:
    reply = only(hasty.say(b"POST /v1.0/me/sendMail HTTP/1.1\r\nHost: localhost\r\nX-Sl"))
    assert (reply.status, code_of(reply.body)) == (408, "RequestTimeout")


def test_a_connection_on_which_nothing_is_said_is_closed(hasty: Site) -> None:
    assert hasty.say() == b""


def test_a_second_head_that_stops_is_answered_after_the_first(hasty: Site) -> None:
    replies = parsed(hasty.say(hasty.head(len(BODY)) + BODY, b"GET /healthz HTT"))
    assert [reply.status for reply in replies] == [202, 408]


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(site: Site) -> None:
    before = len(site.client.folder("sentitems"))
    with closing(site.connect()) as line:
        line.sendall(site.head(len(BODY)) + BODY[:-5])
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    site.check_serves()
    assert len(site.client.folder("sentitems")) == before


def test_a_client_that_sends_byte_by_byte_is_answered(site: Site) -> None:
    data = site.head(len(BODY), CLOSE) + BODY
    reply = only(site.say(*(data[index : index + 1] for index in range(len(data)))))
    assert reply.status == 202


@pytest.mark.parametrize(
    ("request_line", "accept", "status", "kind"),
    [
        ("GET / HTTP/1.1", "text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/html; charset=utf-8"),
        ("GET / HTTP/1.1", "*/*", 404, "application/json"),
        ("POST / HTTP/1.1", "text/html", 404, "application/json"),
        ("GET /mail HTTP/1.1", "text/html", 404, "application/json"),
    ],
)
def test_a_browser_at_the_front_door_is_told_what_is_here(
    site: Site, request_line: str, accept: str, status: int, kind: str
) -> None:
    head = f"{request_line}\r\nHost: localhost\r\nAccept: {accept}\r\n{CLOSE}\r\n\r\n"
    reply = only(site.say(head.encode()))
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (status, kind.partition(";")[0])
    assert (b"Microsoft Graph" in reply.body) is (status == 200)


# Lengths


def test_a_content_length_that_is_too_large_waits_and_is_answered_408(hasty: Site) -> None:
    assert only(hasty.say(hasty.head(len(BODY) + 10), BODY)).status == 408


def test_a_content_length_that_is_too_small_is_a_broken_body_and_the_end_of_the_connection(
    site: Site,
) -> None:
    """What is left over is no request; the answer to the one that was is not lost."""
    replies = parsed(site.say(site.head(len(BODY) - 10) + BODY))
    assert replies[0].status == 400
    assert code_of(replies[0].body) != "RequestTimeout"


def test_garbage_after_a_request_does_not_cost_its_answer(site: Site) -> None:
    replies = parsed(site.say(site.head(len(BODY)) + BODY + b"\x00garbage\r\n\r\n"))
    assert [reply.status for reply in replies] == [202]
    assert replies[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    "length", ["-1", "+5", "0x10", "1e3", "5, 5", "5, 6", "99999999999999999999999999", "five", "5 5"]
)
def test_a_content_length_that_is_no_number_is_refused(site: Site, length: str) -> None:
    reply = only(site.say(site.head(None, f"Content-Length: {length}") + b"xxxxx"))
    assert reply.status in (400, 413)
    site.check_serves()


def test_two_lengths_are_refused(site: Site) -> None:
    assert only(site.say(site.head(5, "Content-Length: 6") + b"xxxxxx")).status == 400


def test_a_length_and_chunks_together_are_refused(site: Site) -> None:
    """Which of them counts is what request smuggling is about (RFC 9112 §6.3)."""
    data = site.head(len(BODY), "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    assert only(site.say(data)).status == 400


# Chunks


def chunked(data: bytes, size: int) -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_chunked_body_is_read(site: Site, size: int) -> None:
    data = site.head(None, "Transfer-Encoding: chunked", CLOSE) + chunked(BODY, size)
    assert only(site.say(data)).status == 202


def test_a_chunked_body_that_is_too_large_is_refused(site: Site) -> None:
    data = site.head(None, "Transfer-Encoding: chunked", CLOSE) + chunked(b" " * 5_000_000, 60_000)
    reply = only(site.say(data))
    assert (reply.status, code_of(reply.body)) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "data", [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloworld\r\n0\r\n\r\n", b"-5\r\nhello\r\n"]
)
def test_broken_chunks_are_refused(site: Site, data: bytes) -> None:
    reply = only(site.say(site.head(None, "Transfer-Encoding: chunked") + data))
    assert reply.status == 400


# Size


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, 5_000_000, 40_000_000])
def test_a_body_that_is_too_large_is_413_in_graphs_words_and_the_client_can_read_it(
    site: Site, size: int
) -> None:
    connection = http.client.HTTPConnection("localhost", site.port, timeout=60)
    headers = {"Authorization": f"Bearer {site.client.token()}", "Content-Type": "application/json"}
    with closing(connection):
        connection.request("POST", f"/v1.0/users/{ADELE}/sendMail", b" " * size, headers)
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status == 413
    error = json.loads(body)["error"]
    assert error["code"] == "RequestEntityTooLarge"
    assert error["message"] == "The maximum request length supported is 4MB."
    assert error["innerError"]["request-id"]


def test_who_asks_before_sending_is_told_at_once(site: Site) -> None:
    reply = only(site.say(site.head(5_000_000, "Expect: 100-continue")))
    assert reply.status == 413


def test_who_asks_before_sending_is_told_to_go_on(site: Site) -> None:
    with closing(site.connect()) as line:
        line.sendall(site.head(len(BODY), "Expect: 100-continue", CLOSE))
        assert line.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(BODY)
        assert only(rest_of(line)).status == 202


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 40_000,
    ],
)
def test_a_head_without_end_is_refused(site: Site, head: bytes) -> None:
    """A client that goes on sending may see the connection end before it sees the answer."""
    with closing(site.connect()) as line:
        try:
            line.sendall(head)
            data = rest_of(line)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
    assert data == b"" or only(data).status == 431
    site.check_serves()


# gzip


def zipped(site: Site, data: bytes) -> bytes:
    return site.head(len(data), "Content-Encoding: gzip", CLOSE) + data


def truncated_size(data: bytes) -> bytes:
    return data[:-2]


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (gzip.compress(BODY), 202, ""),
        (gzip.compress(BODY[:50]) + gzip.compress(BODY[50:]), 202, ""),
        (gzip.compress(b" " * 4_000_000 + BODY), 202, ""),
        (gzip.compress(b" " * 300_000_000), 413, "RequestEntityTooLarge"),
        (gzip.compress(b" " * 4_000_000) * 2, 413, "RequestEntityTooLarge"),
        (gzip.compress(b"") * 200_000, 400, "BadRequest"),
        (gzip.compress(BODY)[:-2], 400, "BadRequest"),
        (gzip.compress(BODY)[:30], 400, "BadRequest"),
        (gzip.compress(BODY) + b"garbage", 400, "BadRequest"),
        (b"garbage", 400, "BadRequest"),
        (b"\x1f\x8b", 400, "BadRequest"),
        (zlib.compress(BODY), 400, "BadRequest"),
        (BODY, 400, "BadRequest"),
    ],
    ids=[
        "good",
        "two members",
        "blown up within the limit",
        "bomb",
        "bomb in members",
        "members without end",
        "truncated checksum",
        "truncated",
        "garbage behind",
        "garbage",
        "only magic",
        "zlib",
        "not compressed",
    ],
)
def test_a_gzip_body_is_expanded_within_the_limit_or_refused(
    site: Site, data: bytes, status: int, code: str
) -> None:
    reply = only(site.say(zipped(site, data)))
    assert reply.status == status
    assert not code or code_of(reply.body) == code


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 500])
def test_another_encoding_is_415(site: Site, encoding: str) -> None:
    reply = only(site.say(site.head(len(BODY), f"Content-Encoding: {encoding}", CLOSE) + BODY))
    assert reply.status == 415


# Many


def test_pipelined_requests_are_answered_in_their_order(site: Site) -> None:
    get = f"GET /healthz HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode()
    last = get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    replies = parsed(
        site.say((site.head(len(BODY)) + BODY) + get + (site.head(len(BODY)) + BODY) * 20 + last)
    )
    assert [reply.status for reply in replies] == [202, 200, *[202] * 20, 200]


def test_idle_connections_disturb_nobody(site: Site) -> None:
    get = f"GET /healthz HTTP/1.1\r\nHost: localhost:{site.port}\r\n\r\n".encode()
    with ExitStack() as stack:
        idle = []
        for number in range(1000):
            line = stack.enter_context(closing(site.connect()))
            line.sendall(get if number < 300 else get[:20] if number < 600 else b"")
            idle.append(line)
        for _ in range(20):
            assert site.client.post("b@else.test").status == 202
        assert idle[0].recv(12) == b"HTTP/1.1 200"
    site.check_serves()


def test_a_client_that_does_not_read_disturbs_nobody(site: Site) -> None:
    for _ in range(20):
        site.client.send("b@else.test", body={"contentType": "Text", "content": "x" * 50_000})
    get = f"GET /v1.0/users/{ADELE}/messages?$top=100 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    line = site.connect()
    with closing(line):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(f"{get}{site.client.token()}\r\n\r\n".encode() * 20)
        for _ in range(20):
            assert site.client.post("b@else.test").status == 202
    site.check_serves()


# Methods, targets, hosts


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        ("GET /healthz", {200}),
        ("HEAD /healthz", {200}),
        ("OPTIONS /healthz", {405}),
        ("OPTIONS *", {400, 404, 405}),
        ("TRACE /v1.0/me", {401, 405}),
        ("CONNECT localhost:443", {400, 404, 405}),
        ("BREW /v1.0/me", {400, 405}),
        ("get /healthz", {400, 405}),
        ("PUT /v1.0/me/sendMail", {405, 401}),
        ("GET /v1.0/me/sendMail", {405, 401}),
        ("OPTIONS /v1.0/me/sendMail", {405, 401}),
        ("HEAD /v1.0/me", {401}),
        ("GET //", {404}),
        ("GET /", {404}),
        ("GET /%", {404, 400}),
        ("GET /%00", {404, 400}),
        ("GET /v1.0/me/%00", {404, 400, 401}),
        ("GET /v1.0/users/a%00b/messages", {404, 400, 401}),
        ("GET /v1.0/users/..%2f..%2fetc/passwd", {404, 400, 401}),
        ("GET /../../etc/passwd", {404, 400}),
        ("GET /v1.0/%ff%fe", {404, 400, 401}),
        ("GET /a b", {400}),
        ("GET healthz", {400}),
        ("GET ?", {400}),
        ("GET /healthz#x", {200, 400}),
        ("GET /\x00", {400}),
        ("GET /\xff", {400, 404}),
    ],
)
def test_an_odd_request_line_has_a_plain_answer(site: Site, line: str, statuses: set[int]) -> None:
    data = f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1")
    received = site.say(data)
    assert int(received.split()[1]) in statuses, received
    assert received.count(b"HTTP/1.1 ") == 1
    if line.startswith("HEAD"):
        assert received.endswith(b"\r\n\r\n")
    site.check_serves()


def test_the_absolute_form_of_a_target_is_understood(site: Site) -> None:
    data = (
        f"GET http://localhost:{site.port}/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert only(site.say(data.encode())).status == 200


@pytest.mark.parametrize(
    "host", ["evil.test", "localhost.evil.test", "", "localhost@evil.test", "[::1", "a b", "127.0.0.2"]
)
def test_a_host_that_is_not_ours_is_refused(site: Site, host: str) -> None:
    data = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    assert only(site.say(data)).status == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "localhost:99999"])
def test_a_host_of_ours_is_accepted_with_any_port(site: Site, host: str) -> None:
    data = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    assert only(site.say(data)).status == 200


def test_no_host_is_refused(site: Site) -> None:
    assert only(site.say(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")).status == 400


def test_http_1_0_is_answered_and_closed(site: Site) -> None:
    assert only(site.say(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n\r\nx",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 100,
    ],
)
def test_garbage_is_a_400_in_graphs_shape_or_a_closed_connection(site: Site, garbage: bytes) -> None:
    received = site.say(garbage)
    if received:
        reply = only(received)
        assert reply.status in (400, 408)
        assert code_of(reply.body)
    site.check_serves()


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_an_upgrade_is_not_taken_and_the_request_is_answered(site: Site, protocol: str) -> None:
    more = (f"Upgrade: {protocol}", "Connection: Upgrade, close")
    assert only(site.say(site.head(len(BODY), *more) + BODY)).status == 202


@pytest.mark.parametrize("value", ["a\x00b", "a\rb"])
def test_a_control_character_in_a_header_is_refused(site: Site, value: str) -> None:
    data = site.head(len(BODY), f"client-request-id: {value}", CLOSE) + BODY
    assert only(site.say(data)).status == 400


@pytest.mark.parametrize("value", ["\xff\xfe", "x" * 5000, "<script>", "a, b"])
def test_a_hostile_client_request_id_is_answered(site: Site, value: str) -> None:
    data = site.head(len(BODY), CLOSE).replace(
        b"Content-Type", b"client-request-id: " + value.encode("latin-1") + b"\r\nContent-Type"
    )
    reply = only(site.say(data + BODY))
    assert reply.status in (202, 400)


def test_the_version_may_be_in_capitals(site: Site) -> None:
    reply = only(site.say(site.head(len(BODY), CLOSE, path=f"/V1.0/users/{ADELE}/SENDMAIL") + BODY))
    assert reply.status == 202


def test_the_log_has_the_code_of_a_refusal(site: Site) -> None:
    only(site.say(site.head(2, CLOSE) + b"{}"))
    site.server.server.log.flush()
    assert "status=400 code=RequestBodyRead" in site.server.output.getvalue()
