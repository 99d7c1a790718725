"""The application service API (Matrix application service spec 1.5): what the homeserver calls.

::

    PUT /_matrix/app/v1/transactions/{txnId}
        token right? ─no─► 403 ─► homeserver tries again later
          │ yes
        body readable? ─no─► 400
          │ yes
        stored with its id, in one transaction ─► 200 ─► wake the worker
          └─ known id: nothing stored twice ─► 200

Answered is only what is on disk; a service killed before that is sent the transaction again.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import Final, TypeGuard

import structlog
from aiohttp import web

from preau.clock import Clock
from preau.errors import StoreError
from preau.matrix.wire import BrokenEvent, parse_event, parse_transaction
from preau.store import inbox
from preau.store.engine import Store
from preau.web.metrics import Outcome

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_LARGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes; Synapse sends at most 100 events of at most 64 KiB in a transaction."""


class Transactions:
    """The handlers of the API.

    Args:
        store: where transactions are kept.
        clock: tells when they came.
        hs_token: what the homeserver must present.
        arrived: set when something new is in the inbox.
        count: told what became of each transaction, and how many events of it were kept.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        hs_token: str,
        arrived: asyncio.Event,
        count: Callable[[Outcome, int], None] = lambda _outcome, _events: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._hs_token = hs_token.encode()
        self._arrived = arrived
        self._count = count

    def application(self) -> web.Application:
        """The aiohttp application, ready to be served."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.add_routes(
            [
                web.put("/_matrix/app/v1/transactions/{txn}", self.receive),
                web.post("/_matrix/app/v1/ping", self.ping),
                web.get("/_matrix/app/v1/users/{user}", self.unknown),
                web.get("/_matrix/app/v1/rooms/{alias}", self.unknown),
                web.get("/health", self.health),
            ]
        )
        return app

    async def receive(self, request: web.Request) -> web.Response:
        """One transaction: stored, then answered."""
        try:
            self._check_token(request)
            new, kept = await self._take(request)
        except web.HTTPException as answer:
            self._count(Outcome.FAILED if answer.status >= 500 else Outcome.REFUSED, 0)
            raise
        self._count(Outcome.STORED if new else Outcome.KNOWN, kept if new else 0)
        if new:
            self._arrived.set()
        return web.json_response({})

    async def _take(self, request: web.Request) -> tuple[bool, int]:
        """Stores a transaction: whether it is new, and how many events of it are kept."""
        try:
            events = [event for event in parse_transaction(await request.read()) if _is_kept(event)]
        except BrokenEvent as broken:
            raise _refusal(web.HTTPBadRequest, "M_NOT_JSON", str(broken)) from None
        try:
            async with self._store.writing() as db:
                new = await inbox.receive(db, request.match_info["txn"], events, self._clock.now())
        except StoreError as failed:
            log.exception("transaction_not_stored", reason=failed.happened)
            raise _refusal(web.HTTPServiceUnavailable, "M_UNKNOWN", "The service's database failed.") from None
        return new, len(events)

    async def ping(self, request: web.Request) -> web.Response:
        """The homeserver asks whether we are there (spec, ``POST /_matrix/app/v1/ping``)."""
        self._check_token(request)
        return web.json_response({})

    async def unknown(self, request: web.Request) -> web.Response:
        """Users and rooms exist when their school says so, never because somebody asked for them."""
        self._check_token(request)
        raise _refusal(web.HTTPNotFound, "M_NOT_FOUND", "No such user or room is made on demand.")

    async def health(self, _request: web.Request) -> web.Response:
        """For monitoring: up, and the database answers."""
        try:
            async with self._store.reading() as db:
                waiting, stuck = await inbox.counts(db)
        except StoreError as failed:
            return web.json_response({"status": "failed", "reason": failed.happened}, status=503)
        return web.json_response({"status": "ok", "waiting": waiting, "stuck": stuck})

    def _check_token(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        presented = token.encode() if scheme.lower() == "bearer" else b""
        if not hmac.compare_digest(presented, self._hs_token):
            log.warning("wrong_homeserver_token", path=request.path)
            raise _refusal(web.HTTPForbidden, "M_FORBIDDEN", "This is not the homeserver's token.")


def _is_kept(event: object) -> TypeGuard[dict[str, object]]:
    """Whether it is an event at all. What is not can never be handled, and a 400 would stop all that follow."""
    try:
        parse_event(event)
    except BrokenEvent as broken:
        log.warning("broken_event_dropped", reason=str(broken))
        return False
    return True


def _refusal(kind: type[web.HTTPException], errcode: str, error: str) -> web.HTTPException:
    return kind(text=json.dumps({"errcode": errcode, "error": error}), content_type="application/json")
