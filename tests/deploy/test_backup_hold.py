"""What is deleted from the repositories of backups stays in the hold, and comes back."""

import importlib.util
import os
import time
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the hold gives files to root")
DAY = 86400


def _load() -> ModuleType:
    path = Path(__file__).parents[2] / "roles/backup_target/files/preau_backup_hold.py"
    spec = importlib.util.spec_from_file_location("preau_backup_hold", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hold = _load()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cluster", "files", "hold"):
        (tmp_path / name).mkdir()
    return tmp_path


def _write(path: Path, text: str, age: float = 3600) -> None:
    """As both tools write: a new file, moved over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    os.chown(draft, 65534, 65534)
    os.utime(draft, (time.time() - age,) * 2)
    draft.rename(path)


def test_a_deleted_file_comes_back_with_its_folder_and_owner(root: Path) -> None:
    _write(root / "files/data/ab/pack", "encrypted")
    os.chown(root / "files", 65534, 65534)
    assert hold.take(root, 21, time.time()) == (1, 0)
    (root / "files/data/ab/pack").unlink()
    (root / "files/data/ab").rmdir()
    (root / "files/data").rmdir()
    assert hold.release(root, time.time()) == 1
    assert (root / "files/data/ab/pack").read_text() == "encrypted"
    assert (root / "files/data/ab").stat().st_uid == 65534


def test_what_is_held_can_not_be_written_to_by_the_owner_of_the_repository(root: Path) -> None:
    _write(root / "cluster/archive/0001.zst", "wal")
    hold.take(root, 21, time.time())
    found = (root / "cluster/archive/0001.zst").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (0, 0o440)
    assert found.st_gid == 65534, "its group still reads it"


def test_a_list_that_was_replaced_is_held_in_both_versions_and_the_older_one_comes_back(root: Path) -> None:
    now = time.time()
    _write(root / "cluster/backup.info", "two backups", age=7200)
    hold.take(root, 21, now)
    _write(root / "cluster/backup.info", "no backup", age=600)
    assert hold.take(root, 21, now) == (1, 0)
    assert hold.release(root, now - 3600) == 1
    assert (root / "cluster/backup.info").read_text() == "two backups"


def test_taking_again_takes_nothing(root: Path) -> None:
    _write(root / "cluster/a", "a")
    assert hold.take(root, 21, time.time()) == (1, 0)
    assert hold.take(root, 21, time.time()) == (0, 0)


def test_what_is_still_written_to_waits(root: Path) -> None:
    _write(root / "files/growing", "…", age=5)
    assert hold.take(root, 21, time.time()) == (0, 0)


def test_what_was_deleted_long_ago_is_let_go_and_what_is_still_in_the_repository_never(root: Path) -> None:
    _write(root / "cluster/deleted", "old")
    _write(root / "cluster/kept", "older")
    hold.take(root, 21, time.time())
    (root / "cluster/deleted").unlink()
    assert hold.take(root, 21, time.time() + 20 * DAY) == (0, 0)
    assert hold.take(root, 21, time.time() + 22 * DAY) == (0, 1)
    assert not (root / "hold/cluster/deleted").exists()
    assert (root / "hold/cluster/kept").exists()


def test_a_link_out_of_the_repository_is_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "passwords"
    outside.write_text("secret")
    os.utime(outside, (0, 0))
    (root / "files/link").symlink_to(outside)
    assert hold.take(root, 21, time.time()) == (0, 0)
    assert outside.stat().st_nlink == 1
