"""A real clamd from Debian's package with one signature of our own, for as long as a test runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preau.demo.processes import ChildProcess

VIRUS: Final = b"PREAU-ESSAI-DE-LOGICIEL-MALVEILLANT"
"""What our only signature finds; harmless."""

_CLAMD: Final = Path("/usr/sbin/clamd")
_START_SECONDS: Final = 30
_CONFIGURATION: Final = """\
Foreground yes
LocalSocket {folder}/clamd.socket
DatabaseDirectory {folder}/signatures
TemporaryDirectory {folder}
StreamMaxLength 2M
MaxFileSize 1M
AlertExceedsMax yes
"""


class ClamdMissing(Exception):
    """clamd cannot run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Clamd:
    """A running daemon."""

    socket: str
    process: ChildProcess


@contextmanager
def running_clamd() -> Iterator[Clamd]:
    """Runs it in a folder of its own with a short name (a socket's has at most 107 bytes), and ends it.

    Raises:
        ClamdMissing: it is not installed, or does not start.
    """
    if not _CLAMD.exists():
        raise ClamdMissing(f"no {_CLAMD}: as root, run `bash tests/needs.sh`")
    with tempfile.TemporaryDirectory(prefix="preau-clamd-") as name:
        folder = Path(name)
        configuration = folder / "clamd.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder))
        (folder / "signatures").mkdir()
        (folder / "signatures" / "preau.ndb").write_text(f"Preau.Essai:0:*:{VIRUS.hex()}\n")
        user = "-"
        if os.geteuid() == 0:  # it gives root up for the user of its package, who must find everything
            user = "clamav"
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, user)
        process = ChildProcess.start(
            "clamd", [str(_CLAMD), "--config-file", str(configuration)], log=folder / "clamd.log", user=user, cwd=folder
        )
        try:
            _wait_for(folder / "clamd.socket", process)
            yield Clamd(str(folder / "clamd.socket"), process)
        finally:
            process.stop()


def _wait_for(socket: Path, process: ChildProcess) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not socket.exists():
        if process.exit_status() is not None or time.monotonic() > deadline:
            raise ClamdMissing(f"clamd did not start:\n{process.log_tail()}")
        time.sleep(0.05)
