"""What was said in the control rooms: ours, which we wrote, and those of the other académies, as they were read.

::

    control_room    whose control room is which room (our own stands under our own server)
    control_word    what that académie says there now; a word that was taken back is gone

Words are kept as they were written; `preau.policy.control` reads them. Whatever changes them marks the académie in
`preau.store.due`: the guard's facts about others follow from them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.facts import FactKey, FactKind
from preau.model.ids import RoomId, ServerName, Uai
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Content, StateKey
from preau.policy.wanted import ACADEMY
from preau.store import tables
from preau.store.bulk import upsert
from preau.store.due import mark

_ROOM = tables.control_room.c
_WORD = tables.control_word.c


async def rooms(db: AsyncConnection) -> dict[ServerName, RoomId]:
    """The control rooms we are in, by whose they are."""
    return {ServerName(row.server): RoomId(row.room_id) for row in await db.execute(select(tables.control_room))}


async def save_room(db: AsyncConnection, server: ServerName, room: RoomId) -> None:
    """That room is that académie's control room from now on; what an earlier one said is forgotten."""
    known = await db.scalar(select(_ROOM.room_id).where(_ROOM.server == server))
    if known == room:
        return
    await db.execute(tables.control_word.delete().where(_WORD.server == server))
    await mark(db, FactKind.SCHOOL, [ACADEMY])
    await upsert(db, tables.control_room, [{"server": server, "room_id": room}])


async def forget_others(db: AsyncConnection, servers: Collection[ServerName]) -> list[RoomId]:
    """Forgets the académies that are none of these, with all they said; the rooms that were theirs."""
    gone = {server: room for server, room in (await rooms(db)).items() if server not in servers}
    for table in (tables.control_word, tables.control_room):
        await db.execute(table.delete().where(table.c.server.in_(sorted(gone))))
    if gone:
        await mark(db, FactKind.SCHOOL, [ACADEMY])
    return list(gone.values())


async def words(db: AsyncConnection, server: ServerName) -> dict[StateKey, Content]:
    """What one académie says now."""
    found = await db.execute(select(tables.control_word).where(_WORD.server == server))
    return {StateKey(row.type, row.state_key): row.content for row in found}


async def words_of_others(db: AsyncConnection, ours: ServerName) -> list[tuple[ServerName, StateKey, Content]]:
    """What all the others say now."""
    query = select(tables.control_word).where(_WORD.server != ours).order_by(_WORD.server, _WORD.type, _WORD.state_key)
    return [(ServerName(row.server), StateKey(row.type, row.state_key), row.content) for row in await db.execute(query)]


async def save_words(db: AsyncConnection, server: ServerName, said: Mapping[StateKey, Content]) -> None:
    """These words are as that académie says them now; an empty one was taken back. The others stay."""
    await _forget(db, server, [key for key, content in said.items() if not content])
    rows = (
        {"server": server, "type": key.type, "state_key": key.key, "content": content}
        for key, content in said.items()
        if content
    )
    await upsert(db, tables.control_word, rows)
    await mark(db, FactKind.SCHOOL, [ACADEMY])


async def rooms_of_kinds(db: AsyncConnection, kinds: Collection[RoomKind]) -> dict[RoomId, RoomKey]:
    """The rooms of ours of these kinds, in all schools."""
    room = tables.room.c
    query = select(room.room_id, room.kind, room.school, room.scope)
    found = await db.execute(query.where(room.kind.in_(sorted(kind.value for kind in kinds))))
    return {RoomId(row.room_id): RoomKey(RoomKind(row.kind), Uai(row.school), row.scope) for row in found}


async def facts_told(db: AsyncConnection) -> list[FactKey]:
    """The facts about others that were told to the guard and not taken back."""
    fact = tables.guard_fact.c
    kinds = (FactKind.SHARED_ROOM, FactKind.VOUCH)
    query = select(fact.kind, fact.id).where(fact.kind.in_([kind.value for kind in kinds]))
    return [(FactKind(row.kind), row.id) for row in await db.execute(query)]


async def _forget(db: AsyncConnection, server: ServerName, keys: Iterable[StateKey]) -> None:
    for key in keys:
        one = tables.control_word.delete().where(
            _WORD.server == server, _WORD.type == key.type, _WORD.state_key == key.key
        )
        await db.execute(one)
