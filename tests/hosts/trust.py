"""What this machine needs to reach the package index, made a property of every host.

Where the machine trusts a certificate authority of its own (its environment then names a bundle), hosts must trust it
too, or `pip` fails inside. The authority is installed as an operator would: it survives `update-ca-certificates`.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Final

from tests.hosts.commands import run

_BUNDLES: Final = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_PIP_OPTIONS: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
_SYSTEM_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_MOZILLA: Final = Path("usr/share/ca-certificates/mozilla")

PIP_CACHE: Final = "/var/cache/pip"  # where hosts see the shared cache


def install(root: Path) -> None:
    """Puts the machine's extra authorities and its settings for pip into a tree."""
    folder = root / "usr/local/share/ca-certificates"
    folder.mkdir(parents=True, exist_ok=True)
    known = {_body(path.read_text()) for path in (root / _MOZILLA).glob("*.crt")}
    extra = [pem for pem in extra_certificates() if _body(pem) not in known]
    for number, pem in enumerate(extra):
        (folder / f"test-hosts-{number:02}.crt").write_text(pem + "\n")
    if extra:
        run("chroot", root, "update-ca-certificates")
        with (root / "etc/environment").open("a") as environment:
            environment.writelines(f"{name}={_SYSTEM_BUNDLE}\n" for name in _BUNDLES)
    (root / "etc/pip.conf").write_text("\n".join(["[global]", *pip_settings(), ""]))


@cache
def extra_certificates() -> tuple[str, ...]:
    """The authorities in the bundle named by our environment that this machine does not have from Debian."""
    bundle = next((Path(os.environ[name]) for name in _BUNDLES if os.environ.get(name)), None)
    if bundle is None or not bundle.is_file():
        return ()
    debian = {_body(path.read_text()) for path in (Path("/") / _MOZILLA).glob("*.crt")}
    return tuple(pem for pem in _PEM.findall(bundle.read_text()) if _body(pem) not in debian)


def pip_settings() -> list[str]:
    """The lines of `pip.conf` under `[global]`."""
    passed = [
        f"{name[4:].lower().replace('_', '-')} = {os.environ[name]}" for name in _PIP_OPTIONS if os.environ.get(name)
    ]
    cert = [f"cert = {_SYSTEM_BUNDLE}"] if extra_certificates() else []
    return [f"cache-dir = {PIP_CACHE}", "disable-pip-version-check = true", *cert, *passed]


def _body(pem: str) -> str:
    return re.sub(r"\s", "", pem)
