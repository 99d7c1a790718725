"""Looks at one host of an académie, or through its public names, and says what is well and what is not.

Runs on the host, with the standard library only; the part `federation` signs as the homeserver does and runs with the
interpreter of Synapse's environment. Changes nothing. Every line holds what was looked at, whether it is well, what was
seen, and what to do if it is not; never a secret.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    Line = dict[str, Any]

DOCUMENTATION = """
module: preau_selfcheck
short_description: Says what is well on a host of Préau and what is not
description: [Looks at one host, or through its public names. Changes nothing.]
options:
  part: {description: What to look at., type: str, required: true}
  settings: {description: What that part needs to know., type: dict, default: {}}
author: [The Préau developers]
"""
SECONDS = 10
DAY = 86_400
LEAST_DAYS = 14


def line(what: str, problem: str = "", do: str = "", said: str = "") -> Line:
    """One line of the report; well when there is no ``problem``."""
    return {"what": what, "ok": not problem, "said": problem or said, "do": do if problem else ""}


def output(*command: str) -> str:
    """What a command printed; empty where it is not there."""
    try:
        done = subprocess.run(  # noqa: S603 -- fixed commands, names from the inventory
            command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


# --- The host -----------------------------------------------------------------------------------------------------


def system(settings: Mapping[str, Any]) -> Iterator[Line]:
    """Units, disks, clock, and the certificate between hosts."""
    failed = [found.split()[0] for found in output("systemctl", "--failed", "--plain", "--no-legend").splitlines()]
    names = ", ".join(failed)
    yield line(
        "units",
        f"failed: {names}" if failed else "",
        f"journalctl -u {failed[0] if failed else ''}; then systemctl restart",
        "none failed",
    )
    yield from _disks(settings["folders"], settings["disk_percent"])
    if settings["time_managed"]:
        synchronised = output("timedatectl", "show", "--property=NTPSynchronized", "--value")
        yield line(
            "clock",
            "" if synchronised == "yes" else "it is not synchronised",
            "timedatectl timesync-status; does the firewall in front let NTP out? See base_time_servers",
            "synchronised",
        )
    if Path(settings["certificate"]).exists():
        yield _internal_certificate(settings["certificate"])
    if settings["name"]:
        yield _own_name(settings["name"], settings["address"])


def _disks(folders: Sequence[str], percent: int) -> Iterator[Line]:
    seen = set()
    for folder in folders:
        if not Path(folder).is_dir() or Path(folder).stat().st_dev in seen:
            continue
        seen.add(Path(folder).stat().st_dev)
        disk = os.statvfs(folder)
        used = 100 - 100 * disk.f_bavail // max(disk.f_blocks, 1)
        inodes = 100 - 100 * disk.f_favail // disk.f_files if disk.f_files else 0
        full = f"{used} % of the room and {inodes} % of the inodes are used" if max(used, inodes) >= percent else ""
        do = f"du -xhd2 {folder} | sort -h | tail; see docs/operate/alerts/DiskNearlyFull.md"
        yield line(f"disk {folder}", full, do, f"{used} % used")


def _internal_certificate(path: str) -> Line:
    ends = output("openssl", "x509", "-noout", "-enddate", "-in", path).partition("=")[2]
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / DAY if ends else 0
    short = f"{days:.0f} days left" if days < LEAST_DAYS else ""
    return line("certificate between hosts", short, "run deploy/site.yml: it renews it", f"{days:.0f} days left")


def _own_name(name: str, address: str) -> Line:
    """What listens at the host's address is asked for by its name, by the programs beside it, too."""
    try:
        found = sorted({str(info[4][0]) for info in socket.getaddrinfo(name, None, socket.AF_INET)})
    except OSError:
        found = []
    wrong = f"{name} is {', '.join(found) or 'nobody'} to itself, and not {address}" if found != [address] else ""
    do = "run deploy/site.yml; if it comes back, something writes /etc/hosts anew: with cloud-init, manage_etc_hosts"
    return line("own name", wrong, do, f"{name} is {address}")


