"""What we know the homeserver has: accounts, rooms, their state, who is in them.

It is written after each successful call and corrected by the events that the homeserver sends, so that a plan needs no
question to the homeserver.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.facts import FactKind
from preau.model.ids import PersonId, RoomId, Uai, UserId
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey
from preau.store import tables
from preau.store.bulk import chunks, insert, upsert
from preau.store.due import mark

_ACCOUNT = tables.account.c
_ROOM = tables.room.c
_STATE = tables.room_state.c
_MEMBER = tables.room_member.c


class Place(NamedTuple):
    """One room that a user is tied to, and how."""

    key: RoomKey
    room: RoomId
    membership: Membership


async def accounts(db: AsyncConnection, persons: Collection[PersonId] | None = None) -> dict[UserId, ActualAccount]:
    """The accounts of these persons; of everybody when ``persons`` is None."""
    if persons is None:
        rows = list(await db.execute(select(tables.account)))
    else:
        rows = []
        for chunk in chunks(persons):
            rows += await db.execute(select(tables.account).where(_ACCOUNT.person.in_(chunk)))
    return {UserId(row.user_id): _account(row) for row in rows}


async def accounts_in(db: AsyncConnection, schools: Collection[Uai]) -> dict[UserId, ActualAccount]:
    """The accounts of everybody whom the registers of these schools ever named."""
    named = tables.roster_key.c
    found: dict[UserId, ActualAccount] = {}
    for chunk in chunks(schools):
        here = select(named.person).where(named.school.in_(chunk))
        rows = await db.execute(select(tables.account).where(_ACCOUNT.person.in_(here)))
        found.update({UserId(row.user_id): _account(row) for row in rows})
    return found


async def has_accounts(db: AsyncConnection) -> bool:
    """Whether anybody has an account."""
    return await db.scalar(select(_ACCOUNT.user_id).limit(1)) is not None


async def save_accounts(db: AsyncConnection, rows: Iterable[ActualAccount]) -> None:
    """Add accounts, or bring them to these values. The persons must have been introduced.

    Facts follow from there being an account, not from what is known of it.
    """
    rows = list(rows)
    known = await accounts(db, [row.person for row in rows])
    await mark(db, FactKind.PERSON, [row.person for row in rows if row.user not in known])
    await upsert(
        db,
        tables.account,
        (
            {
                "user_id": row.user,
                "person": row.person,
                "display_name": row.display_name,
                "active": row.active,
                "activated_at": row.activated_at,
            }
            for row in rows
        ),
    )


async def rooms_of_school(db: AsyncConnection, school: Uai) -> dict[RoomKey, ActualRoom]:
    """The school's rooms with state and members, in three queries. The académie's own rooms have the empty school."""
    return {room.key: room for room in await _rooms(db, _ROOM.school == school)}


async def keys_of_rooms(
    db: AsyncConnection, schools: Collection[Uai], rooms: Collection[str] = ()
) -> dict[RoomId, RoomKey]:
    """The rooms of these schools, and these rooms, without state and members."""
    asked = [_ROOM.school.in_(chunk) for chunk in chunks(schools)] + [_ROOM.room_id.in_(some) for some in chunks(rooms)]
    found: dict[RoomId, RoomKey] = {}
    for which in asked:
        rows = await db.execute(select(_ROOM.room_id, _ROOM.kind, _ROOM.school, _ROOM.scope).where(which))
        found.update({RoomId(row.room_id): _key(row.kind, row.school, row.scope) for row in rows})
    return found


async def room_by_id(db: AsyncConnection, room_id: RoomId) -> ActualRoom | None:
    """That room, or None when it is not one of ours."""
    found = await _rooms(db, _ROOM.room_id == room_id)
    return found[0] if found else None


async def place_of(db: AsyncConnection, room_id: RoomId) -> tuple[RoomKey, str] | None:
    """The key and version of that room, or None when it is not ours: what most events need, in one short query."""
    query = select(_ROOM.kind, _ROOM.school, _ROOM.scope, _ROOM.version).where(_ROOM.room_id == room_id)
    row = (await db.execute(query)).first()
    return None if row is None else (_key(row.kind, row.school, row.scope), row.version)


async def rooms_of_user(db: AsyncConnection, user: UserId) -> tuple[Place, ...]:
    """Every room of ours that the user is in, is invited to, knocks at or is banned from; sorted."""
    query = (
        select(_ROOM.kind, _ROOM.school, _ROOM.scope, _ROOM.room_id, _MEMBER.membership)
        .join_from(tables.room, tables.room_member)
        .where(_MEMBER.user_id == user)
    )
    return tuple(
        sorted(
            Place(_key(kind, school, scope), RoomId(room), Membership(how))
            for kind, school, scope, room, how in await db.execute(query)
        )
    )


async def membership(db: AsyncConnection, room_id: RoomId, user: UserId) -> Membership:
    """How the user is tied to that room as far as we know; whoever is not known there has left."""
    query = select(_MEMBER.membership).where(_MEMBER.room_id == room_id, _MEMBER.user_id == user)
    found: str | None = await db.scalar(query)
    return Membership.LEAVE if found is None else Membership(found)


async def members_of(db: AsyncConnection, rooms: Collection[RoomId]) -> defaultdict[RoomId, dict[UserId, Membership]]:
    """Who is tied to each of these rooms, as far as we know."""
    found: defaultdict[RoomId, dict[UserId, Membership]] = defaultdict(dict)
    for chunk in chunks(rooms):
        for row in await db.execute(select(tables.room_member).where(_MEMBER.room_id.in_(chunk))):
            found[RoomId(row.room_id)][UserId(row.user_id)] = Membership(row.membership)
    return found


async def save_room(db: AsyncConnection, room: ActualRoom) -> None:
    """Keep a room whole: its state and members replace what was known of them.

    A room of the same key under another id (one that an upgrade replaced) is forgotten.
    """
    key = room.key
    same_key = and_(_ROOM.kind == key.kind.value, _ROOM.school == key.school, _ROOM.scope == key.scope)
    forgotten = or_(_ROOM.room_id == room.room, same_key)
    await mark(db, FactKind.ROOM, [room.room, *(await db.scalars(select(_ROOM.room_id).where(forgotten)))])
    await db.execute(tables.room.delete().where(forgotten))
    place = {"school": key.school, "kind": key.kind.value, "scope": key.scope}
    await insert(db, tables.room, [place | {"room_id": room.room, "version": room.version}])
    await save_state(db, room.room, room.state)
    await save_members(db, [(room.room, user, membership) for user, membership in room.members.items()])


async def save_state(db: AsyncConnection, room_id: RoomId, state: Mapping[StateKey, Content | None]) -> None:
    """Bring pieces of a room's state to these contents; None forgets the piece. The others stay."""
    gone = [{"old_type": key.type, "old_key": key.key} for key, content in state.items() if content is None]
    if gone:
        one = tables.room_state.delete().where(
            _STATE.room_id == room_id, _STATE.type == bindparam("old_type"), _STATE.state_key == bindparam("old_key")
        )
        await db.execute(one, gone)
    await upsert(
        db,
        tables.room_state,
        (
            {"room_id": room_id, "type": key.type, "state_key": key.key, "content": content}
            for key, content in state.items()
            if content is not None
        ),
    )


