"""People's accounts. Creation and everything the people themselves may not do goes through Synapse's admin API.

Measured on Synapse 1.163.2: with ``enable_set_displayname: false`` an application service that acts as a user is
refused a change of the user's display name (403), and ``/register`` gives every account its localpart as the name. So
one ``PUT /_synapse/admin/v2/users/{user}`` sets the name, and it must come before the first join: each later change
joins the person anew to every room they are in.
"""

from __future__ import annotations

from typing import Final

import nio

from preau.errors import HomeserverError
from preau.matrix import answers
from preau.matrix.answers import Account
from preau.matrix.calls import ADMIN, CLIENT, Call, Caller, call
from preau.model.ids import RoomId, UserId, split_user_id
from preau.model.wanted import Json

_NO_TOKEN: Final = ""  # nio's builders put the token into the query, where proxies log it; ours goes into a header


class Accounts:
    """The calls about accounts; every one of them may be repeated."""

    _caller: Caller

    async def whoami(self) -> UserId:
        """As whom the homeserver sees us: the bot, if the token and the registration are right."""
        return answers.user_id(await self._caller.perform(Call.from_nio(nio.Api.whoami(_NO_TOKEN), "who am I")))

    async def versions(self) -> tuple[str, ...]:
        """The versions of the Matrix specification that the homeserver speaks, such as ``v1.15``."""
        return answers.texts(
            await self._caller.perform(call("GET", ("_matrix", "client", "versions"), "versions")), "versions"
        )

    async def server_version(self) -> str:
        """Synapse's version, such as ``1.163.2``."""
        request = call("GET", (*ADMIN, "v1", "server_version"), "version of Synapse")
        return answers.text(await self._caller.perform(request), "server_version")

    async def register(self, user: UserId) -> bool:
        """Makes an account without password or session; whether it is new.

        The display name is the localpart until `set_display_name`; `provision_account` does both in one call.

        Raises:
            HomeserverError: ``M_EXCLUSIVE`` when the name belongs to another application service.
        """
        body: Json = {
            "type": "m.login.application_service",
            "username": self._localpart(user),
            "inhibit_login": True,  # no session is made, and Matrix Authentication Service accepts nothing else
        }
        try:
            await self._caller.perform(call("POST", (*CLIENT, "register"), f"register {user}", body=body))
        except HomeserverError as refused:
            if refused.errcode == "M_USER_IN_USE":
                return False
            raise
        return True

    async def provision_account(self, user: UserId, *, display_name: str, password: str | None = None) -> bool:
        """Makes an account with its display name and, if given, its password, in one call; whether it is new.

        An account that exists gets the name and the password, and its sessions go on. A password is hashed,
        which is by far the dearest part (``docs/benchmarks.md``).
        """
        self._localpart(user)
        body: dict[str, Json] = {"displayname": display_name, "logout_devices": False}
        if password is not None:
            body["password"] = password
        answer = await self._caller.perform(_user("PUT", user, f"provision {user}", body))
        return answer.status == 201

    async def account(self, user: UserId) -> Account | None:
        """What Synapse knows of an account, None if there is none."""
        try:
            return answers.account(await self._caller.perform(_user("GET", user, f"account of {user}")))
        except HomeserverError as refused:
            if refused.errcode == "M_NOT_FOUND":
                return None
            raise

    async def set_display_name(self, user: UserId, name: str) -> bool:
        """Gives a person their display name; whether it was another before (an equal one costs nothing).

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        if (await self._existing(user)).display_name == name:
            return False
        await self._caller.perform(_user("PUT", user, f"display name of {user}", {"displayname": name}))
        return True

    async def set_password(self, user: UserId, password: str, *, log_out: bool = True) -> None:
        """Gives an account another password and, unless told otherwise, ends all its sessions.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        body: Json = {"new_password": password, "logout_devices": log_out}
        path = (*ADMIN, "v1", "reset_password", user)
        await self._caller.perform(call("POST", path, f"password of {user}", body=body))

    async def lock(self, user: UserId) -> None:
        """Shuts an account out (401 ``M_USER_LOCKED``); sessions and rooms stay for `unlock`.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        await self._existing(user)
        await self._caller.perform(_user("PUT", user, f"lock {user}", {"locked": True}))

    async def unlock(self, user: UserId) -> None:
        """Lets a locked account in again, exactly as it was.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        await self._existing(user)
        await self._caller.perform(_user("PUT", user, f"unlock {user}", {"locked": False}))

    async def log_out(self, user: UserId) -> int:
        """Ends all sessions of an account; how many there were.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        path = (*ADMIN, "v2", "users", user)
        listed = await self._caller.perform(call("GET", (*path, "devices"), f"devices of {user}"))
        devices = answers.device_ids(listed)
        if devices:
            body: Json = {"devices": [*devices]}
            await self._caller.perform(call("POST", (*path, "delete_devices"), f"log out {user}", body=body))
        return len(devices)

    async def deactivate(self, user: UserId, *, erase: bool = False) -> None:
        """Ends an account for good: sessions, password, rooms. There is no way back; ids are never used again.

        ``erase`` also hides what the person wrote from those who come later.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when there is no such account.
        """
        path = (*ADMIN, "v1", "deactivate", user)
        await self._caller.perform(call("POST", path, f"deactivate {user}", body={"erase": erase}))

    async def joined_rooms(self, user: UserId) -> frozenset[RoomId]:
        """The rooms a person is in.

        Raises:
            HomeserverError: ``M_FORBIDDEN`` when there is no such account.
        """
        request = Call.from_nio(nio.Api.joined_rooms(_NO_TOKEN), f"rooms of {user}", acting=user)
        listed = answers.texts(await self._caller.perform(request), "joined_rooms")
        return frozenset(RoomId(room) for room in listed)

    async def _existing(self, user: UserId) -> Account:
        """The account; the admin API's PUT would otherwise make one out of a mistyped id."""
        found = await self.account(user)
        if found is None:
            raise HomeserverError(f"there is no account {user}", errcode="M_NOT_FOUND", status=404)
        return found

    def _localpart(self, user: UserId) -> str:
        """The localpart of one of our own users."""
        localpart, server = split_user_id(user)
        if server != self._caller.endpoint.server:
            raise ValueError(f"{user} is not of {self._caller.endpoint.server}")
        return localpart


def _user(method: str, user: UserId, about: str, body: Json = None) -> Call:
    return call(method, (*ADMIN, "v2", "users", user), about, body=body)
