"""A POST goes to the address that was looked at, and nothing that the other side says leads elsewhere."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.notifications.receiver import Receiver, Say, Taken

from graphpost.config import LogSettings, NotificationSettings
from graphpost.errors import BadRequest
from graphpost.maillog import MailLog
from graphpost.notifications.guard import EndpointError, parse_endpoint
from graphpost.notifications.handshake import Handshake
from graphpost.notifications.posting import Answer, EndpointTimeout, Poster, Resolver
from graphpost.testing.ports import free_port

pytestmark = pytest.mark.anyio
HERE: dict[str, Any] = {"allow": ["127.0.0.0/8"], "allow_http": True}


class Names:
    """A resolver that follows a script; every answer but the last is given once."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def poster(resolve: Resolver | None = None, **given: Any) -> AsyncIterator[Poster]:
    made = Poster(NotificationSettings(**given), resolve)
    try:
        yield made
    finally:
        await made.close()


@contextmanager
def held(receiver: Receiver) -> Iterator[None]:
    """The receiver takes requests and does not answer before the end."""
    done = threading.Event()
    receiver.behave = lambda taken: Say(202) if done.wait(60) else Say(500)
    try:
        yield
    finally:
        done.set()


async def test_a_body_arrives_with_its_type(receiver: Receiver) -> None:
    receiver.behave = lambda taken: Say(200, b"well done", "text/plain")
    async with poster(**HERE) as made:
        endpoint = parse_endpoint(receiver.url("/a?b=c%20d"))
        answer = await made.post(endpoint, b"{}", "application/json", keep=4)
    assert answer == Answer(200, "text/plain", b"well")
    [taken] = receiver.requests
    assert (taken.path, taken.query, taken.body) == ("/a", {"b": ["c d"]}, b"{}")
    assert (taken.headers["content-type"], taken.headers["host"]) == (
        "application/json",
        f"localhost:{receiver.port}",
    )
    assert not taken.headers.keys() & {"authorization", "cookie", "proxy-authorization"}


async def test_a_name_that_leads_inside_is_not_connected_to(receiver: Receiver) -> None:
    async with poster(Names(["127.0.0.1"]), ports=[receiver.port]) as made:
        with pytest.raises(EndpointError, match="not a public address"):
            await made.post(
                parse_endpoint(receiver.url(host="evil.test").replace("http:", "https:")), b"", "a/b"
            )
    assert receiver.requests == []


