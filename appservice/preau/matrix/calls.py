"""One request to the homeserver: sent, limited in time, tried again within bounds, refused with a sentence::

    Call ──► slot free? ──► send ──► 2xx ───────────────────────────────────► Answer
                             ├─► 429 ─────────────── wait as asked ─► again … HomeserverBusy
                             ├─► 502, 503, 504 ───── wait, doubling ─► again … HomeserverUnreachable
                             ├─► connection, time ── wait, doubling ─► again … HomeserverUnreachable
                             └─► anything else ─────────────────────────────► HomeserverError (errcode, status)

A call that is not ``repeatable`` is sent again only when the homeserver certainly did not act on it: the connection
was never made, or the answer was 429. nio's own sending would retry without end and return errors as values, so only
its session (`nio.AsyncClient.send`) and its request builders (`nio.Api`) are used.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, urlencode, urlsplit

import nio
import structlog
from aiohttp import ClientConnectorError, ClientError

from preau.errors import HomeserverBusy, HomeserverError, HomeserverUnreachable
from preau.matrix.patience import Patience
from preau.model.ids import ServerName, UserId
from preau.model.wanted import Json

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_GATEWAY_TROUBLE: Final = frozenset({502, 503, 504})
_EVER_MS: Final = 10**12  # a longer wait is no longer a number that a float can hold for sure


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the homeserver is and as whom we speak.

    Args:
        url: the client-server API, such as ``http://127.0.0.1:8008``.
        token: the provisioning application service's token; its namespace covers everybody on this server.
        bot: the service's own account, sole creator of the managed rooms, and a server admin.
        server: the homeserver's name, the part after the colon of its users.
    """

    url: str
    token: str = field(repr=False)
    bot: UserId
    server: ServerName


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before it is sent.

    ``path`` is percent-encoded and has no query. ``about`` names the call and the ids it concerns, for errors and
    logs. ``acting`` is the user it is made as, None for the bot. ``fractions``: the answer holds figures of Synapse's
    own, which may be fractions; each is read as null.
    """

    method: str
    path: str
    about: str
    body: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    acting: UserId | None = None
    repeatable: bool = True
    fractions: bool = False

    @classmethod
    def from_nio(cls, built: Sequence[str], about: str, *, acting: UserId | None = None) -> Self:
        """A call from what a builder of `nio.Api` returned: method, path and perhaps a body.

        The builders put the token into the query; it is left out, since ours goes into a header.
        """
        method, path, *body = built
        return cls(method, urlsplit(path).path, about, body=body[0] if body else None, acting=acting)


def call(  # noqa: PLR0913 - a request has this many parts
    method: str,
    parts: Sequence[str],
    about: str,
    *,
    body: Json = None,
    acting: UserId | None = None,
    query: Sequence[tuple[str, str]] = (),
    repeatable: bool = True,
) -> Call:
    """A call that nio knows no builder for; each of ``parts`` is percent-encoded on its own."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    text = None if body is None else json.dumps(body)
    return Call(method, path, about, body=text, query=tuple(query), acting=acting, repeatable=repeatable)


CLIENT: Final = ("_matrix", "client", "v3")
"""The client-server API's path."""