def bus(settings: Mapping[str, Any]) -> Iterator[Line]:
    """The connections that Synapse's processes here hold to Redis; without, each goes on alone, and seems well."""
    port, wanted = settings["port"], int(settings["processes"])
    held = len(output("ss", "-Htn", "state", "established", f"( dport = :{port} )").splitlines())
    few = f"{held} connections to port {port}, of {wanted} processes" if held < wanted else ""
    do = f"journalctl -u 'preau-synapse*' | grep 'redis server' says why; is {settings['host']} reached from here?"
    yield line("bus", few, do, f"{held} connections of {wanted} processes")


def units(settings: Mapping[str, Any]) -> Iterator[Line]:
    """The units that must be running here."""
    for unit in settings["units"]:
        state = output("systemctl", "is-active", unit) or "unknown"
        problem = "" if state == "active" else f"it is {state}"
        yield line(
            unit, problem, f"journalctl -u {unit} -n 50; then systemctl start {unit}, or run deploy/site.yml", state
        )


def health(settings: Mapping[str, Any]) -> Iterator[Line]:
    """Addresses on this host that must answer 200."""
    for part in settings["addresses"]:
        status, _, error = fetch(part["url"])
        problem = "" if status == 200 else error or f"it answers {status}"
        yield line(f"{part['name']} answers", problem, f"journalctl -u {part['unit']} -n 50")


def doctor(settings: Mapping[str, Any]) -> Iterator[Line]:
    """What the service's own doctor found."""
    printed = output(settings["command"], "doctor", "--json")
    try:
        checks = json.loads(printed)["checks"]
    except (ValueError, KeyError):
        yield line("preau doctor", "it could not look", "sudo preau doctor; journalctl -u preau.service -n 50")
        return
    for check in checks:
        yield line(f"doctor: {check['check']}", "" if check["well"] else check["said"], check["advice"], check["said"])


def backups(settings: Mapping[str, Any]) -> Iterator[Line]:
    """How long ago each job of the backups last went well."""
    for job in settings["jobs"]:
        file = Path(settings["folder"]) / f"{job['name']}.json"
        timer = Path("/etc/systemd/system") / f"preau-backup-{job['timer']}.timer"
        found = json.loads(file.read_text()) if file.exists() else {"succeeded": 0, "error": ""}
        hours = (time.time() - found["succeeded"]) / 3600
        what, do = (
            f"backup: {job['name']}",
            f"journalctl -u preau-backup-{job['timer']} -n 50; see docs/operate/backup.md",
        )
        if not found["succeeded"] and timer.exists() and time.time() - timer.stat().st_mtime < job["hours"] * 3600:
            yield line(what, found["error"], do, "not due yet")
        elif hours > job["hours"]:
            age = f"the last good one is {hours:.0f} hours old" if found["succeeded"] else "there never was a good one"
            yield line(what, f"{age} (at most {job['hours']}). {found['error']}".strip(), do)
        else:
            yield line(what, found["error"] and f"the last one failed: {found['error']}", do, f"{hours:.1f} hours old")


# --- Through the public names ---------------------------------------------------------------------------------------


def opener(*more: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Neither the proxy of the environment nor a redirect: what is looked at is what was asked for."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect(), *more)


def fetch(
    url: str,
    headers: Mapping[str, str] | None = None,
    by: urllib.request.OpenerDirector | None = None,
    body: bytes | None = None,
) -> tuple[int, bytes, str]:
    """Status, body, and why there is none (status 0). With a body it is posted."""
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 -- our own addresses
    try:
        with (by or opener()).open(request, timeout=SECONDS) as answer:
            return answer.status, answer.read(1_000_000), ""
    except urllib.error.HTTPError as error:
        return error.code, error.read(1_000_000), ""
    except (OSError, ValueError) as error:
        return 0, b"", _reason(getattr(error, "reason", error))


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, socket.gaierror):
        return "DNS does not know the name"
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS} seconds (a firewall?)"
    return f"{error}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


def document(url: str, by: urllib.request.OpenerDirector | None = None) -> tuple[dict[str, Any], str]:
    """A JSON object, and why there is none."""
    status, body, error = fetch(url, by=by)
    if status != 200:
        return {}, error or f"{url} answers {status}"
    try:
        found = json.loads(body)
    except ValueError:
        return {}, f"{url} is no JSON"
    return (found, "") if isinstance(found, dict) else ({}, f"{url} is no JSON object")


