"""What a reader has to say about a roster file, for the person who exported it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: an error refuses the record (or the file), a warning asks to look, info tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on one place of one file.

    ``file`` is the name given by the user (with ``!member`` for a file inside a zip), ``line`` counts from 1 and is 0
    where the whole file is meant; ``message`` says what is wrong and what to do, and holds keys, never names.
    """

    severity: Severity
    code: str
    file: str
    line: int
    message: str
