"""What the roles write for every inventory, held to the programs that will read it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from preau.demo.authority import Authority
from tests.deploy.proxying import NAMES
from tests.deploy.rendered import World
from tests.deploy.rendering import File
from tests.nginx_server import NginxMissing, nginx_program

pytestmark = pytest.mark.timeout(600)
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
# Checks that read more of a host than the file. nginx is tried below; the tests of the role `preau` run its own.
ASK_FOR_MORE: Final = {"env", "nginx"}
# What only root's programs read: host keys, the kernel's tables, another user's rights.
ROOTS: Final = {"sshd", "nft", "sh"}
NGINX: Final = "/etc/preau/web/nginx.conf"
# By path: who reads a file for which no task names a check.
READ_BY: Final = {
    "/etc/systemd/system/*": "systemd-analyze verify, on every host of tests/hosts/test_installation.py",
    "/etc/systemd/*.conf.d/*": "the daemon itself, which says what it does not know; there is no check",
    "/etc/preau/synapse/*": "synapse.config, below",
    "/etc/postfix/*": "postfix check, on hosts as above",
    "/etc/prometheus/exporter-exporter.yml": "the exporter itself, which does not start otherwise and has no check",
    "/etc/clamav/*": "clamd itself, which does not start otherwise and has no check",
    "/etc/default/prometheus*": "the programs whose options they are; they end at one that they do not know",
    "/etc/pgbackrest/*": "pgbackrest check, by the task that makes the repository",
    "/etc/postgresql/*/pg_hba.conf": "PostgreSQL itself: pg_hba_file_rules, on hosts as above",
    "/etc/postgresql-common/*": "pg_createcluster, which takes nothing that it does not know",
    "/etc/redis/*": "Redis itself, which does not start otherwise and has no check",
    "/etc/sysctl.d/*": "systemd-sysctl.service, by the handler",
    "/etc/tmpfiles.d/*": "systemd-tmpfiles, by the handler",
    "/usr/local/sbin/preau-figures": "tests/deploy/test_monitoring.py, which runs it",
    "/usr/local/share/ca-certificates/*": "update-ca-certificates, by the handler",
    "/var/lib/preau/web/*": "browsers and clients: tests/deploy/test_web.py",
    "/var/log/preau-web/*": "nobody: empty when written",
    "/etc/prometheus/redis.env": "one value, a secret",
    "/etc/preau/*/secrets/*": "one value, a secret",
}
OURS: Final = re.compile(r"(?<![\w./])/(?:etc|run|opt|var/(?:lib|log|cache))/preau")
READ: Final = """
import json, sys
from synapse.config.homeserver import HomeServerConfig
for files in json.loads(sys.argv[1]):
    HomeServerConfig.load_config("", [word for file in files for word in ("-c", file)])
    print(files[-1])
"""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """To throw away: certificate and key."""
    issued = Authority(tmp_path_factory.mktemp("authority")).issue("host", hosts=NAMES)
    return issued.certificate.read_bytes(), issued.key.read_bytes()


def _lay(files: Iterable[File], root: Path, certificate: tuple[bytes, bytes]) -> None:
    """Writes a host's files below ``root``, and has them name each other there."""
    for name in ("tls/host.pem", "tls/host.key", "tls/ca.pem", "web/tls/fullchain.pem", "web/tls/privkey.pem"):
        path = root / "etc/preau" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(certificate[name.endswith(("key", "privkey.pem"))])
    for folder in ("var/lib/preau/synapse", "var/log/preau-web", "var/cache/preau-web", "run/preau-web"):
        (root / folder).mkdir(parents=True)
    for file in files:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OURS.sub(lambda found: f"{root}{found[0]}", file.text))


def _hosts(world: World) -> list[str]:
    return sorted({file.host for file in world.files})


