"""XML made to do harm: it is refused, reads nothing, calls nobody, and does not fill the memory."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from preau.roster.findings import Refusal
from preau.roster.reader import Reading
from preau.roster.xml_safe import Budget, XmlDocument
from tests.roster import builders as b

PUPILS = b.pupils_file([b.pupil(1)], [b.placed(1, "5A")])


def with_doctype(doctype: str, xml: str = PUPILS) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{doctype}\n{xml}".encode()


def refused(reading: Reading, *codes: str) -> bool:
    return reading.roster is None and {finding.code for finding in reading.findings} <= set(codes)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMBS = {
    "billion laughs": f'<!DOCTYPE BEE_ELEVES [<!ENTITY l0 "ha">{LAUGHS}]>',
    "quadratic": f'<!DOCTYPE BEE_ELEVES [<!ENTITY a "{"x" * 100_000}">]>',
    "one small entity": '<!DOCTYPE BEE_ELEVES [<!ENTITY a "x">]>',
    "parameter entity": '<!DOCTYPE BEE_ELEVES [<!ENTITY % a "x"> %a;]>',
    "local file": '<!DOCTYPE BEE_ELEVES [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "local file by parameter": '<!DOCTYPE BEE_ELEVES [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>',
}


@pytest.mark.parametrize("doctype", BOMBS.values(), ids=BOMBS)
def test_a_file_that_declares_entities_is_refused(tmp_path: Path, doctype: str) -> None:
    name = "l11" if "l11" in doctype else "a"
    for xml in (PUPILS, PUPILS.replace("Zoé", f"&{name};")):
        assert refused(b.read_all(tmp_path, with_doctype(doctype, xml)), "forbidden-xml", "unreadable-xml")


def test_a_bomb_in_an_attribute_is_refused_before_it_grows(tmp_path: Path) -> None:
    xml = PUPILS.replace('VERSION="3.0"', 'VERSION="&l11;"')
    reading = b.read_all(tmp_path, with_doctype(BOMBS["billion laughs"], xml))
    assert refused(reading, "forbidden-xml", "unreadable-xml", "too-large")


def test_the_content_of_a_local_file_is_nowhere_in_the_reading(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("OUVRETOISESAME")
    doctype = f'<!DOCTYPE BEE_ELEVES [<!ENTITY a SYSTEM "{secret.as_uri()}">]>'
    reading = b.read_all(tmp_path, with_doctype(doctype, PUPILS.replace("Zoé", "&a;")))
    assert "OUVRETOISESAME" not in repr(reading)


@pytest.mark.parametrize("entity", ["", "&unknown;"])
def test_an_external_dtd_is_never_fetched(tmp_path: Path, entity: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/BEE_Eleve.dtd"
        content = with_doctype(f'<!DOCTYPE BEE_ELEVES SYSTEM "{address}">', PUPILS.replace("Zoé", f"Zo{entity}e"))
        reading = b.read_all(tmp_path, content)
        with pytest.raises(BlockingIOError):  # nobody has called
            listener.accept()
    assert (reading.roster is None) == bool(entity)
    assert bool(b.found(reading, "forbidden-xml")) == bool(entity)


def test_a_dtd_beside_the_file_is_not_read_either(tmp_path: Path) -> None:
    (tmp_path / "x.dtd").write_text('<!ENTITY a "INJECTED"><!ATTLIST ELEVE ELEVE_ID CDATA "666">')
    content = with_doctype('<!DOCTYPE BEE_ELEVES SYSTEM "x.dtd">', PUPILS)
    reading = b.read_all(tmp_path, content)
    assert reading.roster is not None
    assert [pupil.key.number for pupil in reading.roster.pupils or ()] == ["1"]


def test_an_inclusion_is_not_followed(tmp_path: Path) -> None:
    include = '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>'
    reading = b.read_all(tmp_path, PUPILS.replace("Zoé", include))
    assert "root:" not in repr(reading)


@pytest.mark.parametrize("depth", [300, 100_000])
def test_nesting_without_end_is_refused(tmp_path: Path, depth: int) -> None:
    nested = "<A>" * depth + "</A>" * depth
    assert refused(b.read_all(tmp_path, PUPILS.replace("<BOURSES/>", nested)), "too-large")


@pytest.mark.parametrize("part", ["Zoé", "1"])
def test_a_text_or_attribute_without_end_is_refused(tmp_path: Path, part: str) -> None:
    endless = PUPILS.replace(f'"{part}"', f'"{"1" * 12_000_000}"').replace("Zoé", "x" * 12_000_000, part == "Zoé")
    assert refused(b.read_all(tmp_path, endless), "too-large")


def test_a_record_without_end_is_refused(tmp_path: Path) -> None:
    record = b.pupil(1).replace("</ELEVE>", "<X>y</X>" * 500_000 + "</ELEVE>")
    assert refused(b.read_all(tmp_path, b.pupils_file([record])), "too-large")


def test_records_within_records_do_not_escape_the_budget(tmp_path: Path) -> None:
    inner = b.pupil(2) * 20_000
    record = b.pupil(1).replace("</ELEVE>", f"{inner}</ELEVE>")
    assert refused(b.read_all(tmp_path, b.pupils_file([record])), "too-large")


class Endless:
    """A file that never ends."""

    def __init__(self, start: bytes, part: bytes) -> None:
        self._next = start
        self._part = part * (65_536 // len(part))

    def read(self, _size: int, /) -> bytes:
        chunk, self._next = self._next, self._part
        return chunk


@pytest.mark.parametrize(
    ("part", "budget"),
    [
        (b"<ELEVE/>", Budget(records=10_000)),
        (b"<ELEVE/>", Budget(total_bytes=1_000_000)),
        (b"<X/>", Budget(total_bytes=1_000_000)),
    ],
)
def test_a_file_that_never_ends_meets_its_budget(part: bytes, budget: Budget) -> None:
    document = XmlDocument(Endless(b"<R><ELEVES>", part), budget)
    with pytest.raises(Refusal, match="beyond what any school exports"):
        for _ in document.records({"ELEVE": "ELEVES"}):
            pass


@pytest.mark.parametrize("part", [b" ", b"<!-- x -->", b"<?x y?>"])
def test_a_prologue_that_never_ends_is_refused(part: bytes) -> None:
    with pytest.raises(Refusal):
        XmlDocument(Endless(b"<?xml version='1.0'?>", part), Budget(prologue_bytes=300_000))


def _peak_megabytes(path: Path) -> int:
    """The peak memory of a process of its own that reads that file (VmHWM: ru_maxrss would begin at this process's)."""
    script = (
        "import sys; from pathlib import Path; from preau.roster.reader import read; read([Path(sys.argv[1])])\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, timeout=50)
    return int(done.stdout) // 1024


JUNK = {
    "unknown elements at the top": "<JUNK><DEEP>some text</DEEP></JUNK>\n",
    "comments": "<!-- nothing but comment -->\n",
    "blank text": " " * 40 + "\n",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_300_000_elements_of_no_use_take_no_memory(tmp_path: Path, junk: str) -> None:
    small, large = tmp_path / "small.xml", tmp_path / "large.xml"
    small.write_bytes(b.encoded(PUPILS))
    large.write_bytes(b.encoded(PUPILS.replace("<BOURSES/>", f"<BOURSES>{junk * 300_000}</BOURSES>")))
    assert _peak_megabytes(large) < _peak_megabytes(small) + 24


def test_300_000_repeated_records_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    path.write_bytes(b.encoded(b.pupils_file([b.pupil(1) * 300_000])))
    assert _peak_megabytes(path) < 100