def public(settings: Mapping[str, Any]) -> Iterator[Line]:
    """What everybody reaches: certificates, client API, well-known documents, client, and what must stay closed."""
    server, host = settings["server_name"], settings["public_host"]
    for name in settings["names"]:
        yield _tls(name)
    versions, problem = document(f"https://{host}/_matrix/client/versions")
    problem = problem or ("" if versions.get("versions") else "it names no version")
    yield line("client API", problem, "curl -v it from the proxy; journalctl -u nginx -u preau-synapse", "answers")
    yield from _well_known(server, host)
    keys, problem = document(f"https://{host}/_matrix/key/v2/server")
    problem = problem or _key_problem(keys, server)
    yield line("federation API", problem, "is synapse_server_name right? journalctl -u preau-synapse", "shows our key")
    status, _, error = fetch(f"https://{host}/_synapse/admin/v1/server_version")
    open_door = "" if status in {403, 404} else error or f"it answers {status} where 403 or 404 was due"
    yield line("admin API closed to the outside", open_door, "look at nginx' configuration; run deploy/site.yml")
    for name, title in ((settings["client_host"], "web client"), (settings["portal_host"], "portal")):
        status, _, error = fetch(f"https://{name}/")
        problem = "" if 200 <= status < 400 else error or f"it answers {status}"
        yield line(title, problem, "journalctl -u nginx; run deploy/site.yml", f"https://{name}/ answers")


