"""What a register's function code makes of a member of staff (``school-data.md`` 5, 7.2 and 11.1).

The registers know the codes of the State's personnel base; whatever they do not say is said by direction with
``preau appoint``. Nobody becomes direction by a guess: only the code DIR says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from preau.model.people import Function

FUNCTION_OF_CODE: Final[Mapping[str, Function]] = {
    "ENS": Function.TEACHER,
    "DOC": Function.TEACHER,
    "EDU": Function.SCHOOL_LIFE,
    "SUR": Function.SCHOOL_LIFE,
    "AED": Function.SCHOOL_LIFE,
    "AES": Function.ASSISTANT,
    "AEH": Function.ASSISTANT,
    "DIR": Function.DIRECTION,
    "ADF": Function.ADMINISTRATION,
    "ADA": Function.ADMINISTRATION,
    "CTR": Function.DIRECTION_DELEGATE,
    "MDS": Function.HEALTH,
    "ORI": Function.HEALTH,
}
"""FONCTION in STS-web and AAF → function."""


def function_of(code: str, *, teaches: bool) -> Function | None:
    """The function that a register's code stands for; None when somebody must still say it.

    Args:
        code: the code as written, empty when the register gives none (staff on leave).
        teaches: whether a service or a division headed points to the person.
    """
    if not code:
        return Function.TEACHER if teaches else None
    return FUNCTION_OF_CODE.get(code.strip().upper())
