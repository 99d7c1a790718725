"""Makes the secrets that an académie's vault file misses, or new ones in place of some of them.

Runs on the controller, since only there the vault's password is. Values never leave this process: results hold names.

    vault.yml ─► decrypt ─► what is missing? ─► make it, append it ─┬─► all else the same? ─► encrypt ─► replace
                          └► may it go? ─► make it, put it in place ┘
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import re
import secrets
import string
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib
from ansible.plugins.action import ActionBase

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
TEN_YEARS = dt.timedelta(days=3652)
HEADER = "---\n# Secrets. Made by deploy/bootstrap_secrets.yml; read and change with ansible-vault edit.\n"
INLINE_VAULT = re.compile(r":\s*!vault\b")
# The public halves of signing keys that were replaced, as JSON: what they signed stays valid.
OLD_KEYS = "vault_synapse_old_signing_keys"
OLD_KEYS_WHAT = "Public halves of the signing keys of before. No secret, but other académies go on asking for them."
# For so long does what bears an old key's signature still count: the homeserver signs with it until it is restarted,
# and a run that stopped half way is to be finished by then.
ONE_DAY = dt.timedelta(days=1)


# --- One secret of each kind --------------------------------------------------------------------------------------


def token(_owner: str) -> dict[str, str]:
    """64 hexadecimal digits."""
    return {"": secrets.token_hex(32)}


def password(_owner: str) -> dict[str, str]:
    """40 letters and digits."""
    return {"": "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(40))}


def ed25519_signing_key(_owner: str) -> dict[str, str]:
    """A key as Synapse keeps it: algorithm, version, seed in base64 without padding."""
    version = "a_" + "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(4))
    return {"": f"ed25519 {version} {_unpadded(secrets.token_bytes(32))}"}


def old_signing_keys(key: str, until: dt.datetime) -> dict[str, dict[str, Any]]:
    """The keys of ``key`` (lines as Synapse keeps them) as Synapse publishes those that it signs with no more.

    Raises:
        AnsibleActionFail: if ``key`` is not in that form.
    """
    # Only where a secret is made, as below.
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 -- said above

    try:
        found = [line.split() for line in key.splitlines() if line.strip()]
        seeds = {version: base64.b64decode(seed + "=" * (-len(seed) % 4)) for _algorithm, version, seed in found}
        keys = {version: ed25519.Ed25519PrivateKey.from_private_bytes(seed) for version, seed in seeds.items()}
    except ValueError:
        # Without the error's own words: they might quote the key.
        raise AnsibleActionFail(
            "the signing key is not in Synapse's form, so the old one cannot be published"
        ) from None
    expired = int(until.timestamp() * 1000)
    return {
        f"ed25519:{version}": {"key": _unpadded(private.public_key().public_bytes_raw()), "expired_ts": expired}
        for version, private in keys.items()
    }


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def ca(owner: str) -> dict[str, str]:
    """A certificate authority: it signs hosts, no other authority.

    It carries no name constraint: hosts may be named as their operator likes, and a name added later must not ask for
    another authority on every host.
    """
    # Only where a secret is made: playbooks that only read need no cryptography on the controller.
    from cryptography import x509  # noqa: PLC0415 -- said above
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 -- said above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 -- said above

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Preau internal CA of {owner}")])
    # A day back: the clocks of the hosts need not agree with the controller's to the second.
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    signs = {"key_cert_sign": True, "crl_sign": True}
    others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(**signs, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, start + TEN_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"_certificate": certificate.public_bytes(pem).decode(), "_private_key": private.decode()}


def ssh_key(owner: str) -> dict[str, str]:
    """A key pair as ssh-keygen would write it."""
    # Only where a secret is made, as above.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- said above
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 -- said above

    key = ed25519.Ed25519PrivateKey.generate()
    openssh = serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return {"_private_key": private.decode(), "_public_key": f"{public.decode()} preau-{owner}"}


KINDS: dict[str, Callable[[str], dict[str, str]]] = {
    "token": token,
    "password": password,
    "ed25519_signing_key": ed25519_signing_key,
    "ca": ca,
    "ssh_key": ssh_key,
}
# What one row of the table becomes in the vault file: its name with these endings.
ENDINGS = {"ca": ("_certificate", "_private_key"), "ssh_key": ("_private_key", "_public_key")}


def names_of(row: Mapping[str, str]) -> list[str]:
    """The variables that hold the secret of a row."""
    return [row["name"] + ending for ending in ENDINGS.get(row["kind"], ("",))]


# --- The text of the file -----------------------------------------------------------------------------------------


class _Reader(yaml.SafeLoader):
    """Reads values that are encrypted one by one as the text they are."""


_Reader.add_constructor("!vault", lambda reader, node: reader.construct_scalar(node))


def read(text: str) -> dict[str, Any]:
    """The variables of the file.

    Raises:
        AnsibleActionFail: if the file holds anything but variables.
    """
    try:
        found = yaml.load(text, _Reader) or {}  # noqa: S506 -- a SafeLoader with one more tag
    except yaml.YAMLError as error:
        # Without the problem's context: it would quote a line of secrets.
        raise AnsibleActionFail(f"it is not YAML{_place(error)}") from None
    if not isinstance(found, dict):
        raise AnsibleActionFail("it does not hold variables")
    return found


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""


def entry(name: str, value: str, encrypt: Callable[[str], str] | None) -> str:
    """One variable as it stands in the file; encrypted on its own with ``encrypt``."""
    if encrypt:
        return f"{name}: !vault |\n{_indented(encrypt(value))}"
    return f"{name}: |\n{_indented(value)}" if "\n" in value else f"{name}: {json.dumps(value)}\n"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n"))


def with_replaced(text: str, name: str, new: str) -> str:
    """``text`` with the entry of ``name`` exchanged; comments and everything else stay as they are."""
    root = yaml.compose(text, _Reader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == name:
            # A comment that stood behind the old value goes to a line of its own, unindented: a text of several lines
            # would take it in.
            after = text[value.end_mark.index :].lstrip(" \t")
            return text[: key.start_mark.index] + new.rstrip("\n") + ("" if after.startswith("\n") else "\n") + after
    raise AnsibleActionFail(f"it does not hold {name}")


# --- The task -----------------------------------------------------------------------------------------------------


class ActionModule(ActionBase):
    """Arguments: ``path``, ``owner``, ``table``, ``in_clear``, and ``replace``: names of rows to make anew.

    With ``replace`` nothing else is made. Result: ``created`` (names), ``changed``, ``encrypted``.
    """

    _supports_check_mode = True
    _VALID_ARGS = frozenset({"path", "owner", "table", "in_clear", "replace"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Does it; in check mode says what it would do."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        path = Path(given["path"])
        try:
            # Ansible hands the vault to plugins in no other way.
            file = _VaultFile(path, self._loader._vault, in_clear=bool(given.get("in_clear")))  # noqa: SLF001 -- see above
            created = self._change(file)
            if created and not self._task.check_mode:
                file.write()
        except AnsibleActionFail as error:
            raise AnsibleActionFail(f"{path}: {error.message}") from None
        result.update(changed=bool(created), created=created, encrypted=file.encrypted)
        return result

    def _change(self, file: _VaultFile) -> list[str]:
        given = self._task.args
        if given.get("replace"):
            return _replace(file, given["table"], given["replace"], given["owner"])
        return _add_missing(file, given["table"], given["owner"])


def _replace(file: _VaultFile, table: Iterable[Mapping[str, str]], names: Sequence[str], owner: str) -> list[str]:
    rows = {row["name"]: row for row in table}
    if refused := [why for name in names if (why := _refusal(name, rows, file))]:
        raise AnsibleActionFail("; ".join(refused))
    created: list[str] = []
    for row in (rows[name] for name in dict.fromkeys(names)):
        if row["rotation"] == "signing_key":
            _publish_old_key(file, file.value(row["name"]))
        for ending, value in KINDS[row["kind"]](owner).items():
            file.replace(row["name"] + ending, value)
            created.append(row["name"] + ending)
    return created


def _refusal(name: str, rows: Mapping[str, Mapping[str, str]], file: _VaultFile) -> str:
    """Why a secret is not replaced; empty if it is."""
    row = rows.get(name)
    if row is None:
        return f"{name} is no secret of this table"
    if row["kind"] not in KINDS:
        return f"{name} was given by somebody else: get another one there, and write it with ansible-vault edit"
    if row["rotation"] == "refused":
        return f"{name} is not replaced. {row['because']}"
    missing = [each for each in names_of(row) if each not in file.variables]
    return f"{', '.join(missing)} is not there yet: deploy/bootstrap_secrets.yml makes it" if missing else ""


def _publish_old_key(file: _VaultFile, key: str) -> None:
    known = json.loads(file.value(OLD_KEYS)) if OLD_KEYS in file.variables else {}
    now = dt.datetime.now(dt.UTC)
    # A key that was replaced before keeps the date that was published then.
    text = json.dumps(old_signing_keys(key, now + ONE_DAY) | known, separators=(",", ":"))
    if OLD_KEYS in file.variables:
        file.replace(OLD_KEYS, text)
    else:
        file.append(OLD_KEYS, text, OLD_KEYS_WHAT)


def _add_missing(file: _VaultFile, table: Iterable[Mapping[str, str]], owner: str) -> list[str]:
    created: list[str] = []
    for row in table:
        names = names_of(row)
        missing = [name for name in names if name not in file.variables]
        if not missing or row["kind"] not in KINDS:
            continue
        if missing != names:
            raise AnsibleActionFail(f"{', '.join(missing)} is missing, but not the other half; add it, or remove both")
        for ending, value in KINDS[row["kind"]](owner).items():
            file.append(row["name"] + ending, value, row["what"])
            created.append(row["name"] + ending)
    return created


class _VaultFile:
    """A file of variables, and how it is encrypted: as a whole, value by value, or (for tests) not at all."""

    def __init__(self, path: Path, vault: VaultLib, *, in_clear: bool) -> None:
        self._path, self._vault = path, vault
        # A new file is encrypted with the vault password that ansible-vault itself would take.
        self._vault_id: str | None = None
        self._secret: Any = None
        raw = path.read_bytes() if path.exists() else b""
        self.text = self._decrypted(raw) if raw.startswith(b"$ANSIBLE_VAULT") else raw.decode()
        self._before = self.variables
        # What was written anew, as it must read afterwards.
        self._made: dict[str, str] = {}
        self._inline = bool(INLINE_VAULT.search(self.text))
        self.encrypted = bool(vault.secrets)
        if not self.encrypted and not in_clear:
            raise AnsibleActionFail(
                "there is no vault password, and secrets are not written in clear. Put one into a file outside the "
                "checkout, and set ANSIBLE_VAULT_PASSWORD_FILE, or call ansible-playbook with --ask-vault-pass"
            )

    @property
    def variables(self) -> dict[str, Any]:
        return read(self.text)

    def value(self, name: str) -> str:
        """What stands under ``name``, decrypted."""
        found = str(self.variables[name])
        return bytes(self._vault.decrypt(found)).decode() if found.startswith("$ANSIBLE_VAULT") else found

    def append(self, name: str, value: str, what: str) -> None:
        self._made[name] = value
        start = self.text or HEADER
        self.text = start + ("" if start.endswith("\n") else "\n") + f"# {what}\n" + self._entry(name, value)

    def replace(self, name: str, value: str) -> None:
        self._before.pop(name, None)
        self._made[name] = value
        self.text = with_replaced(self.text, name, self._entry(name, value))

    def write(self) -> None:
        after = self.variables
        if any(after.get(name) != value for name, value in self._before.items()):
            raise AnsibleActionFail("adding to it would change what is there; nothing was written")
        if any(self.value(name).strip() != value.strip() for name, value in self._made.items()):
            raise AnsibleActionFail("what was made would not read as it was made; nothing was written")
        text = self.text if self._inline or not self.encrypted else self._encrypt(self.text)
        # Through a link to where the file lies, and never half written.
        path = self._path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".vault-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _entry(self, name: str, value: str) -> str:
        return entry(name, value, self._encrypt if self._inline and self.encrypted else None)

    def _encrypt(self, text: str) -> str:
        return bytes(self._vault.encrypt(text, secret=self._secret, vault_id=self._vault_id)).decode()

    def _decrypted(self, raw: bytes) -> str:
        plain, vault_id, self._secret = self._vault.decrypt_and_get_vault_id(raw)
        # `default` is what ansible-vault leaves out of the first line.
        self._vault_id = None if vault_id == "default" else vault_id
        return bytes(plain).decode()
