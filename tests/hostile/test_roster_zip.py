"""Zips made to do harm."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from preau.roster.archive import ZipBudget, xml_files
from preau.roster.findings import Notes, Refusal
from preau.roster.reader import Reading, read
from tests.roster import builders as b

PUPILS = b.encoded(b.pupils_file([b.pupil(1)], [b.placed(1, "5A")]))


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def codes(reading: Reading) -> list[str]:
    assert reading.roster is None
    return b.codes(reading)


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("Eleves.xml")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name",
    [
        "../Eleves.xml",
        "a/../../Eleves.xml",
        "/etc/Eleves.xml",
        "..\\Eleves.xml",
        "C:\\Eleves.xml",
        "a\n/Eleves.xml",
        link(),
    ],
)
def test_a_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str | zipfile.ZipInfo) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    reading = read([zipped(folder / "x.zip", ("Autre.xml", PUPILS), (name, PUPILS))])
    assert codes(reading) == ["unsafe-zip"]
    assert all(finding.message.isprintable() for finding in reading.findings)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "x.zip"]


def test_a_zip_within_a_zip_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("Eleves.xml", PUPILS)
    assert codes(read([zipped(tmp_path / "x.zip", ("inner.zip", inner.getvalue()))])) == ["unsafe-zip"]
    assert codes(read([zipped(tmp_path / "y.zip", ("inner.xml", inner.getvalue()))])) == ["unreadable-xml"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = b"<BEE_ELEVES>" + b" " * 50_000_000
    path = zipped(tmp_path / "x.zip", ("Eleves.xml", bomb))
    assert path.stat().st_size < 100_000
    assert codes(read([path])) == ["too-large"]


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """The announced size is small; zipfile then stops there and the checksum does not fit."""
    path = zipped(tmp_path / "x.zip", ("Eleves.xml", b"<BEE_ELEVES>" + b" " * 5_000_000))
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1_000).to_bytes(4, "little")
    path.write_bytes(content)
    assert codes(read([path])) in (["unreadable-zip"], ["unreadable-xml"])


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    members = [(f"{number}.xml", PUPILS) for number in range(101)]
    assert codes(read([zipped(tmp_path / "x.zip", *members)])) == ["too-large"]


def test_a_huge_directory_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    members = [(f"{'n' * 200}{number}.txt", b"") for number in range(2_000)]
    path = zipped(tmp_path / "x.zip", *members)
    with pytest.raises(Refusal, match="directory"):
        list(xml_files(path, Notes("x.zip"), ZipBudget(members=1_000_000)))


def test_a_total_beyond_the_budget_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("1.xml", PUPILS), ("2.xml", PUPILS))
    with pytest.raises(Refusal, match="beyond"):
        list(xml_files(path, Notes("x.zip"), ZipBudget(total_bytes=len(PUPILS) + 1)))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("Eleves.xml", PUPILS))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    path.write_bytes(content)
    reading = read([path])
    assert codes(reading) == ["unreadable-zip"]
    assert "encrypted" in reading.findings[0].message


def test_a_packing_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("Eleves.xml", PUPILS))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.find(signature) + offset] = 77
    path.write_bytes(content)
    assert codes(read([path])) == ["unreadable-zip"]


def test_a_zip_cut_short_or_damaged_anywhere_is_refused_or_read_right(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", ("Eleves.xml", PUPILS)).read_bytes()
    path = tmp_path / "x.zip"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        assert read([path]).roster is None
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        reading = read([path])
        assert reading.counts.pupils == 1 or not reading.ok


def test_a_zip_of_nothing_is_no_roster(tmp_path: Path) -> None:
    assert codes(read([zipped(tmp_path / "x.zip")])) == ["no-roster"]
