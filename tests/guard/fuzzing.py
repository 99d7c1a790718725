"""What the fuzzing tests share: odd texts, odd numbers and odd objects, and how they look whether anything failed.

``make test`` tries a little of it, ``make test-matrix`` more.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from preau.model.facts import Cell, Fact, Party, PersonFacts, RoomFacts, SchoolFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.guard.guarded import Reply

WHOLE: Final = os.environ.get("PREAU_MATRIX") == "whole"
CLIENT: Final = "/_matrix/client/v3"

little = settings(
    max_examples=60 if WHOLE else 4,  # on each of two databases
    deadline=None,
    phases=[Phase.generate],  # each example is some requests: its shortening would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)

ODD_TEXTS: Final = ("", "\0", "\u202e", "é" * 300, "!", "@", "#a:b", "@a:b:c", "m.room.member", "../..", "%2F", "𝒫")
ODD_NUMBERS: Final = (0, -1, 2**31, 2**53 - 1, 2**53, -(2**63), 2**80)

texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
leaves = st.one_of(st.none(), st.booleans(), st.sampled_from(ODD_NUMBERS), st.floats(allow_nan=False), texts)


canonical = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), texts)
"""What an event may hold between homeservers: one with anything else is dropped before anybody looks at it."""


def objects(*fields: str, leaves: st.SearchStrategy[Any] = leaves) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in which these fields hold anything, several levels deep, beside fields that nobody knows."""
    names = st.one_of(st.sampled_from(fields), texts)
    values = st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4))
    )
    return st.dictionaries(names, values, max_size=6)


FIELDS: Final = (
    *("membership", "displayname", "avatar_url", "reason", "is_direct", "third_party_invite", "users", "events"),
    *("join_rule", "allow", "history_visibility", "redacts", "m.relates_to", "rel_type", "event_id", "body", "msgtype"),
    *("url", "algorithm", "via", "creator", "fr.preau.room", "fr.preau.direct", "join_authorised_via_users_server"),
)
"""Of contents: those that a rule, or Synapse, looks at."""

CONTENTS: Final = objects(*FIELDS)
MESSAGE_TYPES: Final = st.one_of(
    st.sampled_from(["m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted", "m.room.member"]), texts
)
STATE_TYPES: Final = st.one_of(
    st.sampled_from(["m.room.member", "m.room.power_levels", "m.room.join_rules", "m.space.child", "m.room.redaction"]),
    st.sampled_from(["m.room.third_party_invite", "m.room.canonical_alias", "m.room.tombstone", "fr.preau.room"]),
    texts,
)


PERSON_IDS: Final = st.one_of(st.sampled_from(["@:a", "@a:b:c", "@é:x", "@a:"]), texts.map("@{}:x".format))
ROOM_IDS: Final = st.one_of(texts.map("!{}".format), texts.map("!{}:x".format))
ALIASES: Final = st.one_of(texts, texts.map("#{}".format), texts.map("#{}:localhost:1".format))
EVENT_IDS: Final = st.one_of(texts, texts.map("${}".format), texts.map("${}:x".format))

# A NUL is refused, whatever it is in: PostgreSQL cannot hold it.
_texts, _people, _rooms = (each.filter(lambda text: "\0" not in text) for each in (texts, PERSON_IDS, ROOM_IDS))
_functions = st.frozensets(st.sampled_from(Function), max_size=3)
_cells = st.dictionaries(st.tuples(st.sampled_from(Function), st.sampled_from(Function)), st.sampled_from(Cell))
_parties = st.builds(
    Party,
    st.just(PersonId("")),  # it is the person's own: not sent
    *(_texts.map(Uai), _functions, st.frozensets(_texts.map(DivisionCode)), st.frozensets(_texts.map(PersonId))),
    opted_in=st.booleans(),
)
_admits = st.dictionaries(_texts.map(ServerName), _functions)
ODD_FACTS: Final[st.SearchStrategy[Fact]] = st.one_of(
    st.builds(PersonFacts, _people.map(UserId), _texts, st.lists(_parties, max_size=2).map(tuple)),
    st.builds(SchoolFacts, _texts.map(Uai), _cells, st.booleans()),
    st.builds(RoomFacts, _rooms.map(RoomId), st.sampled_from(RoomKind), _texts.map(Uai), _texts, _admits),
    st.builds(SharedRoomFacts, _rooms.map(RoomId), _texts.map(ServerName), _functions),
    st.builds(VouchFacts, _people.map(UserId), _functions),
)
"""Facts that can be read and make no sense: schools, people and rooms that there are not."""


OF_SYNAPSE: Final = (
    "SynapseError: 500 - Tried to send member event through non-member codepath",
    ", in is_admin_redaction\n",
    """event_dict["content"]["room_version"]""",
    "ValueError: A string literal cannot contain NUL (0x00) characters.",
)
"""Four of Synapse's own errors (1.163), each before the guard is asked: a membership sent as a message, a redaction of
nothing set as state, a room's creation set as state, an id with a NUL on PostgreSQL."""

ANY_OF_SYNAPSES: Final = ("Traceback",)
"""Where Synapse itself trips over what no client sends, each time elsewhere: whatever does not lead through ours."""


@contextlib.contextmanager
def nothing_fails(log: Path, of_synapse: Sequence[str] = OF_SYNAPSE) -> Iterator[list[Reply]]:
    """Collects replies; afterwards none is an error of the server, and no rule or hook of the guard has failed.

    Args:
        log: the homeserver's.
        of_synapse: what it says of errors that are Synapse's own.
    """
    begun = log.stat().st_size
    replies: list[Reply] = []
    yield replies
    with log.open("rb") as file:
        file.seek(begun)
        said = file.read().decode(errors="replace")
    traces = re.findall(r"Traceback.*?(?=^\d{4}-\d\d-\d\d )", said, re.DOTALL | re.MULTILINE)
    assert not [trace for trace in traces if _is_ours(trace)]
    assert "A rule failed" not in said
    own_faults = sum(said.count(fault) for fault in of_synapse)
    failed = [reply for reply in replies if reply.status >= 500 and reply.status != 502]  # 502: another server's
    assert len(failed) <= own_faults, (failed, traces)


def _is_ours(trace: str) -> bool:
    """Whether an error is the guard's; not one of Synapse's own parts that it wraps and handed the call on to."""
    files = re.findall(r'File "([^"]+)"', trace)
    ours = [file for file in files if "/preau/" in file]
    return bool(ours) and (not ours[-1].endswith("/preau/guard/inner/people.py") or ours[-1] == files[-1])
