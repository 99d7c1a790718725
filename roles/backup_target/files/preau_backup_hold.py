#!/usr/bin/env python3
"""Hold what is deleted from the repositories, so that a stolen homeserver cannot destroy what it saved before.

    cluster/, files/  ── second name (hard link), owner root ──►  hold/cluster/, hold/files/
           │ deleted, by pruning or by a thief                            │ stays, for N days
           └──────────────◄── put back (`release`) ◄──────────────────────┘

Both pgBackRest and restic write a file once, under another name or in one go, and then never into it again; what
changes (pgBackRest's backup.info and archive.info) is replaced by a new file of the same name. So a second name is a
copy that costs nothing. Given to root, the file can still be read and deleted by the repository's user, but not
written to.

No list is kept: a file of the hold with only one name left was deleted from the repository, and the moment is its
inode's change time. A file that was replaced under its own name keeps its older version beside it, with the time in
its name.

Python's standard library only.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORIES = ("cluster", "files")
# Younger files may still be written to: they wait for the next run.
SETTLED_SECONDS = 60
DAY = 86400


def regular_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every regular file below a folder; links are not followed, what vanishes meanwhile is passed over."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from regular_files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield entry


def take(root: Path, days: int, now: float) -> tuple[int, int]:
    """Give every settled file a second name in the hold, and let go what was deleted more than ``days`` ago.

    Returns how many files were taken and how many let go.
    """
    taken = sum(_take_one(root, Path(entry.path), now) for name in REPOSITORIES for entry in regular_files(root / name))
    return taken, _let_go(root / "hold", now - days * DAY)


def _take_one(root: Path, live: Path, now: float) -> bool:
    held = root / "hold" / live.relative_to(root)
    try:
        found = live.lstat()
        if now - found.st_mtime < SETTLED_SECONDS or (held.exists() and held.stat().st_ino == found.st_ino):
            return False
        held.parent.mkdir(parents=True, exist_ok=True)
        if held.exists():
            held.rename(held.with_name(f"{held.name}~{int(held.stat().st_mtime)}"))
        os.link(live, held, follow_symlinks=False)
    except FileNotFoundError:
        return False
    os.chown(held, 0, -1, follow_symlinks=False)
    held.chmod(0o440)
    return True


def _let_go(hold: Path, before: float) -> int:
    gone = 0
    for entry in regular_files(hold):
        found = entry.stat(follow_symlinks=False)
        if found.st_nlink == 1 and found.st_ctime < before:
            Path(entry.path).unlink()
            gone += 1
    return gone


def release(root: Path, before: float) -> int:
    """Put back, under its own name, what the hold has of files made before a moment and the repository has not.

    A file that is there under the same name but is another one is replaced by the newest held version made before the
    moment: pgBackRest's lists then speak of the time before the theft. Returns how many files were put back.
    """
    newest: dict[Path, tuple[float, Path]] = {}
    for entry in regular_files(root / "hold"):
        made = entry.stat(follow_symlinks=False).st_mtime
        held = Path(entry.path)
        live = root / held.relative_to(root / "hold").with_name(held.name.partition("~")[0])
        if made < before and made > newest.get(live, (0.0, held))[0]:
            newest[live] = (made, held)
    return sum(_put_back(live, held) for live, (_made, held) in newest.items())


def _put_back(live: Path, held: Path) -> bool:
    if live.exists() and live.lstat().st_ino == held.lstat().st_ino:
        return False
    owner = next(folder for folder in live.parents if folder.exists()).stat()
    for folder in reversed([folder for folder in live.parents if not folder.exists()]):
        folder.mkdir(mode=0o750)
        os.chown(folder, owner.st_uid, owner.st_gid)
    live.unlink(missing_ok=True)
    os.link(held, live, follow_symlinks=False)
    return True


def main() -> int:
    """Run one command; say in one line what it did."""
    parser = argparse.ArgumentParser(prog="preau-backup-hold", description="Hold what is deleted from the backups.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("take", "release"):
        commands.add_parser(name).add_argument("root", type=Path)
    commands.choices["take"].add_argument("--days", type=int, required=True)
    commands.choices["release"].add_argument("--before", type=float, required=True, help="seconds since 1970")
    arguments = parser.parse_args()
    if arguments.command == "take":
        taken, gone = take(arguments.root, arguments.days, time.time())
        line = f"taken {taken}, let go {gone}"
    else:
        line = f"put back {release(arguments.root, arguments.before)}"
    print(line)  # noqa: T201 -- the journal's line
    return 0


if __name__ == "__main__":
    sys.exit(main())
