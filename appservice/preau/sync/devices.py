"""New devices: of those who reach many they are limited by the guard until somebody who knows the person confirms.

::

    telephone call: is it you? ─► confirm ─► guard ─► journal
"""

from __future__ import annotations

from preau.errors import HomeserverError, UnknownSubject
from preau.matrix.guard import Device
from preau.model.ids import UserId
from preau.store import journal
from preau.store.journal import Entry
from preau.sync.context import Context


async def confirm(context: Context, user: UserId, device: str | None, *, actor: str) -> Device:
    """Confirms a device, or the only one that waits for it.

    Args:
        context: homeserver, store and clock.
        user: whose device.
        device: its id; None for the only one that is not confirmed.
        actor: who says so, for the guard and the journal.

    Raises:
        UnknownSubject: there is no such device, or none or several wait; nothing was done.
    """
    chosen = _chosen(user, await context.homeserver.devices(user), device)
    try:
        await context.homeserver.confirm_device(user, chosen.id, actor)
    except HomeserverError as refused:
        if refused.status != 404:
            raise
        raise UnknownSubject(f"{user} logged out of {chosen.id} meanwhile.") from None
    async with context.store.writing() as db:
        entry = Entry(actor, "device_confirmed", user, {"device": chosen.id})
        await journal.append(db, [entry], context.clock.now())
    return chosen


def _chosen(user: UserId, devices: tuple[Device, ...], asked: str | None) -> Device:
    waiting = [device for device in devices if not device.confirmed]
    fitting = [device for device in devices if device.id == asked] if asked is not None else waiting
    if len(fitting) == 1:
        return fitting[0]
    if asked is not None:
        happened = f"{user} has no device {asked}."
    else:
        happened = f"{user} has {len(waiting) or 'no'} devices that wait to be confirmed."
    raise UnknownSubject(happened, advice="`preau device list PERSON` shows them; name one.")
