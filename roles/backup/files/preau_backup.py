#!/usr/bin/env python3
"""What is saved of this host, when, and whether it can be trusted: the one program that every backup timer calls.

    manifest ─► a restore point in the WAL, and the figures on both sides of it     (database host, as postgres)
    files ────► restic: the host's paths, the manifest among them                   (every host with something to save)
    database ─► pgBackRest: full or differential backup of the cluster              (the host that orders backups)
    keep ─────► restic: forget what is older than what is kept                      (the host of the repository)
    verify ───► pgBackRest and restic read back what lies in the repository         (the host that orders backups)
    compare ──► figures of a restored cluster against a manifest                    (wherever it was restored)
    restore-files ──► the first snapshot after a moment, back to its place          (wherever it is needed)
    metrics ──► the outcomes as a file for the node exporter                        (after every job, as root)

Every command but `compare` leaves a file of JSON under the status folder, whether it went well or not: the age of the
last success is what monitoring and `selfcheck` look at. The exit status is 0, or 1 with one line on standard error.

Settings are read from /etc/preau/backup/backup.json, secrets from the credentials that systemd hands over, or, where
an operator calls by hand as root, from the folder that systemd takes them from. Python's standard library only: a
database host has no environment of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/preau/backup/backup.json")
Json = dict[str, Any]

# What is counted, by database: few, cheap on a large cluster, and each the sum of something that people would miss.
# Events are counted over the last million stream positions only: a full count reads the largest table of all.
FIGURES: dict[str, dict[str, str]] = {
    "synapse": {
        "schema": "SELECT version FROM schema_version",
        "accounts": "SELECT count(*) FROM users",
        "passwords": "SELECT md5(string_agg(name || ':' || coalesce(password_hash, ''), ',' ORDER BY name)) FROM users",
        "rooms": "SELECT count(*) FROM rooms",
        "members": "SELECT count(*) FROM local_current_membership WHERE membership = 'join'",
        "last_event": "SELECT coalesce(max(stream_ordering), 0) FROM events",
        "recent_events": "SELECT count(*) FROM events WHERE stream_ordering > "
        "(SELECT max(stream_ordering) - 1000000 FROM events)",
        "media": "SELECT count(*) FROM local_media_repository",
    },
    "preau": {
        "persons": "SELECT count(*) FROM person",
        "accounts": "SELECT count(*) FROM account",
        "rooms": "SELECT count(*) FROM room",
        "journal": "SELECT seq || ':' || hash FROM journal ORDER BY seq DESC LIMIT 1",
    },
}


class BackupFailed(Exception):
    """Something that an operator must look at; the text says what."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings file, as the role writes it."""

    values: Json

    def __getattr__(self, name: str) -> Any:
        """A value by its name in the file."""
        return self.values[name]

    def secret(self, name: str) -> Path:
        """Where a secret lies: systemd's credential, else the file that systemd would have read."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY") or self.values["secrets_folder"]
        return Path(folder) / name


def output(*command: str, environment: Mapping[str, str] | None = None, accept: tuple[int, ...] = (0,)) -> str:
    """What a command printed; its messages go to the journal as they come.

    Raises:
        BackupFailed: if it ends with a status that is not among ``accept``.
    """
    done = subprocess.run(  # noqa: S603 -- the programs are fixed, the arguments come from root's own settings
        command, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode not in accept:
        raise BackupFailed(f"{Path(command[0]).name} {command[1]} ended with {done.returncode}: {done.stdout[-500:]}")
    return done.stdout


# --- Figures -------------------------------------------------------------------------------------------------------


def query(settings: Settings, database: str, statement: str) -> str:
    """One value, as text, from a database of the cluster on this host."""
    where = ["-h", settings.database_socket, "-p", str(settings.database_port), "-d", database]
    return output("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *where, "-c", statement).strip()


def figures(settings: Settings) -> dict[str, dict[str, str]]:
    """Every figure of every database that is there; empty where a table is not made yet."""
    present = set(query(settings, "postgres", "SELECT datname FROM pg_database").split())
    return {
        database: {
            name: query(settings, database, statement)
            for name, statement in statements.items()
            if query(settings, database, f"SELECT to_regclass('{_table(statement)}') IS NOT NULL") == "t"
        }
        for database, statements in FIGURES.items()
        if database in present
    }


def _table(statement: str) -> str:
    words = statement.replace(")", " ").split()
    return words[words.index("FROM") + 1]


def manifest(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Name a point in the WAL, and write down the figures right before and right after it.

    Whoever restores the cluster to that very point must find every number between the two, every text equal to one of
    them. WAL is switched, so that the point is in the repository within moments.
    """
    began = datetime.now(UTC)
    point = f"preau-{began:%Y%m%dT%H%M%SZ}"
    before = figures(settings)
    lsn = query(settings, "postgres", f"SELECT pg_create_restore_point('{point}')")
    after = figures(settings)
    query(settings, "postgres", "SELECT pg_switch_wal()")
    found = {
        "host": settings.name,
        "restore_point": point,
        "lsn": lsn,
        "at": began.isoformat(timespec="seconds"),
        "postgresql": query(settings, "postgres", "SHOW server_version"),
        "size": int(query(settings, "postgres", "SELECT sum(pg_database_size(oid))::bigint FROM pg_database")),
        "before": before,
        "after": after,
    }
    write_json(Path(settings.manifest), found)
    return {"restore_point": point, "size": found["size"]}


