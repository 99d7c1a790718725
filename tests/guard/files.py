"""Files for tests, made on the spot: real ones of the kinds that people send, and of kinds that they may not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import aiohttp

from preau.model.ids import UserId
from tests.guard.guarded import Guarded

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
MACROS = "application/vnd.ms-word.document.macroEnabled.main+xml"
TEXT_DOCUMENT = b"application/vnd.oasis.opendocument.text"
MANIFEST = b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
ELF = b"\x7fELF\x02\x01\x01" + bytes(64)
WINDOWS = b"MZ\x90\x00\x03" + bytes(64)


def png(width: int = 64, height: int = 64) -> bytes:
    """A grey picture that image programs read."""
    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack("!LLBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def archive(parts: Mapping[str, bytes | str], comment: bytes = b"") -> bytes:
    """A zip archive with these parts, in order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
        packed.comment = comment
    return buffer.getvalue()


def office(main: str = WORD, extra: str = "", **more: bytes) -> bytes:
    """An Office document whose main part has that type; ``extra`` stands among the types, ``more`` are parts."""
    override = f'<Override PartName="/main.xml" ContentType="{main}"/>'
    types = f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{override}{extra}</Types>'
    return archive({"[Content_Types].xml": types, "main.xml": "<document/>", **more})


def open_document(mime: bytes = TEXT_DOCUMENT, manifest: bytes = MANIFEST, **more: bytes) -> bytes:
    """An OpenDocument file."""
    return archive({"mimetype": mime, "content.xml": b"<content/>", "META-INF/manifest.xml": manifest, **more})


async def send_picture(guarded: Guarded, user: UserId, picture: bytes) -> str:
    """Sends a picture as clients do, with its type, and returns its address without the scheme."""
    headers = {"Authorization": f"Bearer {guarded.tokens[user]}", "Content-Type": "image/png"}
    url = f"{guarded.homeserver.client_url}/_matrix/media/v3/upload"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=picture) as answer:
        uri: str = (await answer.json())["content_uri"]
    return uri.removeprefix("mxc://")


async def status(guarded: Guarded, user: UserId, path: str) -> int:
    """Of an answer that is no JSON."""
    headers = {"Authorization": f"Bearer {guarded.tokens[user]}"}
    url = guarded.homeserver.client_url + path
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return answer.status


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!L", len(content)) + kind + content + struct.pack("!L", zlib.crc32(kind + content))
