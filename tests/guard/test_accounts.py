"""Accounts are made by the service alone, by the ways it uses, and by nobody else's."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.guard.guarded import Guarded, Reply
from tests.live.homeservers import PASSWORD, new_localpart, register

pytestmark = pytest.mark.live


async def test_the_service_makes_accounts_by_each_of_its_ways(guarded: Guarded) -> None:
    homeserver = guarded.homeserver
    by_registration = await register(homeserver, new_localpart(), "Alix ESSAI · parent")
    by_administration = f"@{new_localpart()}:{homeserver.server_name}"
    path, body = f"/_synapse/admin/v2/users/{quote(by_administration)}", {"password": PASSWORD}
    assert (await guarded.call("PUT", path, homeserver.bot, body)).status == 201
    assert await guarded.log_in(by_registration)
    assert (await by_shared_secret(guarded, new_localpart())).status == 200


async def by_shared_secret(guarded: Guarded, name: str) -> Reply:
    """The way in which `preau.matrix.first_admin` makes the first administrator."""
    path = "/_synapse/admin/v1/register"
    nonce = (await guarded.call("GET", path, guarded.homeserver.bot)).body["nonce"]
    secret = guarded.homeserver.credentials.registration_shared_secret
    signed = f"{nonce}\0{name}\0{PASSWORD}\0notadmin".encode()
    mac = hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
    return await guarded.call("POST", path, guarded.homeserver.bot, body)


async def from_outside(guarded: Guarded, body: dict[str, Any], query: str = "") -> Reply:
    """A registration by somebody without any token."""
    url = f"{guarded.homeserver.client_url}/_matrix/client/v3/register{query}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return Reply(response.status, await response.json())


FORM = {"username": "intrus", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}


async def test_the_settings_offer_no_registration(guarded: Guarded) -> None:
    assert (await from_outside(guarded, FORM)).status == 403
    assert (await from_outside(guarded, {}, "?kind=guest")).status == 403


async def test_where_the_settings_are_opened_the_guard_still_refuses(opened: Guarded) -> None:
    refused = await from_outside(opened, FORM)
    assert (refused.status, refused.rule) == (403, "registration")
    guest = await from_outside(opened, {}, "?kind=guest")
    assert (guest.status, guest.rule) == (403, "registration")
    assert (await by_shared_secret(opened, new_localpart())).status == 200
    assert await register(opened.homeserver, new_localpart(), "Alix ESSAI · parent")
