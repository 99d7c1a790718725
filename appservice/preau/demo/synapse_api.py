"""One homeserver's HTTP API as an operator sees it: JSON in, JSON out, refusals raised.

The service has its own adapter (`preau.matrix`); this one needs no account yet, which is how the bot gets its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import aiohttp

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.model.ids import UserId

_PATIENCE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SynapseApi:
    """Calls one homeserver.

    Args:
        url: its client address, without a final slash.
        token: the access token, empty for none; an appservice's token may act ``for_user``.
        for_user: whom to act for; empty for the token's own user.
    """

    url: str
    token: str = ""
    for_user: UserId | str = ""

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET; see `call`."""
        return await self.call("GET", path, query=query)

    async def put(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """PUT; see `call`."""
        return await self.call("PUT", path, body=body)

    async def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST; see `call`."""
        return await self.call("POST", path, body=body)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request; the answer's JSON object.

        Raises:
            HomeserverError: the homeserver refused; status and Matrix error code are in it.
            HomeserverUnreachable: there was no answer within 30 seconds.
        """
        who = {"user_id": str(self.for_user)} if self.for_user else {}
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        timeout = aiohttp.ClientTimeout(total=_PATIENCE.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, self.url + path, json=body, params={**(query or {}), **who}) as response,
            ):
                answer: dict[str, Any] = await response.json(content_type=None)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HomeserverUnreachable(f"{self.url} does not answer to {method} {path}: {error}.") from error
        if status >= 400:
            raise HomeserverError(
                f"{self.url} refused {method} {path}: {status} {answer.get('error', '')}",
                errcode=str(answer.get("errcode", "")),
                status=status,
            )
        return answer