def compare(settings: Settings, arguments: argparse.Namespace) -> Json:
    """Hold a restored cluster against a manifest: the lines that differ, each with what was expected and found.

    With ``--later`` the cluster was restored beyond the manifest's point, so numbers may have grown and texts changed.
    """
    noted = json.loads(Path(arguments.manifest).read_text())
    found = figures(settings)
    rows = [
        {"figure": f"{database}.{name}", "low": low, "high": noted["after"][database][name], "found": value}
        for database, names in noted["before"].items()
        for name, low in names.items()
        for value in [found.get(database, {}).get(name, "missing")]
    ]
    wrong = [row for row in rows if not _fits(row, later=arguments.later)]
    if wrong:
        raise BackupFailed("the restored cluster is not the one that was saved: " + json.dumps(wrong))
    return {"manifest": noted["restore_point"], "compared": len(rows), "figures": found}


# What only ever grows: also where more was replayed, it is not behind what was noted.
GROWING = frozenset({"synapse.schema", "synapse.last_event"})


def _fits(row: Mapping[str, str], *, later: bool) -> bool:
    low, high, found = row["low"], row["high"], row["found"]
    if later:
        return found != "missing" and (row["figure"] not in GROWING or int(found or 0) >= int(low or 0))
    if not (low.isdigit() and high.isdigit() and found.isdigit()):
        return found in {low, high}
    return int(low) <= int(found) <= int(high) or int(high) <= int(found) <= int(low)


# --- Files ---------------------------------------------------------------------------------------------------------


def restic(settings: Settings, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
    """Call restic on the repository of this host's settings."""
    command = ["restic", "--repo", settings.files_repository, "--quiet", "--json"]
    command += ["--password-file", str(settings.secret("files-password")), "--cache-dir", settings.cache_folder]
    if settings.tls:
        command += ["--cacert", settings.tls["ca"], "--tls-client-cert", str(_client_certificate(settings))]
    environment = {}
    if settings.s3:
        environment["AWS_ACCESS_KEY_ID"] = settings.secret("s3-key-id").read_text().strip()
        environment["AWS_SECRET_ACCESS_KEY"] = settings.secret("s3-key-secret").read_text().strip()
        environment["AWS_DEFAULT_REGION"] = settings.s3["region"]
    return output(*command, *arguments, environment=environment, accept=accept)


def _client_certificate(settings: Settings) -> Path:
    """Certificate and key of this host in one file, as restic wants them; in memory, readable by root only."""
    path = Path(os.environ.get("RUNTIME_DIRECTORY") or "/run") / "preau-backup-client.pem"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Path(settings.tls["certificate"]).read_text() + Path(settings.tls["key"]).read_text())
    return path


