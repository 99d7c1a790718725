"""The secrets of one homeserver of the demo: drawn once, kept in its folder, so that a restart finds its accounts."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the required secrets of the role ``synapse`` are set to."""

    registration_shared_secret: str
    macaroon_secret_key: str
    form_secret: str
    password_pepper: str
    provision_as_token: str
    provision_hs_token: str
    events_as_token: str
    events_hs_token: str

    @classmethod
    def load_or_draw(cls, file: Path) -> Credentials:
        """Those in the file, or new ones, which are then written there for the owner's eyes only."""
        if file.exists():
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        drawn = cls(*(secrets.token_urlsafe(32) for _ in fields(cls)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(drawn), indent=2), encoding="utf-8")
        return drawn

    def as_variables(self) -> dict[str, object]:
        """As variables of the role ``synapse``."""
        return {f"synapse_{name}": value for name, value in asdict(self).items()}
