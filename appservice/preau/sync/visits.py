"""Visitors of other académies: where they are not as the appointments and their académies' words say.

::

    appointed and vouched for, not in the room ─┐
    in the room, not appointed or not vouched ──┴─► the school is due: `preau.sync.settle` invites, or takes out
"""

from __future__ import annotations

from preau.model.ids import Uai, split_user_id
from preau.model.wanted import Membership
from preau.policy.abroad import VISITING, may_visit, visiting
from preau.store import actual, control
from preau.sync.context import Context
from preau.sync.control import visitors_of, vouched


async def due(context: Context) -> frozenset[Uai]:
    """The schools whose visitors must come or go. Reads only what visitors are about, however large the académie."""
    server = context.academy.server
    async with context.store.reading() as db:
        rooms = await control.rooms_of_kinds(db, VISITING)
        visitors = await visitors_of(db, {key.school for key in rooms.values()}, context.clock.now())
        words = await vouched(db, context.academy)
        members = await actual.members_of(db, rooms)
    found: set[Uai] = set()
    for room, key in rooms.items():
        there = {user: how for user, how in members[room].items() if split_user_id(user)[1] != server}
        appointed = visitors.get((key.school, key.scope), frozenset())
        wanted = {user for user in appointed if may_visit(words.get(user, frozenset()), visiting(key.kind))}
        if any(_differs(there.get(user), wanted=user in wanted) for user in appointed | there.keys()):
            found.add(key.school)
    return frozenset(found)


def _differs(membership: Membership | None, *, wanted: bool) -> bool:
    """Whether somebody is in who should not be, or the other way round; whoever is banned stays out."""
    return membership is not Membership.BAN and wanted is not (membership in {Membership.JOIN, Membership.INVITE})
