"""When something fails under a hook that nobody expected to, its door stays shut, in the person's language."""

from __future__ import annotations

import ast
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

import preau.guard
from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.facts import Language
from preau.model.people import Function
from preau.policy.refusals import Rule, sentence
from tests.guard.guarded import Guarded, Reply, guarded_spec

SHUT = {"errcode": "M_UNKNOWN", "error": sentence(Rule.NOT_READY, Language.FRENCH), "fr.preau.rule": "not_ready"}
MODULES = sorted(Path(preau.guard.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_hook_is_set_where_its_shut_door_is_known_and_nowhere_else(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for name in named if name.startswith("register_") and name.endswith("_callbacks")}


@pytest.fixture(scope="module")
async def troubled(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Guarded]:
    """A guarded homeserver whose database these tests may break."""
    spec = guarded_spec(tmp_path_factory.mktemp("troubled"), guard_authority)
    async with Homeserver(spec) as homeserver:
        yield Guarded(homeserver)


def change(guarded: Guarded, *statements: str) -> None:
    """Something happens to the database, behind Synapse's back."""
    file = guarded.homeserver.spec.folder / "data" / "homeserver.db"
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        for statement in statements:
            database.execute(statement)


def said_of(guarded: Guarded, hook: str) -> list[str]:
    """What the log says of a hook that failed."""
    log = (guarded.homeserver.spec.folder / "synapse.log").read_text(encoding="utf-8")
    return [line for line in log.splitlines() if f"{hook} failed, so that it refuses" in line]


async def _talk(guarded: Guarded) -> Reply:
    return await guarded.talk(await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER))


async def _upload(guarded: Guarded) -> Reply:
    teacher = await guarded.person(Function.TEACHER)
    return await guarded.call("POST", "/_matrix/media/v3/upload", teacher, raw=b"GIF89a")


@pytest.mark.live
@pytest.mark.parametrize(
    ("hook", "table", "ask", "told"),
    [
        ("on_create_room", "preau_guard_use", _talk, 0),  # told where the table is read
        ("is_user_allowed_to_upload_media_of_size", "local_media_repository", _upload, 1),
    ],
)
async def test_with_a_table_gone_the_answer_is_ours_and_the_log_tells_whom_it_befell(
    troubled: Guarded, hook: str, table: str, ask: Callable[[Guarded], Awaitable[Reply]], told: int
) -> None:
    change(troubled, f"ALTER TABLE {table} RENAME TO away")
    try:
        refused = await ask(troubled)
    finally:
        change(troubled, f"ALTER TABLE away RENAME TO {table}")
    assert (refused.status, refused.body) == (403, SHUT)
    lines = said_of(troubled, hook)
    assert len(lines) == told
    assert all(line.endswith(f":{troubled.homeserver.server_name}']") for line in lines), "who asked; nothing but ids"
    assert (await ask(troubled)).status == 200


@pytest.mark.live
async def test_where_a_rooms_first_event_cannot_be_read_nobody_enters(troubled: Guarded) -> None:
    guardian, teacher = await troubled.person(Function.GUARDIAN), await troubled.person(Function.TEACHER)
    room = str((await troubled.talk(guardian, teacher)).body["room_id"])
    await troubled.homeserver.stop()  # the next one has nothing of it in memory
    first = f"(SELECT event_id FROM events WHERE room_id = '{room}' AND type = 'm.room.create')"
    change(troubled, f"UPDATE event_json SET json = '[' WHERE event_id = {first}")
    await troubled.homeserver.start()
    refused = await troubled.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/join", teacher)
    assert (refused.status, refused.body) == (403, SHUT)
    assert len(said_of(troubled, "user_may_join_room")) == 1
