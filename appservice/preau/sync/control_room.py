"""Control rooms on the homeserver: ours made and kept to the right bots, any of them read.

Believed is what the bot of the académie says in the room that this very bot made, and nothing else: anybody else's
events there are passed over, and logged.
"""

from __future__ import annotations

from typing import Final

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix.rooms import RoomCreation
from preau.model.events import Event
from preau.model.ids import RoomId, ServerName
from preau.model.wanted import Content, Membership, StateKey
from preau.policy.control import CONTROL, WORDS, BrokenWord, is_control_room, read
from preau.policy.powers import GUESTS, HISTORY, JOIN_RULES, POWER_LEVELS, SERVICE, VERSIONS_WITH_CREATORS
from preau.store import control
from preau.sync.context import Academy, Context

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ALIAS: Final = "_preau_control"
"""The alias' localpart of every académie's control room: so a peer finds it that missed its invitation."""

_CREATE: Final = StateKey("m.room.create")
_IN: Final = frozenset({Membership.JOIN, Membership.INVITE})


async def ensure_control_room(context: Context) -> RoomId:
    """Our own, made if there is none. One that we had forgotten is read, so that nothing is said twice.

    Raises:
        HomeserverError: this, and every function below, when a call is refused or the homeserver does not answer.
    """
    server = context.academy.server
    async with context.store.reading() as db:
        known = (await control.rooms(db)).get(server)
    if known is not None:
        return known
    made, _ = await context.homeserver.ensure_room(_creation(context.academy))
    said = await all_words(context, server, made)
    async with context.store.writing() as db:
        await control.save_room(db, server, made)
        await control.save_words(db, server, said)
    return made


async def invite_bots(context: Context, room: RoomId) -> bool:
    """Has the bots of all peers in our control room, and nobody else; False if one could not be invited."""
    homeserver, academy = context.homeserver, context.academy
    members, bots = await homeserver.members(room), frozenset(academy.peers.values())
    for user in sorted(user for user, how in members.items() if how in _IN and user not in bots | {academy.bot}):
        await homeserver.kick(room, user)
    complete = True
    for bot in sorted(bot for bot in bots if members.get(bot) not in _IN):
        try:
            await homeserver.invite(room, bot)
        except HomeserverUnreachable:
            raise
        except HomeserverError as refused:
            complete = False
            log.warning("peer_not_invited", bot=bot, reason=refused.happened)
    return complete


async def belongs_to(context: Context, server: ServerName, room: RoomId) -> bool:
    """Whether a room that we are in is that peer's control room."""
    created = await context.homeserver.whole_state_event(room, _CREATE)
    return created is not None and is_control_room(created.content, created.sender, context.academy.peers[server])


async def all_words(context: Context, server: ServerName, room: RoomId) -> dict[StateKey, Content]:
    """Everything that the académie says in its control room now."""
    events = await context.homeserver.state_events(room)
    said = {StateKey(event.type, event.state_key or ""): event for event in events if event.type in WORDS}
    return {key: _believed(context.academy, server, event) for key, event in said.items() if key.key}


async def one_word(context: Context, server: ServerName, room: RoomId, key: StateKey) -> Content:
    """What the académie says about one thing now; empty for nothing."""
    event = await context.homeserver.whole_state_event(room, key)
    return {} if event is None else _believed(context.academy, server, event)


def _believed(academy: Academy, server: ServerName, event: Event) -> Content:
    """What the académie's own bot wrote; nothing, if somebody else did, or if it is not understood."""
    bot = academy.bot if server == academy.server else academy.peers[server]
    if event.sender != bot:
        log.warning("word_not_believed", server=server, event_id=event.event_id, sender=event.sender)
        return {}
    try:
        read(server, StateKey(event.type, event.state_key or ""), event.content)
    except BrokenWord as broken:
        log.warning("word_not_understood", server=server, event_id=event.event_id, reason=str(broken))
        return {}
    return event.content


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
