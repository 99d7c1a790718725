"""The other académies: their control rooms found, joined and heard, and what follows from each word::

    start of the service ─► attend: our control room, with the peers' bots asked in ─► theirs joined, read whole
    an invitation of a peer's bot ─► joined, if it is that académie's control room ─► read whole
    an event in one of theirs ─► that one word read again ─┐
                                                           ▼
                             kept ─► facts for the guard ─► our answer (`preau.sync.control`)

An event is a hint; what stands in the room now is what counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.model.control import SharedRoom
from preau.model.events import Event
from preau.model.ids import PersonId, RoomId, ServerName, Uai
from preau.model.wanted import Content, Membership, StateKey
from preau.policy.control import SHARED, WORDS, read
from preau.policy.drift import MEMBER
from preau.policy.wanted import ACADEMY
from preau.store import control, people
from preau.sync.context import Context
from preau.sync.control import publish
from preau.sync.control_room import ALIAS, all_words, belongs_to, ensure_control_room, invite_bots, one_word
from preau.sync.push import push_facts

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Peers:
    """The académies beside ours. ``reached``: each could be invited and read, the last time that was tried."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._academy = context.academy
        self._homeserver = context.homeserver
        self.reached = False

    async def attend(self) -> None:
        """Makes our control room, invites the peers' bots, reads theirs, says what there is to say.

        Raises:
            HomeserverError: our own homeserver refused, or does not answer; attend again.
        """
        for room in await self._forget_all_but({self._academy.server, *self._academy.peers}):
            await self._homeserver.leave(room, self._academy.bot)
        reached = True
        if self._academy.peers:
            reached = await invite_bots(self._context, await ensure_control_room(self._context))
        for server in sorted(self._academy.peers):
            reached &= await self._tried(server, None)
        await publish(self._context)
        self.reached = reached

    async def hear(self, event: Event) -> bool:
        """Whether an event of the inbox was another académie's word, or about where it says them.

        Raises:
            HomeserverError: our own homeserver refused, or does not answer; hear it again.
        """
        if event.type == MEMBER and event.state_key == self._academy.bot:
            return await self._about_us(event)
        if event.type not in WORDS or not event.state_key:
            return False
        server = await self._whose(event.room)
        if server is None:
            return False
        key = StateKey(event.type, event.state_key)
        await self._take(server, {key: await one_word(self._context, server, event.room, key)})
        return True

    async def _about_us(self, event: Event) -> bool:
        """An invitation into a control room, or the end of our being in one."""
        membership = event.content.get("membership")
        inviting = next((server for server, bot in self._academy.peers.items() if bot == event.sender), None)
        if membership == Membership.INVITE and inviting is not None:
            self.reached &= await self._tried(inviting, event.room)
            return True
        if membership in {Membership.LEAVE, Membership.BAN} and (server := await self._whose(event.room)) is not None:
            log.warning("control_room_lost", server=server, room=event.room)
            self.reached = False
            await self._forget_all_but({self._academy.server, *self._academy.peers} - {server})
            return True
        return False

    async def _tried(self, server: ServerName, room: RoomId | None) -> bool:
        """Enters that room, or goes to the control room that we know or find; False if a peer kept us from it."""
        try:
            await (self._visit(server) if room is None else self._enter(server, room))
        except HomeserverUnreachable:
            raise
        except HomeserverError as refused:
            log.warning("peer_not_reached", server=server, reason=refused.happened)
            return False
        return True

    async def _forget_all_but(self, servers: Collection[ServerName]) -> list[RoomId]:
        """Believes these from now on and nobody else; the control rooms of whoever was believed before."""
        async with self._context.store.writing() as db:
            left = await control.forget_others(db, servers)
        if left:
            await push_facts(self._context, [ACADEMY])
        return left

    async def _visit(self, server: ServerName) -> None:
        """Reads a peer's control room, joined by its alias if we never came to know it."""
        async with self._context.store.reading() as db:
            room = (await control.rooms(db)).get(server)
        if room is not None:
            await self._read(server, room)
            return
        found = await self._homeserver.resolve_alias(f"#{ALIAS}:{server}")
        if found is None:
            raise HomeserverError(f"{server} has no control room yet")
        await self._enter(server, found)

    async def _enter(self, server: ServerName, room: RoomId) -> None:
        """Joins a room that may be that académie's control room; one that is not is left at once."""
        bot = self._academy.bot
        await self._homeserver.join(room, bot, via=[server])
        if not await belongs_to(self._context, server, room):
            log.warning("no_control_room", server=server, room=room)
            await self._homeserver.leave(room, bot)
            return
        async with self._context.store.writing() as db:
            await control.save_room(db, server, room)
        log.info("control_room_entered", server=server, room=room)
        await self._read(server, room)

    async def _read(self, server: ServerName, room: RoomId) -> None:
        """Everything that a control room says now; what it does not say any more is over."""
        said = await all_words(self._context, server, room)
        await self._take(server, {**await self._nothing(server), **said})

    async def _nothing(self, server: ServerName) -> dict[StateKey, Content]:
        """All that académie ever said, taken back."""
        async with self._context.store.reading() as db:
            return {key: {} for key in await control.words(db, server)}

    async def _whose(self, room: RoomId) -> ServerName | None:
        """The peer whose control room it is."""
        async with self._context.store.reading() as db:
            rooms = await control.rooms(db)
        return next((server for server in self._academy.peers if rooms.get(server) == room), None)

    async def _take(self, server: ServerName, said: Mapping[StateKey, Content]) -> None:
        """Keeps what is new, tells the guard, answers; both even if nothing is new: a try before may have failed."""
        async with self._context.store.writing() as db:
            before = await control.words(db, server)
            new = {key: content for key, content in said.items() if before.get(key, {}) != content}
            if new:
                await control.save_words(db, server, new)
            asked = await people.schools_of(db, _asked(server, self._academy.server, said))
        log.info("heard", server=server, words=len(said), new=len(new))
        await push_facts(self._context, [ACADEMY])
        await publish(self._context, frozenset[Uai]().union(*asked.values()))


def _asked(server: ServerName, ours: ServerName, said: Mapping[StateKey, Content]) -> list[PersonId]:
    """The people of ours for whom these words ask."""
    words = (read(server, key, content) for key, content in said.items() if key.type == SHARED)
    rooms = [word for word in words if isinstance(word, SharedRoom)]
    return sorted({PersonId(localpart) for room in rooms for localpart in room.asks_for(ours)})
