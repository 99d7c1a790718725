"""The other académies: their control rooms, found, joined, read, and what follows from each word::

    start of the service ─► attend: our control room, with the peers' bots asked in ─► theirs joined, read whole
    an invitation of a peer's bot ─► joined, if it is that académie's control room ─► read whole
    an event in one of theirs ─► that one word read again ─┐
                                                           ▼
             what is new ─► kept ─► facts for the guard ─► our answer (`preau.sync.control`)

Believed is what the bot of the académie says in the room that this very bot made, and nothing else: anybody else's
events there are passed over, and logged. An event is a hint; what stands in the room now is what counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix.rooms import RoomCreation
from preau.model.control import SharedRoom
from preau.model.events import Event
from preau.model.ids import PersonId, RoomId, ServerName, Uai
from preau.model.wanted import Content, Membership, StateKey
from preau.policy.control import CONTROL, SHARED, WORDS, BrokenWord, is_control_room, read
from preau.policy.drift import MEMBER
from preau.policy.powers import GUESTS, HISTORY, JOIN_RULES, POWER_LEVELS, SERVICE, VERSIONS_WITH_CREATORS
from preau.policy.wanted import ACADEMY
from preau.store import control, people
from preau.store.facts import facts_changed
from preau.sync.context import Academy, Context
from preau.sync.control import publish
from preau.sync.push import push_facts

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ALIAS: Final = "_preau_control"
"""The alias' localpart of every académie's control room: so a peer finds it that missed its invitation."""

_CREATE: Final = StateKey("m.room.create")


class Peers:
    """The académies beside ours. ``reached``: each could be invited and read, the last time that was tried."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._academy = context.academy
        self._homeserver = context.homeserver
        self.reached = not context.academy.peers

    async def attend(self) -> None:
        """Makes our control room, invites the peers' bots, reads theirs, says what there is to say.

        Raises:
            HomeserverError: our own homeserver refused, or does not answer; attend again.
        """
        await self._forget_former_peers()
        if not self._academy.peers:
            self.reached = True
            return
        ours = await self._own_room()
        reached = await self._invite_bots(ours)
        for server in sorted(self._academy.peers):
            try:
                await self._visit(server)
            except HomeserverUnreachable:
                raise
            except HomeserverError as refused:
                reached = False
                log.warning("peer_not_reached", server=server, reason=refused.happened)
        await publish(self._context)
        self.reached = reached

    async def hear(self, event: Event) -> bool:
        """Whether an event of the inbox told us something new of another académie.

        Raises:
            HomeserverError: a call was refused, or the homeserver does not answer; hear it again.
        """
        if event.type == MEMBER and event.state_key == self._academy.bot:
            return await self._about_us(event)
        if event.type not in WORDS or not event.state_key:
            return False
        server = await self._whose(event.room)
        if server is None:
            return False
        key = StateKey(event.type, event.state_key)
        now = await self._homeserver.whole_state_event(event.room, key)
        return await self._take(server, {key: self._believed(server, now)})

    async def _about_us(self, event: Event) -> bool:
        """An invitation into a control room, or the end of our being in one."""
        membership = event.content.get("membership")
        inviting = next((server for server, bot in self._academy.peers.items() if bot == event.sender), None)
        if membership == Membership.INVITE and inviting is not None:
            return await self._enter(inviting, event.room)
        if membership in {Membership.LEAVE, Membership.BAN} and (server := await self._whose(event.room)) is not None:
            log.warning("control_room_lost", server=server, room=event.room)
            self.reached = False
            return await self._take(server, await self._nothing(server))
        return False

    # Our own room

    async def _own_room(self) -> RoomId:
        async with self._context.store.reading() as db:
            known = (await control.rooms(db)).get(self._academy.server)
        if known is not None:
            return known
        made, _ = await self._homeserver.ensure_room(_creation(self._academy))
        said = await self._homeserver.state_events(made)
        async with self._context.store.writing() as db:
            await control.save_room(db, self._academy.server, made)
            await control.save_words(db, self._academy.server, self._words(self._academy.server, said))
        return made

    async def _invite_bots(self, room: RoomId) -> bool:
        """The bots of all peers, and nobody else; False if one could not be invited."""
        members = await self._homeserver.members(room)
        bots, complete = set(self._academy.peers.values()), True
        for user, membership in sorted(members.items()):
            if user not in bots | {self._academy.bot} and membership in {Membership.JOIN, Membership.INVITE}:
                await self._homeserver.kick(room, user)
        for bot in sorted(bots):
            if members.get(bot) in {Membership.JOIN, Membership.INVITE}:
                continue
            try:
                await self._homeserver.invite(room, bot)
            except HomeserverUnreachable:
                raise
            except HomeserverError as refused:
                complete = False
                log.warning("peer_not_invited", bot=bot, reason=refused.happened)
        return complete

    # Theirs

    async def _forget_former_peers(self) -> None:
        async with self._context.store.writing() as db:
            left = await control.forget_others(db, {self._academy.server, *self._academy.peers})
            if left:
                await facts_changed(db, [ACADEMY])
        for room in left:
            await self._homeserver.leave(room, self._academy.bot)
        if left:
            await push_facts(self._context, [ACADEMY])

    async def _visit(self, server: ServerName) -> bool:
        """Reads a peer's control room, joined by its alias if we never came to know it."""
        async with self._context.store.reading() as db:
            room = (await control.rooms(db)).get(server)
        if room is None:
            room = await self._homeserver.resolve_alias(f"#{ALIAS}:{server}")
            if room is None:
                raise HomeserverError(f"{server} has no control room yet")
            return await self._enter(server, room)
        return await self._read(server, room)

    async def _enter(self, server: ServerName, room: RoomId) -> bool:
        """Joins a room that may be that académie's control room; one that is not is left at once."""
        bot = self._academy.bot
        await self._homeserver.join(room, bot, via=[server])
        created = await self._homeserver.whole_state_event(room, _CREATE)
        if created is None or not is_control_room(created.content, created.sender, self._academy.peers[server]):
            log.warning("no_control_room", server=server, room=room)
            await self._homeserver.leave(room, bot)
            return False
        async with self._context.store.writing() as db:
            await control.save_room(db, server, room)
        log.info("control_room_entered", server=server, room=room)
        return await self._read(server, room)

    async def _read(self, server: ServerName, room: RoomId) -> bool:
        """Everything that a control room says now; what it does not say any more is over."""
        said = self._words(server, await self._homeserver.state_events(room))
        return await self._take(server, {**await self._nothing(server), **said})

    async def _nothing(self, server: ServerName) -> dict[StateKey, Content]:
        """All that académie ever said, taken back."""
        async with self._context.store.reading() as db:
            return {key: {} for key in await control.words(db, server)}

    def _words(self, server: ServerName, events: Iterable[Event]) -> dict[StateKey, Content]:
        said = (event for event in events if event.type in WORDS and event.state_key)
        return {StateKey(event.type, event.state_key or ""): self._believed(server, event) for event in said}

    def _believed(self, server: ServerName, event: Event | None) -> Content:
        """What the académie's own bot wrote; nothing, if somebody else did, or if it is not understood."""
        bot = {self._academy.server: self._academy.bot, **self._academy.peers}[server]
        if event is None:
            return {}
        try:
            read(server, StateKey(event.type, event.state_key or ""), event.content)
        except BrokenWord as broken:
            log.warning("word_not_understood", server=server, event_id=event.event_id, reason=str(broken))
            return {}
        if event.sender != bot:
            log.warning("word_not_believed", server=server, event_id=event.event_id, sender=event.sender)
            return {}
        return event.content

    async def _whose(self, room: RoomId) -> ServerName | None:
        """The peer whose control room it is."""
        async with self._context.store.reading() as db:
            rooms = await control.rooms(db)
        return next((server for server in self._academy.peers if rooms.get(server) == room), None)

    async def _take(self, server: ServerName, said: Mapping[StateKey, Content]) -> bool:
        """Keeps what is new, tells the guard, answers; whether there was anything."""
        async with self._context.store.writing() as db:
            before = await control.words(db, server)
            new = {key: content for key, content in said.items() if before.get(key, {}) != content}
            if not new:
                return False
            await control.save_words(db, server, new)
            await facts_changed(db, [ACADEMY])
            asked = await people.schools_of(db, _asked(server, self._academy.server, new))
        log.info("heard", server=server, words=len(new))
        await push_facts(self._context, [ACADEMY])
        await publish(self._context, frozenset[Uai]().union(*asked.values()))
        return True


def _asked(server: ServerName, ours: ServerName, new: Mapping[StateKey, Content]) -> list[PersonId]:
    """The people of ours whom the words that changed ask for."""
    words = (read(server, key, new[key]) for key in new if key.type == SHARED)
    rooms = [word for word in words if isinstance(word, SharedRoom)]
    return sorted({PersonId(localpart) for room in rooms for localpart in room.asks_for(ours)})


def _creation(academy: Academy) -> RoomCreation:
    """Our control room: private, unencrypted, with one writer."""
    levels: Content = {
        "users": {} if academy.room_version in VERSIONS_WITH_CREATORS else {academy.bot: SERVICE},
        "users_default": 0,
        "events_default": SERVICE,
        "state_default": SERVICE,
        "invite": SERVICE,
        "kick": SERVICE,
        "ban": SERVICE,
        "redact": SERVICE,
    }
    return RoomCreation(
        version=academy.room_version,
        alias=ALIAS,
        name=f"Préau, {academy.name}",
        creation_content={CONTROL: True},
        initial_state={
            POWER_LEVELS: levels,
            JOIN_RULES: {"join_rule": "invite"},
            HISTORY: {"history_visibility": "joined"},
            GUESTS: {"guest_access": "forbidden"},
        },
    )
