"""Calls about the homeserver itself and about who administers it; the service needs them before its first account."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from preau.errors import HomeserverError
from preau.matrix import answers
from preau.matrix.calls import ADMIN, Caller, call
from preau.model.ids import UserId
from preau.model.wanted import Json

_ADVICE: Final = "It is `registration_shared_secret` of Synapse's own configuration (vault: of the role synapse)."


class Administration:
    """The calls about the homeserver as a whole."""

    _caller: Caller

    async def answers(self) -> bool:
        """Whether the homeserver answers now, be it with a refusal. Waits for nothing but the call's own bounds."""
        try:
            await self._caller.perform(call("GET", ("_matrix", "client", "versions"), "does it answer"))
        except HomeserverError as refused:
            return 400 <= refused.status < 500
        return True

    async def is_administrator(self) -> bool:
        """Whether the admin API answers us; False also for an account that does not exist yet."""
        try:
            await self.background_updates()
        except HomeserverError as refused:
            if refused.status != 403:
                raise
            return False
        return True

    async def background_updates(self) -> frozenset[str]:
        """The databases in which an update runs in the background. Between two updates, none does for an instant."""
        request = call("GET", (*ADMIN, "v1", "background_updates", "status"), "background updates")
        answer = await self._caller.perform(replace(request, fractions=True))
        running = answers.obj(answer).get("current_updates")
        if not isinstance(running, dict):
            raise answers.unexpected(answer, "an object 'current_updates'")
        return frozenset(running)

    async def set_administrator(self, user: UserId, *, admin: bool) -> None:
        """Gives an account the right to administer the homeserver, or takes it away."""
        path = (*ADMIN, "v1", "users", user, "admin")
        await self._caller.perform(call("PUT", path, f"administrator {user}", body={"admin": admin}))

    async def administrators_named(self, part: str) -> tuple[UserId, ...]:
        """The administrators that are not deactivated and whose name holds ``part``."""
        query = (("admins", "true"), ("name", part))
        answer = await self._caller.perform(call("GET", (*ADMIN, "v2", "users"), "administrators", query=query))
        listed = answers.obj(answer).get("users")
        if not isinstance(listed, list):
            raise answers.unexpected(answer, "a list 'users'")
        names = [each.get("name") for each in listed if isinstance(each, dict)]
        return tuple(UserId(name) for name in names if isinstance(name, str))

    async def register_administrator(self, localpart: str, password: str, shared_secret: str) -> str:
        """Makes a new account that administers the homeserver (Synapse: Shared-Secret Registration); its access token.

        Raises:
            HomeserverError: status 403 when the secret is not the homeserver's.
        """
        path, about = (*ADMIN, "v1", "register"), "register an administrator"
        nonce = answers.text(await self._caller.perform(call("GET", path, about)), "nonce")
        signed = f"{nonce}\0{localpart}\0{password}\0admin"
        mac = hmac.new(shared_secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
        body: Json = {"nonce": nonce, "username": localpart, "password": password, "admin": True, "mac": mac}
        try:
            answer = await self._caller.perform(call("POST", path, about, body=body, repeatable=False))
        except HomeserverError as refused:
            if refused.status != 403:
                raise
            raise HomeserverError(
                refused.happened, errcode=refused.errcode, status=refused.status, advice=_ADVICE
            ) from refused
        return answers.text(answer, "access_token")
