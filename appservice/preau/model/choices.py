"""What a school may choose for itself; the defaults are the strict side."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields

from preau.model.facts import ContactTable, Language


@dataclass(frozen=True, slots=True)
class SchoolChoices:
    """One school's choices.

    ``pupil_accounts``: pupils get accounts and read the announcements. ``pupil_rooms``: besides, each division has a
    room of its pupils and their teachers; it means nothing without pupils' accounts. ``pupil_media``: pupils may send
    images and files. ``contact``: the school's own cells of the contact table, as `preau.policy.contact.tighten` takes
    them. ``language``: in which language its people read what is refused.
    """

    pupil_accounts: bool = False
    pupil_rooms: bool = False
    pupil_media: bool = False
    contact: ContactTable = field(default_factory=dict)
    language: Language = Language.FRENCH

    @property
    def fingerprint(self) -> str:
        """A short text that is the same for the same choices, and another when any of them changes."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told["contact"] = sorted((writer, reader, cell.value) for (writer, reader), cell in self.contact.items())
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