ADMIN: Final = ("_synapse", "admin")
"""Synapse's admin API's path."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the call's words for errors, the HTTP status and the JSON body (None if it was none)."""

    about: str
    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt came to nothing, when trying again may help; ``wait`` None means that it may not."""

    error: HomeserverError
    wait: float | None


class Caller:
    """Sends calls over one session, a bounded number at a time.

    Args:
        endpoint: where to, as whom.
        patience: the bounds of every call.
        at_once: how many requests may be on their way together.
        sleep: waits so many seconds; given by tests that do not wait.
        draw: a number in [0, 1), the jitter of the waits.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience,
        at_once: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self._patience = patience
        self._slots = asyncio.Semaphore(at_once)
        self._sleep = sleep
        self._draw = draw
        # 0: aiohttp's own time limit is off, `_exchange` holds the only one. True: TLS certificates are checked.
        config = nio.AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0, request_timeout=0)
        self._client = nio.AsyncClient(endpoint.url.rstrip("/"), endpoint.bot, config=config, ssl=True)

    async def close(self) -> None:
        """Ends the session."""
        await self._client.close()

    async def perform(self, call: Call) -> Answer:
        """The answer to a call that succeeded.

        Raises:
            HomeserverError: it was refused; `errcode` and `status` say how.
            HomeserverBusy: we were asked to wait longer than we may, or too often.
            HomeserverUnreachable: no answer, after every retry.
        """
        failures = 1
        while not isinstance(outcome := await self._attempt(call, failures), Answer):
            if outcome.wait is None or failures >= self._patience.attempts:
                raise outcome.error
            log.warning("homeserver_retry", call=call.about, failures=failures, reason=outcome.error.happened)
            await self._sleep(outcome.wait)
            failures += 1
        return outcome

    async def _attempt(self, call: Call, failures: int) -> Answer | _Failure:
        """One attempt: the answer, or the failure of that number with the time to wait before the next."""
        doubling = self._patience.wait_after(failures, self._draw())
        try:
            status, raw, retry_after = await self._exchange(call)
        except ClientConnectorError as reason:
            return _Failure(self._silence(call, str(reason)), doubling)
        except TimeoutError:
            limit = f"no answer within {self._patience.call_seconds:g} s"
            return _Failure(self._silence(call, limit), doubling if call.repeatable else None)
        except ClientError as reason:
            lost = str(reason) or type(reason).__name__
            return _Failure(self._silence(call, lost), doubling if call.repeatable else None)
        answer = Answer(call.about, status, _decode(raw, fractions=call.fractions))
        if 200 <= status < 300:
            return answer
        return self._judge(call, answer, retry_after, doubling)

    def _judge(self, call: Call, answer: Answer, retry_after: str, doubling: float) -> _Failure:
        """What an answer that is no success means, and whether and when to try again."""
        refusal = _refusal(answer)
        if answer.status == 429:
            asked = _asked_seconds(answer.body, retry_after)
            wait = doubling if asked is None else self._patience.wait_as_asked(asked, self._draw())
            return _Failure(_busy(refusal), wait)
        if answer.status in _GATEWAY_TROUBLE:
            # With an error code the homeserver itself spoke, without one the proxy before it did.
            error = refusal if refusal.errcode else self._silence(call, f"HTTP status {answer.status}", answer.status)
            return _Failure(error, doubling if call.repeatable else None)
        return _Failure(refusal, None)

    async def _exchange(self, call: Call) -> tuple[int, bytes, str]:
        """Status, body and ``Retry-After`` of one request, within the time limit; waiting for a slot is outside it."""
        query = urlencode([*call.query, ("user_id", call.acting or self.endpoint.bot)])
        headers = {"Authorization": f"Bearer {self.endpoint.token}", "Content-Type": "application/json"}
        body = "{}" if call.body is None and call.method != "GET" else call.body
        async with self._slots, asyncio.timeout(self._patience.call_seconds):
            response = await self._client.send(call.method, f"{call.path}?{query}", body, headers)
            async with response:
                return response.status, await response.read(), response.headers.get("Retry-After", "")

    def _silence(self, call: Call, reason: str, status: int = 0) -> HomeserverUnreachable:
        """The error of a homeserver that did not answer."""
        return HomeserverUnreachable(
            f"{call.about}: the homeserver at {self.endpoint.url} did not answer ({reason})",
            status=status,
            advice="Check that Synapse and nginx run, and that this address is the homeserver's.",
        )


def _refuse_number(text: str) -> Json:
    raise ValueError(f"{text} is no number of canonical JSON")


def _no_number(_text: str) -> None:
    """A fraction is none of our numbers."""


def _decode(raw: bytes, *, fractions: bool = False) -> Json:
    """The JSON of a body, None if it is none. Canonical JSON has no fractions (Matrix spec, appendices 2)."""
    try:
        read = _no_number if fractions else _refuse_number
        value: Json = json.loads(raw, parse_float=read, parse_constant=_refuse_number)
    except (ValueError, RecursionError):
        return None
    return value


def _text(body: Json, key: str) -> str:
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _refusal(answer: Answer) -> HomeserverError:
    """The error that an answer which is no success stands for."""
    errcode = _text(answer.body, "errcode")
    said = _text(answer.body, "error") or "without a reason"
    return HomeserverError(
        f"{answer.about}: the homeserver refused with {answer.status} {errcode or 'and no error code'} ({said})",
        errcode=errcode,
        status=answer.status,
        advice=_ADVICE.get(errcode, ""),
    )


_ADVICE: Final = {
    "M_UNKNOWN_TOKEN": "Our token is not the one in Synapse's registration file: deploy both anew.",
    "M_MISSING_TOKEN": "Our token is empty: set it.",
    "M_EXCLUSIVE": "Another application service owns this name: check the registrations' namespaces.",
    "M_UNSUPPORTED_ROOM_VERSION": "This Synapse does not know the room version: set one that it knows.",
}


def _busy(refusal: HomeserverError) -> HomeserverBusy:
    return HomeserverBusy(
        refusal.happened,
        errcode=refusal.errcode,
        status=refusal.status,
        advice="Try again later; the registration of the application service should say `rate_limited: false`.",
    )


def _asked_seconds(body: Json, header: str) -> float | None:
    """The wait that a 429 asks for: ``Retry-After`` in seconds, or ``retry_after_ms`` (deprecated, still sent)."""
    if header.isascii() and header.isdigit():
        return float(header)
    asked = body.get("retry_after_ms") if isinstance(body, dict) else None
    return min(asked, _EVER_MS) / 1000 if isinstance(asked, int) and asked >= 0 else None
