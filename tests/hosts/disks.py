"""What a host writes to: a folder of this machine's disk, or a small disk of its own that can be full, or lose power.

A host sees an overlay: the Debian tree below, its own layer on top.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import time
from pathlib import Path
from typing import Final

from tests.hosts.commands import run

_LET_GO_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.1
_EXT4_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN, `linux/ext4.h`
_LOSE_EVERYTHING_UNWRITTEN: Final = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal is written out any more


class Disk:
    """The disk of one host in ``folder``. ``size`` as `truncate` takes it (600M), or None for as much as there is."""

    def __init__(self, folder: Path, size: str | None) -> None:
        self.root = folder / "root"
        self._folder = folder
        self._size = size
        self._image = folder / "disk.img"
        self._layers = folder / "layers"

    def make(self) -> None:
        """An empty one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True)
        self._layers.mkdir(exist_ok=True)
        if self._size is not None:
            run("truncate", f"--size={self._size}", self._image)
            run("mkfs.ext4", "-q", "-F", self._image)

    def mount(self, base: Path) -> None:
        if self._size is not None:
            for point in (self._layers, self.root):
                _share(point)
            run("mount", "-o", "loop", self._image, self._layers)
        up, work = self._layers / "up", self._layers / "work"
        up.mkdir(exist_ok=True)
        work.mkdir(exist_ok=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={up},workdir={work}", self.root)

    def unmount(self) -> None:
        """Harmless when it is not mounted."""
        for point in (self.root, self._layers):
            while _mounted(point):
                run("umount", point)
        if self._size is not None:
            self._wait_until_let_go()

    def _wait_until_let_go(self) -> None:
        """Until the last dying process has let go of the disk: mounted before that, it is the old one without power.

        Raises:
            TimeoutError: something holds it.
        """
        deadline = time.monotonic() + _LET_GO_SECONDS
        while run("losetup", "--associated", self._image).strip():
            if time.monotonic() > deadline:
                raise TimeoutError(f"something holds {self._image}")
            time.sleep(_POLL_SECONDS)

    def lose_power(self) -> None:
        """Stops the disk between two writes: whatever was not written through (fsync) is lost. Only with a size.

        The way to see it again is `unmount` and `mount`, which reads the journal as after a real power cut.
        """
        if self._size is None:
            raise ValueError("only a host with a disk of its own can lose power; give it a size")
        folder = os.open(self._layers, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _EXT4_SHUTDOWN, struct.pack("I", _LOSE_EVERYTHING_UNWRITTEN))
        finally:
            os.close(folder)

    def destroy(self) -> None:
        """Everything on it is gone.

        Raises:
            RuntimeError: something is still mounted below it, so that deleting would reach too far.
        """
        self.unmount()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if f" {self._folder}/" in line:
                raise RuntimeError(f"still mounted: {line}")
        self._image.unlink(missing_ok=True)
        for point in (self.root, self._layers):
            if point.exists():
                shutil.rmtree(point)


def _share(point: Path) -> None:
    """What is mounted there from now on is unmounted in the other hosts, too: each copied all mounts as it started."""
    run("mount", "--bind", point, point)
    run("mount", "--make-shared", point)


def _mounted(point: Path) -> bool:
    """By the kernel's list: a disk without power answers no question about itself."""
    return any(line.split()[1] == str(point) for line in Path("/proc/self/mounts").read_text().splitlines())
