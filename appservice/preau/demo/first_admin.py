"""Makes the bot the homeserver's one and only admin.

The bot's name is exclusive to the events registration, so the shared secret cannot register it; and no registration can
make an admin. Hence a helper that lives for a second::

    events token ──► account of the bot (m.login.application_service)
    shared secret ─► @preau-bootstrap-…, admin ──► makes the bot an admin
    the bot ───────► takes the helper's right away and deactivates it

Every step may be repeated: a run that was cut short leaves at most a helper whose password nobody knows, and the next
run removes it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from preau.demo.synapse_api import SynapseApi
from preau.errors import HomeserverError
from preau.model.ids import UserId, split_user_id

_HELPER: Final = "preau-bootstrap-"


@dataclass(frozen=True, slots=True)
class BotKeys:
    """What is needed to make the bot an admin: see the role ``synapse`` for each."""

    registration_shared_secret: str
    provision_as_token: str
    events_as_token: str


async def make_bot_admin(url: str, bot: UserId, keys: BotKeys) -> None:
    """Gives the bot its account and the admin right, and leaves no other helper behind. Does nothing the second time.

    Raises:
        HomeserverError: the homeserver refused a step; the message says which call.
    """
    await _make_account(SynapseApi(url, keys.events_as_token), bot)
    as_bot = SynapseApi(url, keys.provision_as_token, bot)
    if not await _is_admin(as_bot):
        as_helper = await _make_helper(SynapseApi(url), keys.registration_shared_secret)
        await as_helper.put(f"/_synapse/admin/v1/users/{quote(bot)}/admin", {"admin": True})
    await _remove_helpers(as_bot)


async def _make_account(as_events: SynapseApi, bot: UserId) -> None:
    localpart, _ = split_user_id(bot)
    request = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    try:
        await as_events.post("/_matrix/client/v3/register", request)
    except HomeserverError as error:
        if error.errcode != "M_USER_IN_USE":
            raise


async def _is_admin(as_bot: SynapseApi) -> bool:
    """Whether the admin API answers the bot (it refuses everybody else with 403)."""
    try:
        await as_bot.get("/_synapse/admin/v1/background_updates/status")
    except HomeserverError as error:
        if error.status == 403:
            return False
        raise
    return True


async def _make_helper(api: SynapseApi, shared_secret: str) -> SynapseApi:
    """Registers a new admin (Synapse: Shared-Secret Registration) and acts as it."""
    name, password = _HELPER + secrets.token_hex(8), secrets.token_urlsafe(32)
    nonce = (await api.get("/_synapse/admin/v1/register"))["nonce"]
    signed = f"{nonce}\0{name}\0{password}\0admin"
    mac = hmac.new(shared_secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
    request = {"nonce": nonce, "username": name, "password": password, "admin": True, "mac": mac}
    answer = await api.post("/_synapse/admin/v1/register", request)
    return replace(api, token=answer["access_token"])


async def _remove_helpers(as_bot: SynapseApi) -> None:
    admins = await as_bot.get("/_synapse/admin/v2/users", admins="true", name=_HELPER)
    for user in admins["users"]:
        name = quote(user["name"])
        await as_bot.put(f"/_synapse/admin/v1/users/{name}/admin", {"admin": False})
        await as_bot.post(f"/_synapse/admin/v1/deactivate/{name}", {"erase": True})
