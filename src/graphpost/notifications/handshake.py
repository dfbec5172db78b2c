"""Asking a URL whether it wants our notifications.

It has to say back a token that it is sent, so nobody can have notifications sent to somebody else's server.  What is wrong comes as a BadRequest in Graph's words;
what the network looks like goes into the log.
"""

from __future__ import annotations

import asyncio
import http
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from graphpost.errors import BadRequest
from graphpost.ids import new_guid
from graphpost.maillog import MailLog
from graphpost.notifications.guard import Endpoint, EndpointError, parse_endpoint
from graphpost.notifications.posting import Answer, EndpointTimeout, Poster

INVALID: Final = "InvalidRequest"
TOKEN_TYPE: Final = "text/plain; charset=utf-8"  # noqa: S105 - a media type
_AT_ONCE: Final = 20
_KEPT: Final = 1024  # bytes of an answer; a token has fewer
_MUST: Final = "Notification endpoint must respond with 200 OK to validation request."


class Handshake:
    """Validates endpoints, so many at a time."""

    def __init__(self, poster: Poster, log: MailLog) -> None:
        self._poster = poster
        self._log = log
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def validate(self, url: str, name: str) -> None:
        """Raise BadRequest unless the URL may be notified and answers as it should.  `name`: the property it is in."""
        try:
            endpoint = parse_endpoint(url)
            self._poster.guard.check_scheme(endpoint)
        except EndpointError as error:
            raise BadRequest(f"The {name} is not a valid HTTPS URL: {error}.", INVALID) from error
        token = (
            f"Validation: Testing client application reachability for subscription Request-Id: {new_guid()}"
        )
        async with self._turns:
            problem = await self._problem(endpoint, token)
        if problem:
            raise BadRequest(problem, INVALID)

    async def _problem(self, endpoint: Endpoint, token: str) -> str:
        """What is wrong with the endpoint; '' when it is fine."""
        mark = "&" if "?" in endpoint.target else "?"
        asked = replace(endpoint, target=f"{endpoint.target}{mark}validationToken={quote(token, safe='')}")
        try:
            answer = await self._poster.post(asked, b"", TOKEN_TYPE, _KEPT)
        except EndpointTimeout as error:
            self._log.endpoint_refused(endpoint.shown, str(error))
            return "Subscription validation request timed out."
        except EndpointError as error:
            self._log.endpoint_refused(endpoint.shown, str(error))
            return f"Subscription validation request failed. {_MUST}"
        problem = _problem_of(answer, token)
        if problem:
            self._log.endpoint_refused(endpoint.shown, problem)
        return problem


def _problem_of(answer: Answer, token: str) -> str:
    if answer.status != 200:
        return (
            f"Subscription validation request failed. HTTP status code is '{_phrase(answer.status)}'. {_MUST}"
        )
    if answer.content_type.partition(";")[0].strip().lower() != "text/plain":
        return "Subscription validation request failed. Response must have the content type text/plain."
    if answer.body.strip() != token.encode():
        return "Subscription validation request failed. Response must exactly match validationToken query parameter."
    return ""


def _phrase(status: int) -> str:
    """The status as .NET names it: `NotFound`."""
    try:
        return http.HTTPStatus(status).phrase.replace(" ", "").replace("-", "")
    except ValueError:
        return str(status)
