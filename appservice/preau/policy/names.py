"""French words that people see: display names, room names, room topics.

Display names say name and function only (DESIGN 3): what one school knows of a family is not another's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from preau.model.people import Function, PersonName
from preau.model.rooms import RoomKey, RoomKind

SEPARATOR: Final = " · "
"""Stands between name and function; no name can hold it, so nobody can be called into a function."""

_BY_SENIORITY: Final = (
    (Function.ACADEMY_ADMIN, "rectorat"),
    (Function.INSPECTOR, "inspection"),
    (Function.DIRECTION, "direction"),
    (Function.DIRECTION_DELEGATE, "délégation de direction"),
    (Function.ADMINISTRATION, "administration"),
    (Function.SCHOOL_LIFE, "vie scolaire"),
    (Function.HEALTH, "santé et social"),
    (Function.HEAD_TEACHER, "professeur"),
    (Function.TEACHER, "professeur"),
    (Function.ASSISTANT, "AESH"),
    (Function.GUARDIAN, "parent"),
    (Function.PUPIL, "élève"),
)

_RESPONSIBLE: Final = "responsable"
"""A person in charge of a child who is no legal guardian (personne en charge), which is no parent."""

_SENIORITY: Final = {label: float(place) for place, (_, label) in enumerate(_BY_SENIORITY)} | {_RESPONSIBLE: 10.5}
"""The place of each label; a person in charge comes after a parent."""

_INSIDE_NAMES: Final = frozenset("-‐‑'’.,")
_LETTERS_LIKE_DOTS: Final = frozenset("ꞏㆍᐧ")

_ROOM_NAMES: Final = {
    RoomKind.ANNOUNCE_SCHOOL: "Annonces",
    RoomKind.ANNOUNCE_DIVISION: "Annonces {scope}",
    RoomKind.DIVISION_PARENTS_STAFF: "Parents et professeurs {scope}",
    RoomKind.PARENTS_DIVISION: "Parents {scope}",
    RoomKind.PARENTS_SCHOOL: "Parents",
    RoomKind.ASSOCIATION: "Association {scope}",
    RoomKind.STAFF: "Personnels",
    RoomKind.DIRECTION: "Direction",
    RoomKind.HEALTH: "Santé et social",
    RoomKind.PUPILS_DIVISION: "Élèves {scope}",
    RoomKind.MODERATION: "Modération {scope}",
    RoomKind.INTER_ACADEMY: "{scope} (inter-académies)",
    RoomKind.SPACE_ACADEMY: "Académie",
    RoomKind.SPACE_SCHOOL: "",
    RoomKind.SPACE_LEVEL: "Niveau {scope}",
    RoomKind.SPACE_DIVISION: "Classe {scope}",
    RoomKind.SPACE_ASSOCIATION: "Association {scope}",
}

_OPENLY: Final = "Salon non chiffré."
"""Said in every topic: moderation, evidence and late joiners need it, and people have a right to know (DESIGN 3)."""

_ROOM_TOPICS: Final = {
    RoomKind.ANNOUNCE_SCHOOL: "La direction écrit, tout l’établissement lit.",
    RoomKind.ANNOUNCE_DIVISION: "La direction et les professeurs de la classe écrivent, les familles lisent.",
    RoomKind.DIVISION_PARENTS_STAFF: "Parents et professeurs ; le professeur principal et la direction modèrent.",
    RoomKind.PARENTS_DIVISION: "Entre parents qui l’ont accepté ; les parents délégués et les associations modèrent.",
    RoomKind.PARENTS_SCHOOL: "Entre parents qui l’ont accepté ; les associations modèrent.",
    RoomKind.ASSOCIATION: "Salon de l’association, sous sa seule responsabilité.",
    RoomKind.STAFF: "Personnels de l’établissement ; la direction modère.",
    RoomKind.DIRECTION: "Direction, administration et vie scolaire.",
    RoomKind.HEALTH: "Échange avec le service de santé et social : secret professionnel.",
    RoomKind.PUPILS_DIVISION: "Élèves et professeurs de la classe ; les professeurs modèrent.",
    RoomKind.MODERATION: "Entre modérateurs.",
    RoomKind.INTER_ACADEMY: "Salon partagé entre académies, sur désignation.",
}


_ORDINARY: Final = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿŒœŸ'-]+(?: [A-Za-zÀ-ÖØ-öø-ÿŒœŸ'-]+)*")
"""Names as nearly all are written; only the others are looked at letter by letter."""


def function_label(functions: Collection[Function], *, legal_guardian: bool = True) -> str:
    """The one French word that says what somebody is; the most senior function wins.

    ``legal_guardian`` False means: in charge of a child only (personne en charge), which is no parent.
    """
    for function, label in _BY_SENIORITY:
        if function in functions:
            return _RESPONSIBLE if function is Function.GUARDIAN and not legal_guardian else label
    return ""


def display_name(name: PersonName, functions: Collection[Function], *, legal_guardian: bool = True) -> str:
    """``Alice MARTIN · parent``: what everybody sees beside a message."""
    label = function_label(functions, legal_guardian=legal_guardian)
    return SEPARATOR.join(part for part in (_plain(str(name)), label) if part)


def foremost(names: Collection[str]) -> str:
    """Of one person's display names in several schools, the one with the most senior function."""
    return min(names, key=lambda name: (_SENIORITY.get(name.rpartition(SEPARATOR)[2], len(_SENIORITY)), name))


def room_name(key: RoomKey, school_name: str) -> str:
    """``Annonces 5 A · Collège Imaginaire``: a family with children in two schools knows which one is speaking."""
    words = _ROOM_NAMES[key.kind].format(scope=key.scope)
    if not school_name or key.kind is RoomKind.SPACE_ACADEMY:
        return words or str(key.school)
    return f"{words}{SEPARATOR}{school_name}" if words else school_name


def room_topic(key: RoomKey) -> str:
    """One or two sentences that say who writes here and who moderates; empty for spaces."""
    topic = _ROOM_TOPICS.get(key.kind)
    return f"{topic} {_OPENLY}" if topic else ""


def _plain(text: str) -> str:
    """The name in letters, digits and what stands inside names; nothing that could pass for the separator.

    Other signs, spaces and line ends of all kinds become one space; controls that turn the reading direction vanish.
    """
    if _ORDINARY.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(_kept(character) for character in composed).split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if character in _INSIDE_NAMES or (category[0] in "LMN" and character not in _LETTERS_LIKE_DOTS):
        return character
    return "" if category == "Cf" else " "