def repository(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Make the repository of files if there is none. Nothing happens to one that is there, or that cannot be read."""
    try:
        restic(settings, "cat", "config")
    except BackupFailed:
        restic(settings, "init")
        return {"made": True}
    return {"made": False}


def files(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Save this host's paths. Files that vanish while they are read (media that is purged) are no failure."""
    present = [path for path in settings.paths if Path(path).exists()]
    if not present:
        raise BackupFailed("none of the paths to save exists: " + " ".join(settings.paths))
    excludes = [f"--exclude={pattern}" for pattern in settings.excludes]
    restic(settings, "backup", "--host", settings.name, "--tag", "preau", *excludes, *present, accept=(0, 3))
    last = snapshot_for(settings, settings.name, "")
    size = json.loads(restic(settings, "stats", "--mode", "restore-size", last["short_id"]))
    counts = {"files": size["total_file_count"], "size": size["total_size"]}
    return {"snapshot": last["short_id"], "at": last["time"], **counts}


def snapshot_for(settings: Settings, host: str, at: str) -> Json:
    """The snapshot of a host's files to restore beside a database of a moment, as `choose` finds it.

    Raises:
        BackupFailed: if there is none.
    """
    found = json.loads(restic(settings, "snapshots", "--host", host, "--tag", "preau") or "[]")
    if not found:
        raise BackupFailed(f"the repository holds no files of {host}")
    return choose(found, at)


def choose(snapshots: Sequence[Json], at: str) -> Json:
    """The first snapshot after a moment, else the newest; without a moment the newest.

    Media that the database does not know harms nobody; media that it knows and that is missing is a hole in a room.
    """
    ordered = sorted(snapshots, key=lambda snapshot: moment(snapshot["time"]))
    later = [snapshot for snapshot in ordered if at and moment(snapshot["time"]) >= moment(at)]
    return (later[:1] or ordered[-1:])[0]


def restore_files(settings: Settings, arguments: argparse.Namespace) -> Json:
    """Bring paths of a host back from the repository, below a folder (`/`: to where they were)."""
    began = time.time()
    chosen = snapshot_for(settings, arguments.host, arguments.at)
    held = within(arguments.paths, chosen["paths"])
    includes = [f"--include={path}" for path in held]
    if held:
        restic(settings, "restore", chosen["short_id"], "--target", arguments.into, *includes)
    return {
        "snapshot": chosen["short_id"],
        "at": chosen["time"],
        "restored": held,
        "seconds": round(time.time() - began, 1),
    }


def within(paths: Sequence[str], saved: Sequence[str]) -> list[str]:
    """Those paths that are, or lie below, one that was saved."""
    return [path for path in paths if any(path == top or path.startswith(top.rstrip("/") + "/") for top in saved)]


def moment(text: str) -> datetime:
    """A moment from ISO 8601 text; without a zone it is UTC. restic's digits after the microseconds are cut."""
    head, dot, tail = text.replace("Z", "+00:00").partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        head += "." + tail[: min(digits, 6)].ljust(6, "0") + tail[digits:]
    found = datetime.fromisoformat(head)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def keep(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Forget snapshots that are older than what is kept, and free what only they held.

    Only ages are asked for, never numbers: whoever stole a homeserver can add snapshots, and must not push older ones
    out by that.
    """
    kept = [f"--keep-within-{unit}={span}" for unit, span in settings.keep.items()]
    restic(settings, "forget", "--tag", "preau", "--group-by", "host", "--prune", *kept)
    found = json.loads(restic(settings, "snapshots", "--tag", "preau") or "[]")
    return {"snapshots": len(found)}


# --- The cluster ---------------------------------------------------------------------------------------------------


def pgbackrest(settings: Settings, *arguments: str) -> str:
    """Call pgBackRest on the académie's stanza."""
    return output("pgbackrest", f"--stanza={settings.stanza}", *arguments)


def database(settings: Settings, arguments: argparse.Namespace) -> Json:
    """Back the cluster up, full or differential; a differential one without a full one before it becomes full."""
    pgbackrest(settings, f"--type={arguments.kind}", "backup")
    return cluster_state(settings)


def cluster_state(settings: Settings) -> Json:
    """The newest backup of the cluster, and the WAL that the repository holds after it.

    Raises:
        BackupFailed: if pgBackRest says that something is wrong, or there is no backup.
    """
    (stanza,) = json.loads(pgbackrest(settings, "--output=json", "info"))
    if stanza["status"]["code"] or not stanza["backup"]:
        raise BackupFailed(f"pgBackRest says of the stanza {settings.stanza}: {stanza['status']['message']}")
    last = stanza["backup"][-1]
    return {
        "backup": last["label"],
        "type": last["type"],
        "at": datetime.fromtimestamp(last["timestamp"]["stop"], UTC).isoformat(),
        "size": last["info"]["size"],
        "stored": last["info"]["repository"]["delta"],
        "wal_until": stanza["archive"][-1]["max"],
        "postgresql": stanza["db"][-1]["version"],
    }


def verify(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Prove that WAL arrives, that every stored byte of the cluster matches its checksum, and a part of the files.

    A rotating part of the files' bytes is read on each run, so that over `verify_parts` runs all were read.
    """
    pgbackrest(settings, "check")
    report = pgbackrest(settings, "--output=text", "verify")
    if "error" in report.lower() and "status: ok" not in report.lower():
        raise BackupFailed("pgBackRest finds damage in the repository: " + report[-500:])
    part = int(time.time()) // 86400 % settings.verify_parts + 1
    restic(settings, "check", f"--read-data-subset={part}/{settings.verify_parts}")
    return {**cluster_state(settings), "files_part": f"{part}/{settings.verify_parts}"}


# --- Status --------------------------------------------------------------------------------------------------------


def write_json(path: Path, value: Json) -> None:
    """Replace a file as a whole, readable by all: nothing secret is in it."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    draft.chmod(0o644)
    draft.replace(path)


def record(settings: Settings, job: str, began: float, result: Json, error: str) -> None:
    """Leave the outcome where monitoring looks: the last success stays visible after a failure."""
    path = Path(settings.status_folder) / f"{job}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    now = time.time()
    found = {
        "job": job,
        "host": settings.name,
        "ok": not error,
        "error": error,
        "finished": int(now),
        "seconds": round(now - began, 1),
        "succeeded": before.get("succeeded", 0) if error else int(now),
        "result": before.get("result", {}) if error else result,
    }
    write_json(path, found)


def metrics(settings: Settings, _arguments: argparse.Namespace) -> Json:
    """Write the outcomes of all jobs where the node exporter reads; nothing where there is none."""
    folder = Path(settings.textfile_folder)
    if not settings.textfile_folder or not folder.is_dir():
        return {"written": False}
    found = [json.loads(path.read_text()) for path in sorted(Path(settings.status_folder).glob("*.json"))]
    columns = {"last_success_timestamp_seconds": "succeeded", "seconds": "seconds", "ok": "ok"}
    lines = [
        f'preau_backup_{metric}{{kind="{outcome["job"]}"}} {float(outcome[column]):.1f}'
        for metric, column in columns.items()
        for outcome in found
    ]
    draft = folder / "preau-backup.prom.new"
    draft.write_text("\n".join(lines) + "\n")
    draft.chmod(0o644)
    draft.replace(folder / "preau-backup.prom")
    return {"written": True}


JOBS: dict[str, Callable[[Settings, argparse.Namespace], Json]] = {
    "manifest": manifest,
    "files": files,
    "database": database,
    "keep": keep,
    "verify": verify,
}
QUESTIONS: dict[str, Callable[[Settings, argparse.Namespace], Json]] = {
    "compare": compare,
    "metrics": metrics,
    "repository": repository,
    "restore-files": restore_files,
}


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="preau-backup", description="Backups of one host of an académie.")
    parser.add_argument("--config", type=Path, default=CONFIG)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("manifest", "files", "keep", "verify", "repository", "metrics"):
        commands.add_parser(name)
    commands.add_parser("database").add_argument("kind", choices=["full", "diff", "incr"])
    comparing = commands.add_parser("compare")
    comparing.add_argument("manifest")
    comparing.add_argument("--later", action="store_true", help="the cluster was restored beyond the manifest's point")
    restoring = commands.add_parser("restore-files")
    restoring.add_argument("host", help="whose files")
    restoring.add_argument("paths", nargs="+")
    restoring.add_argument("--into", default="/")
    restoring.add_argument("--at", default="", help="the moment that the database was restored to")
    return parser.parse_args(words)


def main() -> int:
    """Run one command; print what it found as JSON."""
    arguments = arguments_of()
    settings = Settings(json.loads(arguments.config.read_text()))
    began, error = time.time(), ""
    result: Json = {}
    job = JOBS.get(arguments.command)
    try:
        result = (job or QUESTIONS[arguments.command])(settings, arguments)
    except (BackupFailed, OSError, ValueError, KeyError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    if job:
        record(settings, arguments.command, began, result, error)
    if error:
        print(f"preau-backup {arguments.command}: {error}", file=sys.stderr)  # noqa: T201 -- one line for the journal
        return 1
    print(json.dumps(result, indent=2, sort_keys=True))  # noqa: T201 -- the answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