async def test_a_name_that_changes_its_mind_between_look_and_connection_gains_nothing(
    secure_receiver: Receiver, ca_file: Path
) -> None:
    """What was resolved is what is connected to: there is no second look-up that could say something else."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with poster(names, allow=["127.0.0.1"], ca_file=str(ca_file)) as made:
        endpoint = parse_endpoint(secure_receiver.url(host="hooks.test"))
        assert (await made.post(endpoint, b"x", "a/b")).status == 202
        assert names.asked == ["hooks.test"]
    async with poster(names, allow=["127.0.0.1"], ca_file=str(ca_file)) as made:
        with pytest.raises(EndpointError, match=r"10\.0\.0\.1 is not a public address"):
            await made.post(endpoint, b"x", "a/b")
    assert len(secure_receiver.requests) == 1


async def test_of_several_addresses_one_that_may_be_connected_to_is_taken(
    secure_receiver: Receiver, ca_file: Path
) -> None:
    names = Names(["10.0.0.1", "169.254.169.254", "127.0.0.1"])
    async with poster(names, allow=["127.0.0.1"], ca_file=str(ca_file)) as made:
        endpoint = parse_endpoint(secure_receiver.url(host="hooks.test"))
        assert (await made.post(endpoint, b"x", "a/b")).status == 202


async def test_the_certificate_is_of_the_name_and_not_of_the_address(
    secure_receiver: Receiver, ca_file: Path
) -> None:
    here = {"allow": ["127.0.0.1"], "ca_file": str(ca_file)}
    async with poster(Names(["127.0.0.1"]), **here) as made:
        with pytest.raises(EndpointError, match=r"other\.test"):
            await made.post(parse_endpoint(secure_receiver.url(host="other.test")), b"", "a/b")
        with pytest.raises(EndpointError, match=r"127\.0\.0\.1"):
            await made.post(parse_endpoint(secure_receiver.url(host="127.0.0.1")), b"", "a/b")
    async with poster(Names(["127.0.0.1"]), allow=["127.0.0.1"]) as made:
        with pytest.raises(EndpointError, match="CERTIFICATE_VERIFY_FAILED"):
            await made.post(parse_endpoint(secure_receiver.url(host="hooks.test")), b"", "a/b")
    assert secure_receiver.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.behave = lambda taken: Say(status, location=receiver.url("/elsewhere"))
    async with poster(**HERE) as made:
        assert (await made.post(parse_endpoint(receiver.url()), b"", "a/b")).status == status
    assert [taken.path for taken in receiver.requests] == ["/hook"]


async def test_whoever_does_not_answer_is_left(receiver: Receiver) -> None:
    with held(receiver):
        async with poster(**HERE, timeout_seconds=0.2) as made:
            with pytest.raises(EndpointTimeout):
                await made.post(parse_endpoint(receiver.url()), b"", "a/b")


async def test_a_resolver_that_does_not_answer_is_left() -> None:
    async def silent(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async with poster(silent, timeout_seconds=0.1) as made:
        with pytest.raises(EndpointTimeout):
            await made.post(parse_endpoint("https://hooks.test/"), b"", "a/b")


async def test_an_answer_without_an_end_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.behave = lambda taken: Say(200, b"x" * 5_000_000, "text/plain")
    async with poster(**HERE) as made:
        answer = await made.post(parse_endpoint(receiver.url()), b"", "a/b", keep=10)
    assert answer.body == b"x" * 10


@pytest.mark.parametrize("answers", [[], ["nonsense"]])
async def test_a_name_without_an_address_is_an_error(answers: list[str]) -> None:
    async with poster(Names(answers)) as made:
        with pytest.raises(EndpointError):
            await made.post(parse_endpoint("https://hooks.test/"), b"", "a/b")


async def test_the_environment_names_no_proxy(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with poster(**HERE) as made:
        assert (await made.post(parse_endpoint(receiver.url()), b"", "a/b")).status == 202


WRONG: list[tuple[Callable[[Taken], Say], str]] = [
    (
        lambda taken: Say(404),
        "HTTP status code is 'NotFound'. Notification endpoint must respond with 200 OK",
    ),
    (lambda taken: Say(202), "HTTP status code is 'Accepted'."),
    (lambda taken: Say(302, location="/x"), "HTTP status code is 'Found'."),
    (lambda taken: Say(200, taken.query["validationToken"][0].encode(), "text/html"), "text/plain"),
    (
        lambda taken: Say(200, b"", "text/plain"),
        "Response must exactly match validationToken query parameter.",
    ),
    (lambda taken: Say(200, b"x" * 5000, "text/plain"), "Response must exactly match"),
    (
        lambda taken: Say(200, taken.query["validationToken"][0].replace(" ", "%20").encode(), "text/plain"),
        "Response must exactly match",
    ),
]


async def validate(url: str, **given: Any) -> str:
    """What is wrong with the URL; '' when nothing is."""
    log = MailLog(LogSettings(), io.StringIO())
    async with poster(**given) as made:
        try:
            await Handshake(made, log).validate(url, "notificationUrl")
        except BadRequest as error:
            return error.message if error.code == "InvalidRequest" else error.code
        finally:
            log.close()
    return ""


async def test_a_receiver_that_says_the_token_back_is_taken(receiver: Receiver) -> None:
    assert await validate(receiver.url("/hook?code=a%2Bb"), **HERE) == ""
    [taken] = receiver.requests
    assert taken.query["code"] == ["a+b"]
    assert taken.query["validationToken"][0].startswith("Validation: Testing client application reachability")
    assert (taken.body, taken.headers["content-type"]) == (b"", "text/plain; charset=utf-8")


@pytest.mark.parametrize(("behaviour", "words"), WRONG)
async def test_whoever_does_not_is_refused_in_graphs_words(
    receiver: Receiver, behaviour: Callable[[Taken], Say], words: str
) -> None:
    receiver.behave = behaviour
    problem = await validate(receiver.url(), **HERE)
    assert problem.startswith("Subscription validation request failed. ")
    assert words in problem


async def test_a_slow_one_is_refused_too(receiver: Receiver) -> None:
    with held(receiver):
        problem = await validate(receiver.url(), **HERE, timeout_seconds=0.2)
    assert problem == "Subscription validation request timed out."


async def test_what_the_network_looks_like_is_not_told(receiver: Receiver) -> None:
    """A port that nobody listens on and an address that is not allowed are answered alike."""
    refused = await validate(f"http://localhost:{free_port()}/hook", **HERE)
    inside = await validate(receiver.url(), allow_http=True)
    assert refused == inside
    assert refused == (
        "Subscription validation request failed. "
        "Notification endpoint must respond with 200 OK to validation request."
    )
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url", ["", "x", "http://hooks.test/", "https://a:b@hooks.test/", "https://hooks.test/#a"]
)
async def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    assert (await validate(url)).startswith("The notificationUrl is not a valid HTTPS URL: ")
