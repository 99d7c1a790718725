"""One Debian tree per release, made once by debootstrap and then only read: the lower layer of every host.

```text
 CACHE/bases/bookworm-3f2a…     the tree, named after everything that went into it: a changed list makes a new one
 CACHE/archives/bookworm/       packages that any host has downloaded before
 CACHE/pip/                     pip's cache, shared by all hosts
```
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.hosts import trust
from tests.hosts.commands import run

CACHE: Final = Path(os.environ.get("PREAU_TEST_HOSTS_CACHE", "/var/cache/preau-test-hosts"))
RELEASES: Final = ("bookworm", "trixie")
PACKAGES: Final = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
ADMIN: Final = "ops"  # whom Ansible logs in as: a person with sudo, as on a real server

_MIRROR: Final = os.environ.get("PREAU_TEST_HOSTS_MIRROR", "http://deb.debian.org/debian")
_SECURITY: Final = os.environ.get("PREAU_TEST_HOSTS_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
_RECIPE: Final = 3  # one more whenever the steps below change
_STALE_DAYS: Final = 7  # by then the mirror no longer holds all packages of the lists inside
_APT: Final = ("apt-get", "--yes", "-o", "Dpkg::Use-Pty=0")


def base_tree(release: str) -> Path:
    """The tree of a release, made now if it is missing or too old (about two minutes)."""
    tree = CACHE / "bases" / f"{release}-{_fingerprint(release)}"
    with locked(CACHE / f"{release}.lock"):
        if not _fresh(tree):
            _build(release, tree)
            _drop_others(release, tree)
    return tree


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock between processes; the kernel lets go of it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fingerprint(release: str) -> str:
    parts = [str(_RECIPE), release, _MIRROR, _SECURITY, *PACKAGES, *trust.pip_settings(), *trust.extra_certificates()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _fresh(tree: Path) -> bool:
    return tree.exists() and (time.time() - tree.stat().st_mtime < _STALE_DAYS * 86_400 or _in_use(tree))


def _in_use(tree: Path) -> bool:
    return f"lowerdir={tree}," in Path("/proc/self/mounts").read_text()


def _build(release: str, tree: Path) -> None:
    print(f"hosts: building the {release} tree (once, about two minutes) …", flush=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{release}-", dir=tree.parent) as folder:
        root = Path(folder) / "root"
        packages = "--include=" + ",".join(PACKAGES)
        run("debootstrap", "--variant=minbase", packages, release, root, _MIRROR, seconds=900)
        _write_sources(root, release)
        trust.install(root)
        _update(root)
        _finish(root)
        if tree.exists():
            shutil.rmtree(tree)
        os.utime(root)
        root.rename(tree)


def _write_sources(root: Path, release: str) -> None:
    """As Debian's own installer leaves them."""
    suites = [(_MIRROR, release), (_MIRROR, f"{release}-updates"), (_SECURITY, f"{release}-security")]
    lines = [f"deb {mirror} {suite} main" for mirror, suite in suites]
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")


def _update(root: Path) -> None:
    """Fetches the package lists, and the security updates that a maintained machine has."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for step in (["update"], ["dist-upgrade"], ["clean"]):
        run("chroot", root, *_APT, *step, seconds=600, env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})


def _finish(root: Path) -> None:
    """What must differ from host to host goes; what every host of a test has comes."""
    for path in [*root.glob("etc/ssh/ssh_host_*"), root / "etc/resolv.conf", root / "etc/hostname"]:
        path.unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    run("systemctl", f"--root={root}", "enable", "systemd-networkd", "ssh")
    run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", ADMIN)
    sudoers = root / "etc/sudoers.d/ops"
    sudoers.write_text(f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)


def _drop_others(release: str, kept: Path) -> None:
    for tree in kept.parent.glob(f"{release}-*"):
        if tree != kept and not _in_use(tree):
            shutil.rmtree(tree)