def _tls(name: str) -> Line:
    what, context = f"certificate of {name}", ssl.create_default_context()
    try:
        with (
            socket.create_connection((name, 443), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            ends = str((tls.getpeercert() or {}).get("notAfter"))
            days = (ssl.cert_time_to_seconds(ends) - time.time()) / DAY
            return line(
                what,
                f"{days:.0f} days left" if days < LEAST_DAYS else "",
                "renew it: see web_tls_source, and systemctl list-timers for ACME",
                f"{days:.0f} days left, {tls.version()}",
            )
    except OSError as error:
        return line(
            what, _reason(error), f"getent hosts {name}; openssl s_client -connect {name}:443 -servername {name}"
        )


def _well_known(server: str, host: str) -> Iterator[Line]:
    do = f"does https://{server}/ reach the proxy? If not, roles/web/README.md says what the site there must serve"
    client, problem = document(f"https://{server}/.well-known/matrix/client")
    base = str(client.get("m.homeserver", {}).get("base_url", "")).rstrip("/")
    if not problem and base != f"https://{host}":
        problem = f"it sends clients to {base or 'nowhere'}, not to https://{host}"
    yield line("well-known for clients", problem, do, f"leads to https://{host}")
    other, problem = document(f"https://{server}/.well-known/matrix/server")
    if not problem and other.get("m.server") != f"{host}:443":
        problem = f"it sends homeservers to {other.get('m.server') or 'nowhere'}, not to {host}:443"
    yield line("well-known for homeservers", problem, do, f"leads to {host}:443")


def _key_problem(keys: Mapping[str, Any], server: str) -> str:
    if keys.get("server_name") != server:
        return f"it shows the keys of {keys.get('server_name')}, not of {server}"
    if not keys.get("verify_keys"):
        return "it shows no key"
    return "" if keys.get("valid_until_ts", 0) / 1000 > time.time() else "its keys are no longer valid"


# --- Between homeservers ----------------------------------------------------------------------------------------------


def federation(settings: Mapping[str, Any]) -> Iterator[Line]:
    """Each peer: found, who it says it is, and whether it takes a request that we signed."""
    context = ssl.create_default_context()
    if settings["ca_files"]:
        # As Synapse itself: these authorities and no others.
        context = ssl.create_default_context(cafile=settings["ca_files"][0])
        for file in settings["ca_files"][1:]:
            context.load_verify_locations(file)
    by = opener(urllib.request.HTTPSHandler(context=context))
    for peer in settings["peers"]:
        problem, do = _peer(peer, settings, by)
        yield line(f"federation with {peer}", problem, do, "it is who it says, takes what we sign, and reaches us")


def _peer(peer: str, settings: Mapping[str, Any], by: urllib.request.OpenerDirector) -> tuple[str, str]:
    """What is wrong, and what to do."""
    ask = f"ask the operators of {peer} to run selfcheck"
    found, problem = document(f"https://{peer}/.well-known/matrix/server", by)
    if problem:
        return f"its well-known document cannot be had: {problem}", ask
    where = str(found.get("m.server", peer))
    address = f"https://{where}" if ":" in where else f"https://{where}:8448"
    keys, problem = document(f"{address}/_matrix/key/v2/server", by)
    if problem := problem or _key_problem(keys, peer):
        return f"{address}: {problem}", f"{ask}; is the way there open?"
    # An alias that nobody has: whoever takes our signature says 404, and nothing of theirs is shown. Profiles cannot be
    # asked for: no homeserver of ours answers for them.
    alias = urllib.parse.urlencode({"room_alias": f"#preau-selfcheck:{peer}"})
    uri = f"/_matrix/federation/v1/query/directory?{alias}"
    ours = settings["server_name"]
    signature = {"Authorization": _signed(uri, ours, peer, Path(settings["signing_key"]))}
    status, body, error = fetch(address + uri, signature, by)
    if status in {200, 404}:
        return _way_back(address, settings, by), f"can {peer} reach our public name? Is our proxy up? Else {ask}"
    message = error or re.sub(r"\s+", " ", body.decode(errors="replace"))[:200]
    do = {
        401: f"{peer} cannot read our key: can it reach our public name? Ask its operators to run selfcheck",
        403: f"{peer} does not list us: ask its operators to add {ours} to preau_peers and to run deploy/federate.yml",
    }
    return f"it answers {status}: {message}", do.get(status, ask)


def _way_back(address: str, settings: Mapping[str, Any], by: urllib.request.OpenerDirector) -> str:
    """What keeps a peer from reaching us.

    Asked for keys that are good for longer than ours ever are, it fetches them from us now, and answers with what it
    has in the end. Ours are good for half a day at least when they are handed out: others are a copy of before.
    """
    ours, key = settings["server_name"], ":".join(Path(settings["signing_key"]).read_text().split()[:2])
    never = {"minimum_valid_until_ts": int(1000 * (time.time() + 7 * DAY))}
    asked = json.dumps({"server_keys": {ours: {key: never}}}).encode()
    status, body, error = fetch(f"{address}/_matrix/key/v2/query", {"Content-Type": "application/json"}, by, asked)
    if status != 200:
        return f"asked for our keys it answers {status}: {error}"
    try:
        until = max((keys["valid_until_ts"] for keys in json.loads(body)["server_keys"]), default=0) / 1000
    except (ValueError, KeyError, TypeError):
        return "asked for our keys it answers what is none"
    return "" if until > time.time() + 0.4 * DAY else "it cannot reach us: what it has of our keys is old"


def _signed(uri: str, ours: str, peer: str, key: Path) -> str:
    # In Synapse's environment only.
    from signedjson.key import read_signing_keys  # noqa: PLC0415 -- said above
    from signedjson.sign import sign_json  # noqa: PLC0415 -- said above

    signing = read_signing_keys(key.read_text().splitlines())[0]
    request = {"method": "GET", "uri": uri, "origin": ours, "destination": peer}
    version = f"{signing.alg}:{signing.version}"
    signature = sign_json(request, ours, signing)["signatures"][ours][version]
    return f'X-Matrix origin="{ours}",destination="{peer}",key="{version}",sig="{signature}"'


PARTS: dict[str, Callable[[Mapping[str, Any]], Iterator[Line]]] = {
    "system": system,
    "units": units,
    "bus": bus,
    "health": health,
    "doctor": doctor,
    "backups": backups,
    "public": public,
    "federation": federation,
}


def main() -> None:
    """Look at one part."""
    arguments = {
        "part": {"type": "str", "required": True, "choices": list(PARTS)},
        "settings": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(arguments, supports_check_mode=True)
    lines = list(PARTS[module.params["part"]](module.params["settings"]))
    module.exit_json(changed=False, lines=lines)


if __name__ == "__main__":
    main()
