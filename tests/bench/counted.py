"""A Synapse whose instructions are counted, by callgrind: as many on a busy machine as on an idle one.

It is some fifty times slower than without, so only what is counted is asked of it.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Final

from preau.demo.homeserver import Homeserver
from tests.bench.measure import insist

_PATIENCE: Final = timedelta(minutes=20)


def can_count() -> bool:
    """Whether valgrind is here."""
    return shutil.which("callgrind_control") is not None


class Counted(Homeserver):
    """Counts nothing until it is asked to begin."""

    async def start(self, timeout: timedelta = _PATIENCE) -> None:  # noqa: ASYNC109 -- as in the class above
        """Starts, with more patience."""
        await super().start(timeout)

    async def begin(self) -> None:
        """From now on every instruction of the process counts."""
        await self._control("-i", "on")
        await self.count()

    async def count(self) -> int:
        """The instructions since this was asked last."""
        await self._control("-d")
        newest = max(self._counts.parent.glob(f"{self._counts.name}.*"), key=lambda path: int(path.suffix[1:]))
        lines = newest.read_text(encoding="utf-8", errors="replace").splitlines()
        newest.unlink()
        total = [line for line in lines if line.startswith("totals:")]
        insist(len(total) == 1, f"{newest} tells no total")
        return int(total[0].split()[1])

    @property
    def _counts(self) -> Path:
        return self.spec.folder / "instructions"

    def _command(self) -> list[str]:
        options = ["--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self._counts}"]
        return ["valgrind", *options, *super()._command()]

    async def _control(self, *arguments: str) -> None:
        assert self.process is not None
        command = ["callgrind_control", *arguments, str(self.process.pid)]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, timeout=600
        )
        insist(done.returncode == 0, f"{command}: {done.stdout} {done.stderr}")