async def save_members(db: AsyncConnection, rows: Iterable[tuple[RoomId, UserId, Membership]]) -> None:
    """Bring memberships in known rooms to these values, the last one counting; whoever left is forgotten."""
    latest = {(room, user): membership for room, user, membership in rows}
    gone = [{"old_room": room, "old_user": user} for (room, user), how in latest.items() if how is Membership.LEAVE]
    if gone:
        one = tables.room_member.delete().where(
            _MEMBER.room_id == bindparam("old_room"), _MEMBER.user_id == bindparam("old_user")
        )
        await db.execute(one, gone)
    await upsert(
        db,
        tables.room_member,
        (
            {"room_id": room, "user_id": user, "membership": how.value}
            for (room, user), how in latest.items()
            if how is not Membership.LEAVE
        ),
    )


async def _rooms(db: AsyncConnection, which: ColumnElement[bool]) -> list[ActualRoom]:
    state: defaultdict[str, dict[StateKey, Content]] = defaultdict(dict)
    for row in await db.execute(select(tables.room_state).join_from(tables.room_state, tables.room).where(which)):
        state[row.room_id][StateKey(row.type, row.state_key)] = row.content
    members: defaultdict[str, dict[UserId, Membership]] = defaultdict(dict)
    for row in await db.execute(select(tables.room_member).join_from(tables.room_member, tables.room).where(which)):
        members[row.room_id][UserId(row.user_id)] = Membership(row.membership)
    return [
        ActualRoom(
            key=_key(row.kind, row.school, row.scope),
            room=RoomId(row.room_id),
            version=row.version,
            state=state[row.room_id],
            members=members[row.room_id],
        )
        for row in await db.execute(select(tables.room).where(which))
    ]


def _key(kind: str, school: str, scope: str) -> RoomKey:
    return RoomKey(RoomKind(kind), Uai(school), scope)


def _account(row: Row[Any]) -> ActualAccount:
    return ActualAccount(
        user=UserId(row.user_id),
        person=PersonId(row.person),
        display_name=row.display_name,
        active=row.active,
        activated_at=row.activated_at,
    )
