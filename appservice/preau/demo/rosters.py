"""An invented school's files on disk, named and packed as SIECLE and STS-web do."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from preau.demo.school import DemoSchool
from preau.demo.siecle_writer import Generation, guardians_document, pupils_document, structures_document
from preau.demo.sts_writer import staff_document
from preau.demo.xml_text import ENCODING

_BYTES_AT_ONCE: Final = 1 << 16  # gathered before they are compressed
# What the encoding lacks, such as a curly apostrophe, XML writes as a character reference.
_BEYOND: Final = "xmlcharrefreplace"


def write_rosters(
    school: DemoSchool, folder: Path, *, taken_at: datetime, generation: Generation = "new"
) -> list[Path]:
    """Writes the school's four files and returns their paths: pupils, guardians, structures, staff.

    Args:
        school: the school to write.
        folder: made if missing; the zips' names do not tell schools apart, so each school needs its own.
        taken_at: the wall time that the files say they were exported at; not before a pupil's departure, or the
            pupil has not left yet and `DemoSchool.truth` counts them wrong.
        generation: which generation of BEE_RESPONSABLES.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = {
        "ElevesSansAdresses": pupils_document(school, taken_at),
        "ResponsablesSansAdresses": guardians_document(school, taken_at, generation),
        "Structures": structures_document(school, taken_at),
    }
    zips = [_write_zip(folder, name, pieces, taken_at) for name, pieces in documents.items()]
    staff = folder / f"sts_emp_{school.uai}_{school.year}.xml"
    with staff.open("w", encoding=ENCODING, errors=_BEYOND, newline="\n") as file:
        file.writelines(staff_document(school))
    return [*zips, staff]


def _write_zip(folder: Path, name: str, pieces: Iterable[str], taken_at: datetime) -> Path:
    """``ExportXML_<name>.zip`` with ``<name>.xml`` inside; its bytes depend on nothing but the arguments."""
    path = folder / f"ExportXML_{name}.zip"
    member = ZipInfo(f"{name}.xml", date_time=taken_at.timetuple()[:6])
    member.compress_type = ZIP_DEFLATED
    with (
        ZipFile(path, "w") as archive,
        archive.open(member, "w") as raw,
        io.TextIOWrapper(
            io.BufferedWriter(raw, _BYTES_AT_ONCE), encoding=ENCODING, errors=_BEYOND, newline="\n"
        ) as text,
    ):
        text.writelines(pieces)
    return path
