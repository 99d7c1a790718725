"""``/_synapse/client/preau/v1/devices``: the service asks for an account's devices and confirms one.

::

    GET  devices?user=@k7m2q4xd:nord.example        ─► {"devices": [{"id", "name", "confirmed", "seen_at", …}]}
    POST devices/confirm {"user", "device", "by"}   ─► {}, or 404 if the account has no such device
"""

from __future__ import annotations

from typing import Any

from synapse.module_api import DirectServeJsonResource, SynapseRequest
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.devices import Device, Devices
from preau.guard.web import BotOnly, read_object


class DevicesResource(DirectServeJsonResource):
    """``GET devices``: those that the account has now."""

    def __init__(self, bot_only: BotOnly, devices: Devices) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._devices = devices

    async def _async_render_GET(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        users = (request.args or {}).get(b"user", [])
        if len(users) != 1:
            raise SynapseError(400, "devices?user=: one user is expected.", Codes.INVALID_PARAM)
        found = await self._devices.of(users[0].decode("utf-8", "replace"))
        return 200, {"devices": [_describe(device) for device in found or []]}


class ConfirmResource(DirectServeJsonResource):
    """``POST devices/confirm``: frees a device; again changes nothing."""

    def __init__(self, bot_only: BotOnly, devices: Devices) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._devices = devices

    async def _async_render_POST(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        body = read_object(request)
        user, device, by = (body.get(name) for name in ("user", "device", "by"))
        if not isinstance(user, str) or not isinstance(device, str) or not isinstance(by, str):
            raise SynapseError(400, "devices/confirm: user, device and by are expected.", Codes.INVALID_PARAM)
        if device not in {known.id for known in await self._devices.of(user) or []}:
            raise SynapseError(404, "This account has no such device.", Codes.NOT_FOUND)
        await self._devices.confirm(user, device, by)
        return 200, {}


def _describe(device: Device) -> dict[str, Any]:
    known = device.known
    return {
        "id": device.id,
        "name": device.name,
        "confirmed": device.confirmed,
        "seen_at": known.seen_at if known else None,
        "confirmed_at": known.confirmed_at if known else None,
        "confirmed_by": known.confirmed_by if known else None,
    }
