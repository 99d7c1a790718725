"""Files: who may upload which, how large and how many, on every path; and the files of another académie."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.model.facts import Language, Party, PersonFacts, SchoolFacts
from preau.model.ids import PersonId, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.guard.files import ELF, PDF, office, png, send_picture, status
from tests.guard.guarded import Guarded, Reply
from tests.guard.neighbours import Neighbours, neighbours
from tests.live.homeservers import new_localpart, register

pytestmark = pytest.mark.live

MIB = 2**20
OPEN_SCHOOL = Uai("0990091F")
CONFIGS = [*(f"/_matrix/media/{version}/config" for version in ("r0", "v1", "v3")), "/_matrix/client/v1/media/config"]


async def _post(prefix: str, guarded: Guarded, user: UserId, content: bytes) -> Reply:
    return await guarded.call("POST", f"/_matrix/media/{prefix}/upload", user, raw=content)


async def _put(_: str, guarded: Guarded, user: UserId, content: bytes) -> Reply:
    made = await guarded.call("POST", "/_matrix/media/v1/create", user)
    uri: str = made.body["content_uri"]
    return await guarded.call("PUT", f"/_matrix/media/v3/upload/{uri.removeprefix('mxc://')}", user, raw=content)


UPLOADS = pytest.mark.parametrize(("upload", "prefix"), [(_post, "r0"), (_post, "v1"), (_post, "v3"), (_put, "put")])
Upload = Callable[[str, Guarded, UserId, bytes], Awaitable[Reply]]


@UPLOADS
async def test_a_teacher_sends_a_picture(guarded: Guarded, upload: Upload, prefix: str) -> None:
    teacher = await guarded.person(Function.TEACHER)
    assert (await upload(prefix, guarded, teacher, png())).status == 200


@UPLOADS
async def test_nobody_sends_a_program(guarded: Guarded, upload: Upload, prefix: str) -> None:
    principal = await guarded.person(Function.DIRECTION)
    refused = await upload(prefix, guarded, principal, ELF)
    assert (refused.status, refused.body["errcode"], refused.rule) == (403, "M_FORBIDDEN", "media_type")
    assert refused.body["error"].startswith("Ce type de fichier n’est pas accepté")


@UPLOADS
async def test_a_pupil_sends_nothing(guarded: Guarded, upload: Upload, prefix: str) -> None:
    pupil = await guarded.person(Function.PUPIL)
    assert (await upload(prefix, guarded, pupil, png())).rule == "media"


@UPLOADS
async def test_somebody_of_whom_nothing_is_known_sends_nothing(guarded: Guarded, upload: Upload, prefix: str) -> None:
    assert (await upload(prefix, guarded, await guarded.person(), png())).rule == "media"


async def test_a_pupil_sends_a_picture_where_the_school_says_so(guarded: Guarded) -> None:
    await guarded.push(SchoolFacts(OPEN_SCHOOL, pupil_media=True))
    pupil = await guarded.person(Function.PUPIL, school=OPEN_SCHOOL)
    assert (await _post("v3", guarded, pupil, png())).status == 200


async def test_the_service_sends_what_it_likes_in_size(guarded: Guarded) -> None:
    bot = guarded.homeserver.bot
    assert (await _post("v3", guarded, bot, office())).status == 200
    assert (await guarded.call("GET", CONFIGS[0], bot)).body == {"m.upload.size": 50 * MIB}


@pytest.mark.parametrize("path", CONFIGS)
@pytest.mark.parametrize(
    ("function", "largest"),
    [(Function.DIRECTION, 50), (Function.TEACHER, 20), (Function.GUARDIAN, 10), (Function.PUPIL, 0)],
)
async def test_clients_are_told_how_much(guarded: Guarded, path: str, function: Function, largest: int) -> None:
    """A person learns the bound of their function, which no homeserver of ours holds lower."""
    person = await guarded.person(function, logged_in=False)
    assert (await guarded.call("GET", path, person)).body == {"m.upload.size": largest * MIB}


async def test_a_file_too_large_for_the_function_is_refused(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN)
    assert (await _post("v3", guarded, guardian, PDF.ljust(10 * MIB))).status == 200
    assert (await _post("v3", guarded, guardian, PDF.ljust(10 * MIB + 1))).rule == "media"


async def test_a_day_has_a_total(guarded: Guarded) -> None:
    await guarded.push(SchoolFacts(OPEN_SCHOOL, pupil_media=True))
    pupil = await guarded.person(Function.PUPIL, school=OPEN_SCHOOL)
    told = [(await _post("v3", guarded, pupil, PDF.ljust(5 * MIB))).status for _ in range(6)]
    assert told == [200] * 5 + [403]


async def test_a_refused_file_is_not_kept(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    folder = guarded.homeserver.spec.folder / "data" / "media" / "local_content"
    assert (await _post("v3", guarded, teacher, png())).status == 200
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    assert before
    assert (await _post("v3", guarded, teacher, ELF)).status == 403
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before


async def test_while_a_new_device_is_not_confirmed_the_account_sends_nothing(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    first = guarded.tokens[teacher]
    await guarded.log_in(teacher, "SECOND")
    assert (await _post("v3", guarded, teacher, png())).rule == "new_device"
    await guarded.call("POST", "/_matrix/client/v3/logout", teacher)
    guarded.tokens[teacher] = first
    assert (await _post("v3", guarded, teacher, png())).status == 200


async def test_who_reaches_few_sends_from_a_new_device(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN)
    await guarded.log_in(guardian, "SECOND")
    assert (await _post("v3", guarded, guardian, png())).status == 200


async def test_whoever_reads_english_is_refused_in_english(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    party = Party(_person_of(teacher), OPEN_SCHOOL, frozenset({Function.TEACHER}))
    await guarded.push(PersonFacts(teacher, "Camille ESSAI", (party,), Language.ENGLISH))
    assert (await _post("v3", guarded, teacher, ELF)).body["error"].startswith("This type of file is not accepted")


async def test_synapse_makes_thumbnails_of_what_was_accepted(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    uri = await send_picture(guarded, teacher, png(800, 600))
    path = f"/_matrix/client/v1/media/thumbnail/{uri}?width=32&height=32&method=crop"
    assert await status(guarded, teacher, path) == 200


def _named(name: str, **more: object) -> dict[str, object]:
    return {"msgtype": "m.file", "body": name, "url": "mxc://localhost/x", **more}


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (_named("notes.txt"), False),
        (_named("jeu.bat"), True),
        (_named("Regarde ce fichier : jeu.bat", filename="notes.txt"), False),
        (_named("Regarde ce fichier", filename="jeu.bat"), True),
        (_named("notes.txt", msgtype="m.text", filename="jeu.bat"), True),
        (_named("* x", **{"m.new_content": _named("jeu.bat")}), True),
        (_named("notes.txt", filename=7), False),
        ({"msgtype": "m.text", "body": "Je n’arrive pas à ouvrir jeu.bat"}, False),
        ({"msgtype": ["m.file"], "body": "jeu.bat"}, False),
    ],
)
async def test_no_file_is_passed_on_under_a_name_that_runs(
    guarded: Guarded, content: dict[str, object], refused: bool
) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/1"
    assert (await guarded.call("PUT", path, teacher, content)).rule == ("media_type" if refused else "")


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path_factory.mktemp("media"), guard_authority) as running:
        yield running


@pytest.mark.parametrize(("content", "expected"), [(png(), 200), (ELF, 403)], ids=["picture", "program"])
@pytest.mark.parametrize("what", ["download/{}", "download/{}/photo.png"])
async def test_files_of_another_academy_are_looked_at_too(
    both: Neighbours, content: bytes, expected: int, what: str
) -> None:
    theirs = await register(both.theirs.homeserver, new_localpart(), "Dominique LOIN")
    sent = await _post("v3", both.theirs, theirs, content)
    assert sent.status == 200, sent
    uri = quote(sent.body["content_uri"].removeprefix("mxc://"))
    teacher = await both.ours.person(Function.TEACHER)
    assert await status(both.ours, teacher, f"/_matrix/client/v1/media/{what.format(uri)}") == expected


def _person_of(user: UserId) -> PersonId:
    return PersonId(user[1:].split(":", 1)[0])
