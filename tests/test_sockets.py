"""What cannot be listened on is said with the setting at fault, and what can be done."""

import socket

import pytest

from graphpost.errors import ConfigurationError
from graphpost.sockets import listen, own_address


def test_the_socket_says_tcp_so_that_answers_are_not_held_back() -> None:
    with listen("server", "127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_host_may_have_its_brackets(host: str) -> None:
    with listen("server", host, 0) as listener:
        assert listener.family == socket.AF_INET6


def test_a_port_in_use_is_named_with_its_setting() -> None:
    problem = r"^inbound\.lmtp_port: cannot listen on 127\.0\.0\.1 port \d+: .*; stop what has it, or choose"
    with listen("server", "127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match=problem):
        listen("inbound", "127.0.0.1", first.getsockname()[1], host_key="lmtp_host", port_key="lmtp_port")


@pytest.mark.parametrize("host", ["203.0.113.77", "nobody.invalid", "a" * 70 + ".test"])
def test_an_address_that_is_not_ours_is_named_with_its_setting(host: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        listen("metrics", host, 0)
    assert str(raised.value).startswith(f"metrics.host: cannot listen on {host} port 0: ")


@pytest.mark.parametrize(
    ("host", "start"), [("127.0.0.1", "127.0.0.1:"), ("0.0.0.0", "127.0.0.1:"), ("::", "[::1]:")]
)
def test_programs_of_this_machine_reach_a_listener_by_an_address_of_it(host: str, start: str) -> None:
    with listen("server", host, 0) as listener:
        assert own_address(listener) == f"{start}{listener.getsockname()[1]}"