def test_every_file_passes_the_check_that_its_task_names(
    world: World, tmp_path: Path, certificate: tuple[bytes, bytes]
) -> None:
    """`validate:` of the tasks. What cannot be tried is said, and is a failure where `make test` could bring it."""
    _lay([], tmp_path, certificate)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it even for a look at its settings; its unit makes it
    left_out, refused, checks = set(), [], {(file.validate, file.text): file for file in world.files if file.validate}
    for number, file in enumerate(checks.values()):
        words = shlex.split(file.validate)
        program = Path(words[0]).name
        if program in ASK_FOR_MORE or _of_another_debian(file.validate):
            continue
        if not shutil.which(program, path=PATH) or (program in ROOTS and os.geteuid() != 0):
            left_out.add(program)
            continue
        copy = tmp_path / f"{number}-{Path(file.path).name}"
        copy.write_text(
            OURS.sub(lambda found: f"{tmp_path}{found[0]}", file.text) if program == "promtool" else file.text
        )
        command = [program, *(word.replace("%s", str(copy)) for word in words[1:])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": PATH})
        if done.returncode:
            refused.append(f"{file.name}: {done.stdout}{done.stderr}")
    print(f"left out: {sorted(left_out)}")
    assert checks
    assert refused == []
    if os.geteuid() == 0 and Path("/etc/debian_version").exists():
        assert left_out == set(), "run `bash tests/needs.sh`"


def _of_another_debian(check: str) -> bool:
    """Whether it asks for a PostgreSQL of which another version is here; hosts of tests/hosts have theirs."""
    wanted = re.findall(r"/usr/lib/postgresql/\d+/bin/postgres", check)
    return any(not Path(program).exists() for program in wanted) and any(Path("/usr/lib/postgresql").glob("*/bin"))


def test_it_is_known_who_checks_each_of_the_others(world: World) -> None:
    unchecked = {file.path: file.name for file in world.files if not file.validate}
    assert [name for path, name in unchecked.items() if not any(fnmatch(path, glob) for glob in READ_BY)] == []


def test_no_reader_is_named_for_files_that_nobody_writes(worlds: dict[str, World]) -> None:
    unchecked = {file.path for world in worlds.values() for file in world.files if not file.validate}
    assert [glob for glob in READ_BY if not any(fnmatch(path, glob) for path in unchecked)] == []


def test_synapse_takes_what_is_written_for_every_process(
    world: World, tmp_path: Path, certificate: tuple[bytes, bytes]
) -> None:
    """As the role has Synapse try it, for main and for every worker; all in one process, for it is slow to start."""
    tried: list[list[str]] = []
    for host in _hosts(world):
        files = [file for file in world.files if file.host == host]
        staged = [file.path for file in files if "/synapse/staged/" in file.path]
        layers = sorted(path for path in staged if "/workers/" not in path)
        if not layers:
            continue
        _lay(files, tmp_path / host, certificate)
        workers = [[path] for path in staged if "/workers/" in path]
        tried += [[f"{tmp_path / host}{path}" for path in [*layers, *worker]] for worker in [[], *workers]]
    assert tried
    done = subprocess.run([sys.executable, "-c", READ, json.dumps(tried)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"after {done.stdout}: {done.stderr}"
    assert done.stdout.split() == [files[-1] for files in tried]


def test_nginx_takes_what_is_written_for_every_proxy(
    world: World, tmp_path: Path, certificate: tuple[bytes, bytes]
) -> None:
    """With a certificate to throw away, sockets in place of ports, and everybody behind it at home."""
    try:
        program = nginx_program()
    except NginxMissing as reason:
        pytest.skip(f"nginx: {reason}")
    tried = []
    for host in _hosts(world):
        files = [file for file in world.files if file.host == host]
        if not any(file.path == NGINX for file in files):
            continue
        root = tmp_path / host
        _lay(files, root, certificate)
        # The path of a socket must be short.
        with tempfile.TemporaryDirectory(prefix="preau-") as sockets:
            settings = root / NGINX.lstrip("/")
            settings.write_text(_on_sockets(settings.read_text(), sockets))
            command = [program, "-t", "-q", "-e", "stderr", "-c", str(settings), "-g", "pid /dev/null;"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{host}: {done.stderr}"
        tried.append(host)
    assert tried


def _on_sockets(text: str, folder: str) -> str:
    def listen(found: re.Match[str]) -> str:
        return f"{found[1]}unix:{folder}/{re.sub('[^0-9]', '-', found[2])}"

    # Since nginx 1.25.1, which Debian 13 has; on hosts it is read by that one.
    text = re.sub(r"^\s*http2 on;$", "", text, flags=re.MULTILINE)
    at_home = re.sub(r"^(\s*server )[^\s:;{]+(:\d+)", r"\g<1>127.0.0.1\2", text, flags=re.MULTILINE)
    return re.sub(r"^(\s*listen )(\S+?)(?=[ ;])", listen, at_home, flags=re.MULTILINE)
