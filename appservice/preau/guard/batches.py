"""Rooms and memberships in batches, decided here and made by `preau.guard.inner.chain`::

    a room with its members                                people out of a room, and into it
      does the alias lead to one? ─► missing members in       out, sent by the bot, a hundred at a time
      otherwise: first event ─► alias ─► bot, all state,            │
      members up to a hundred events ─► stored, all or nothing      ▼
                                    └─ members left over ───► in, sent by each person, authorised by the bot
                                                                    │  `admission`, then the room's own rules
                                                                    ▼
                                                              joined · left · refused, with the reason

The alias is set before anything is stored under it. A process that dies in between leaves an alias that leads to a room
which nobody ever entered; whoever asks again has it lead to a new one. So nobody is ever in two rooms of one alias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from synapse.module_api import JsonDict, ModuleApi, RoomAlias
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.admission import Admission
from preau.guard.building import Building
from preau.guard.facts import Unreadable
from preau.guard.inner import tables as inner_tables
from preau.guard.inner.chain import LONGEST, Chain, Chains, Draft
from preau.guard.inner.tables import Account
from preau.guard.rooms import CREATE, MANAGED_FIELD, Managed, Rooms
from preau.guard.settings import Settings

_MEMBER: Final = "m.room.member"
_POWER_LEVELS: Final = "m.room.power_levels"
_JOIN_RULES: Final = "m.room.join_rules"

_AUTHORISED: Final = frozenset({"restricted", "knock_restricted"})
"""The join rules under which whoever may invite may let somebody in without (Matrix, room version 8)."""


@dataclass(frozen=True, slots=True)
class RoomOrder:
    """A room to be made: every piece of its state, and who is in it beside the bot.

    ``alias`` is a localpart; without one, each time it is asked for another room is made.
    """

    alias: str | None
    version: str
    creation_content: Mapping[str, Any]
    state: Sequence[tuple[str, str, Mapping[str, Any]]]
    members: Sequence[str]


@dataclass(slots=True)
class Moved:
    """Who is in, who is out, and who was refused, each with the error as Matrix writes it."""

    joined: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    refused: dict[str, JsonDict] = field(default_factory=dict)

    def refuse(self, user: str, error: SynapseError) -> None:
        """Notes why somebody stays where they are."""
        self.refused[user] = {"errcode": error.errcode, "error": error.msg}


@dataclass(frozen=True, slots=True)
class Made:
    """A room, whether it is new, and what became of its members."""

    room: str
    new: bool
    moved: Moved = field(default_factory=Moved)


class Batches:
    """Makes rooms and moves people, on behalf of the bot."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the guard's parts that it stands on, built in one place
        self,
        api: ModuleApi,
        settings: Settings,
        chains: Chains,
        building: Building,
        rooms: Rooms,
        admission: Admission,
    ) -> None:
        self._api = api
        self._bot = settings.bot
        self._server = settings.server
        self._chains = chains
        self._building = building
        self._rooms = rooms
        self._admission = admission

    async def make_room(self, order: RoomOrder) -> Made:
        """The room of the alias, with these members in it; made if there is none.

        Raises:
            SynapseError: the alias leads to somebody else's room, or the room cannot be made as ordered.
        """
        if order.alias is None:
            return await self._filled(await self._make(order, None), order)
        alias = RoomAlias(order.alias, self._server)
        async with self._building.alone(alias.to_string()):
            room = await self._made_before(alias, order.creation_content)
            made = Made(room, new=False) if room is not None else await self._make(order, alias)
        return await self._filled(made, order)

    async def move(
        self, room: str, *, join: Sequence[str] = (), leave: Sequence[str] = (), reason: str | None = None
    ) -> Moved:
        """Takes people out of a room of the bot's, then brings others in.

        Raises:
            SynapseError: it is no room of the bot's, or Synapse could not go on. What was done until then stays done.
        """
        what, moved = await self._ours(room), Moved()
        for users in _chunks(leave):
            async with self._chains.extending(room) as chain:
                await self._take_out(chain, users, reason, moved)
        for users in _chunks(join):
            admitted = await self._admitted(users, what, moved)
            async with self._chains.extending(room) as chain:
                await self._bring_in(chain, admitted, moved)
        return moved

    async def _made_before(self, alias: RoomAlias, ordered: Mapping[str, Any]) -> str | None:
        """The room that an alias leads to, if anybody ever entered it."""
        room = await self._chains.room_of(alias)
        entered = inner_tables.was_ever_entered
        if room is None or not await self._api.run_db_interaction("preau_guard_entered", entered, room):
            return None
        create = (await self._api.get_room_state(room, [CREATE])).get(CREATE)
        if create is None or create.sender != self._bot:
            raise SynapseError(409, "The alias leads to somebody else's room.", Codes.ROOM_IN_USE)
        if create.content.get(MANAGED_FIELD) != ordered.get(MANAGED_FIELD):
            raise SynapseError(409, "The alias leads to another room of the service's.", Codes.ROOM_IN_USE)
        return room

    async def _make(self, order: RoomOrder, alias: RoomAlias | None) -> Made:
        """A new room with all its state and the first of its members, stored all or nothing."""
        chain = await self._chains.begin(self._bot, order.version, order.creation_content)
        if alias is not None:
            await self._chains.point(alias, chain.room, self._bot)
        await chain.add(_join((await self._admission.accounts([self._bot]))[self._bot]))
        # Power levels first, as Synapse itself does: they decide who may set the rest.
        for event_type, state_key, content in sorted(order.state, key=lambda piece: piece[0] != _POWER_LEVELS):
            await chain.add(Draft(event_type, state_key, self._bot, content))
        moved, at_once = Moved(), LONGEST - len(chain.made)
        what = self._rooms.created_by(chain.made[0])
        admitted = await self._admitted(order.members[:at_once], what, moved) if isinstance(what, Managed) else []
        await self._bring_in(chain, admitted, moved)
        await self._api.run_db_interaction("preau_guard_depth", inner_tables.begins_at, chain.room, 1)
        return Made(chain.room, new=True, moved=moved)

    async def _filled(self, made: Made, order: RoomOrder) -> Made:
        """The same room, with those members in it who are not yet, and of whom nothing is said yet."""
        told = {*made.moved.joined, *made.moved.refused}
        left_over = [user for user in order.members if user not in told]
        if left_over:
            rest = await self.move(made.room, join=left_over)
            made.moved.joined.extend(rest.joined)
            made.moved.refused.update(rest.refused)
        return made

    async def _ours(self, room: str) -> Managed:
        """What room that is, if it is one that the bot made."""
        try:
            what = await self._rooms.room(room)
        except Unreadable:
            raise SynapseError(503, "The facts cannot be read at the moment; try again.", Codes.UNKNOWN) from None
        if not isinstance(what, Managed):
            raise SynapseError(404, "The service has no such room here.", Codes.NOT_FOUND)
        return what

    async def _admitted(self, users: Sequence[str], what: Managed, moved: Moved) -> list[Account]:
        admitted = []
        for user, verdict in (await self._admission.judge(users, what)).items():
            if isinstance(verdict, Account):
                admitted.append(verdict)
            else:
                moved.refuse(user, verdict)
        return admitted

    async def _bring_in(self, chain: Chain, accounts: Sequence[Account], moved: Moved) -> None:
        """Joins these people, who may enter, and stores the chain."""
        await chain.load_members([account.user for account in accounts])
        rules = await chain.get(_JOIN_RULES)
        restricted = rules is not None and rules.content.get("join_rule") in _AUTHORISED
        joined = []
        for account in accounts:
            before = await chain.membership(account.user)
            if before != "join":
                # An invitation is a right of its own, and needs nobody's authority, as in an ordinary join.
                draft = _join(account, self._bot if restricted and before != "invite" else None)
                if not await _added(chain, draft, moved):
                    continue
            joined.append(account.user)
        await chain.store(self._bot)
        moved.joined.extend(joined)

    async def _take_out(self, chain: Chain, users: Sequence[str], reason: str | None, moved: Moved) -> None:
        """Removes these people, whether they are in, invited or knocking, and stores the chain."""
        await chain.load_members(users)
        out, uninvited = [], []
        for user in users:
            before = await chain.membership(user)
            if before not in {"", "leave", "ban"}:
                draft = Draft(
                    _MEMBER, user, self._bot, {"membership": "leave", **({"reason": reason} if reason else {})}
                )
                if not await _added(chain, draft, moved):
                    continue
                uninvited += [user] if before != "join" else []
            out.append(user)
        await chain.store(self._bot, tell=uninvited)
        moved.left.extend(out)


def _join(account: Account, authority: str | None = None) -> Draft:
    """Somebody's own join, with what Synapse puts into it (``RoomMemberHandler.update_membership_locked``)."""
    content = {
        "membership": "join",
        "displayname": account.display_name,
        "avatar_url": account.avatar,
        "join_authorised_via_users_server": authority,
    }
    return Draft(
        _MEMBER, account.user, account.user, {key: value for key, value in content.items() if value is not None}
    )


async def _added(chain: Chain, draft: Draft, moved: Moved) -> bool:
    """Whether the room's own rules let the event into the chain; if not, that is noted."""
    try:
        await chain.add(draft)
    except SynapseError as error:
        moved.refuse(draft.state_key, error)
        return False
    return True


def _chunks(users: Sequence[str]) -> Iterator[Sequence[str]]:
    return (users[start : start + LONGEST] for start in range(0, len(users), LONGEST))
