"""A stand-in for the web client's archive: laid out like a release of Element Web, with one page in it.

No package registry has Element Web, and these hosts reach nothing else. What the role does with an archive (weigh it,
unpack it, give it its settings, serve it) it does with this one as well; Element itself is tried by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Final

_FILES: Final = {
    "index.html": "<!doctype html><html lang=fr><title>Element</title><p>Essai.</p></html>\n",
    "config.sample.json": "{}\n",
    "version": "0.0.0\n",
}


def stand_in(folder: Path) -> dict[str, str]:
    """Writes the archive into ``folder``; the settings of the role that have it used."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in _FILES.items():
            member = tarfile.TarInfo(f"element-v0.0.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    content = gzip.compress(packed.getvalue(), mtime=0)  # the same bytes each time: the second run changes nothing
    file = folder / "element-v0.0.0.tar.gz"
    file.write_bytes(content)
    return {
        "client_version": "0.0.0",
        "client_archive": str(file),
        "client_sha256": hashlib.sha256(content).hexdigest(),
    }
