"""What a file is by its own first bytes, whatever it is called."""

from __future__ import annotations

import io
import os
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preau.guard.file_types import Kind, kind_of
from tests.guard.files import (
    ELF,
    MACROS,
    PDF,
    SHEET,
    WINDOWS,
    WORD,
    archive,
    office,
    open_document,
    png,
)

ACCEPTED = {
    "png": (png(), Kind.IMAGE),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", Kind.IMAGE),
    "gif": (b"GIF89a\x01\x00\x01\x00", Kind.IMAGE),
    "webp": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", Kind.IMAGE),
    "heic": (b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00", Kind.IMAGE),
    "mp4": (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", Kind.VIDEO),
    "mov": (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00", Kind.VIDEO),
    "webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm", Kind.VIDEO),
    "m4a": (b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00", Kind.SOUND),
    "ogg": (b"OggS\x00\x02" + bytes(20), Kind.SOUND),
    "wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", Kind.SOUND),
    "mp3 with tags": (b"ID3\x04\x00\x00", Kind.SOUND),
    "mp3": (b"\xff\xfb\x90\x64" + bytes(20), Kind.SOUND),
    "aac": (b"\xff\xf1\x50\x80" + bytes(20), Kind.SOUND),
    "pdf": (PDF, Kind.PDF),
    "docx": (office(WORD), Kind.DOCUMENT),
    "xlsx": (office(SHEET), Kind.DOCUMENT),
    "pptx": (office(WORD.replace("wordprocessingml.document", "presentationml.presentation")), Kind.DOCUMENT),
    "odt": (open_document(), Kind.DOCUMENT),
    "ods": (open_document(b"application/vnd.oasis.opendocument.spreadsheet"), Kind.DOCUMENT),
    "text": ("Réunion à 18 h, salle polyvalente…\r\n".encode(), Kind.TEXT),
    "csv of a French spreadsheet": ("nom;prénom;élève\r\nESSAI;Zoé;5 €\r\n".encode("cp1252"), Kind.TEXT),
    "text in UTF-16": ("Réunion à 18 h".encode("utf-16"), Kind.TEXT),
    "calendar": (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", Kind.TEXT),
    "text cut within a letter": (("a" + "é" * 70_000).encode(), Kind.TEXT),
    "nothing at all": (b"", Kind.TEXT),
}

REFUSED = {
    "Linux program": ELF,
    "Windows program": WINDOWS,
    "macOS program": b"\xcf\xfa\xed\xfe" + bytes(64),
    "script": b"#!/bin/sh\nrm -rf ~\n",
    "Windows script": b"@echo off\r\ndel *.*\r\n",
    "page": b"<!doctype html><title>Bonjour</title>",
    "page after some words": b"Bonjour\n<script>alert(1)</script>",
    "picture that runs scripts": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "page in UTF-16": "<html>".encode("utf-16"),
    "rich text": b"{\\rtf1\\ansi{\\object\\objocx}}",
    "shortcut": b"[InternetShortcut]\r\nURL=file://example/x.exe\r\n",
    "PostScript": b"%!PS-Adobe-3.0\n",
    "archive": archive({"notes.txt": b"Bonjour"}),
    "Android program": archive({"AndroidManifest.xml": b"", "classes.dex": b"dex"}),
    "Java program": archive({"META-INF/MANIFEST.MF": b"", "A.class": b"\xca\xfe\xba\xbe"}),
    "7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(32),
    "gzip archive": b"\x1f\x8b\x08" + bytes(32),
    "old Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    "docm": office(MACROS),
    "docx with macros": office(
        WORD, extra='<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>'
    ),
    "docx that hides its type": office(MACROS, extra=f"<!-- {WORD} -->"),
    "docx with a macro part": office(WORD, **{"word/vbaProject.bin": b""}),
    "docx with a program in it": office(WORD, **{"word/embeddings/a.exe": WINDOWS}),
    "docx with huge types": office(WORD, extra=" " * 2**20),
    "odt with macros": open_document(**{"Basic/Standard/Module1.xml": b""}),
    "encrypted odt": open_document(manifest=b"<manifest:encryption-data/>"),
    "e-book": open_document(b"application/epub+zip"),
    "document behind a program": ELF + office(),
    "document with something behind": office() + WINDOWS,
    "document with a comment": archive({"[Content_Types].xml": WORD}, comment=b"x" * 40),
    "document that promises a comment": office()[:-2] + b"\x05\x00",
    "cut document": office()[:-30],
    "video of a kind that nobody plays": b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
    "noise of letters": bytes(range(0xA1, 0x100)) * 10,
    "encrypted file": bytes((7 * number * number + 13 * number) % 251 for number in range(4096)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_people_send_is_recognised(name: str) -> None:
    content, kind = ACCEPTED[name]
    assert kind_of(io.BytesIO(content)) is kind


@pytest.mark.parametrize("name", REFUSED)
def test_everything_else_is_of_no_kind(name: str) -> None:
    assert kind_of(io.BytesIO(REFUSED[name])) is None


def test_the_same_part_twice_is_no_document() -> None:
    """Office programs may read the first and we the last: this one would look harmless to us."""
    buffer = io.BytesIO(office(MACROS))
    with zipfile.ZipFile(buffer, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("[Content_Types].xml", f'<Types ContentType="{WORD}"/>')
    assert kind_of(io.BytesIO(buffer.getvalue())) is None


def test_a_document_with_endless_contents_is_not_opened() -> None:
    few, endless = ({f"part{number}": b"" for number in range(count)} for count in (1_000, 20_000))
    assert kind_of(io.BytesIO(office(**few))) is Kind.DOCUMENT
    assert kind_of(io.BytesIO(office(**endless))) is None


@pytest.mark.parametrize("size", [64, 1000, 100_000])
def test_noise_is_of_no_kind(size: int) -> None:
    assert kind_of(io.BytesIO(b"\x00" + os.urandom(size))) is None


@given(content=st.binary(max_size=200))
@example(content=b"PK\x03\x04" + b"PK\x05\x06" + bytes(18))
@example(content=b"\xff")
def test_no_bytes_break_it(content: bytes) -> None:
    assert kind_of(io.BytesIO(content)) in {*Kind, None}


@given(
    cuts=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20),
    document=st.sampled_from([office(), open_document()]),
)
def test_no_broken_document_breaks_it(cuts: list[tuple[int, int]], document: bytes) -> None:
    content = bytearray(document)
    for place, byte in cuts:
        content[place % len(content)] = byte
    assert kind_of(io.BytesIO(bytes(content))) in {Kind.DOCUMENT, Kind.TEXT, None}
