"""Figures measured on the way: printed, and kept as JSON lines from which docs/reliability.md is written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(os.environ.get("PREAU_TEST_HOSTS_RESULTS", ".pytest_cache/hosts.jsonl"))


def record(what: str, **figures: Any) -> None:
    """One line more."""
    line = json.dumps(
        {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "what": what, **figures}, ensure_ascii=False
    )
    print(f"figures: {line}", flush=True)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a") as file:
        file.write(line + "\n")
