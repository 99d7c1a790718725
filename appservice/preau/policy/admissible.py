"""Whether a decision entered by hand can mean anything in its school; if not, the sentence that says why.

The rules further up pass over what means nothing, since a roster may change under a decision that was sound. Whoever
enters one now is told.
"""

from __future__ import annotations

from preau.model.decisions import Appointment, Consent, Mandate, Override
from preau.model.people import Function
from preau.model.snapshot import Snapshot

_FROM_ROSTERS = frozenset({Function.GUARDIAN, Function.PUPIL})
_OF_A_DIVISION = frozenset({Mandate.PARENT_DELEGATE, Function.HEAD_TEACHER})
_NAMED = frozenset({Mandate.VISITOR, Mandate.ASSOCIATION_MEMBER, Mandate.ASSOCIATION_MODERATOR})


def why_not_appointed(appointment: Appointment, snapshot: Snapshot) -> str:
    """Why an appointment would give nothing; empty when it gives something."""
    role, division = appointment.role, appointment.division
    if why := _why_not_theirs(str(appointment.holder), role, snapshot):
        return why
    if role in _OF_A_DIVISION and division is None:
        return f"a {role} needs a division"
    if division is not None and division not in {known.code for known in snapshot.divisions}:
        return f"{appointment.school} has no division {division!r}"
    if role in _NAMED and not appointment.scope:
        return f"a {role} needs a scope: the association, or the name of the shared room"
    return ""


def _why_not_theirs(holder: str, role: Function | Mandate, snapshot: Snapshot) -> str:
    """Why nobody like the holder can be given that role; empty if they can."""
    if role in _FROM_ROSTERS:
        return f"the rosters alone say who is a {role}"
    if holder.startswith("@") and role is not Mandate.VISITOR:
        return f"{holder} is of another académie, and can only be a {Mandate.VISITOR}"
    if isinstance(role, Mandate) and _is_only_pupil(holder, snapshot):
        return f"{holder} is a pupil, and mandates are for adults"
    return ""


def _is_only_pupil(holder: str, snapshot: Snapshot) -> bool:
    others = {link.guardian for link in snapshot.guardianships if link.guardian != link.pupil}
    others.update(post.person for post in snapshot.posts)
    return holder in {enrolment.pupil for enrolment in snapshot.enrolments} - others


def why_no_consent(consent: Consent, snapshot: Snapshot) -> str:
    """Why a consent would open nothing; empty when it is a guardian's."""
    if consent.person in {link.guardian for link in snapshot.guardianships}:
        return ""
    return f"{consent.person} is no guardian in {consent.school}"


def why_no_override(override: Override, snapshot: Snapshot) -> str:
    """Why a court decision would keep nobody away; empty when the two are tied."""
    if (override.guardian, override.pupil) in {(link.guardian, link.pupil) for link in snapshot.guardianships}:
        return ""
    return f"{override.guardian} is no guardian of {override.pupil} in {override.school}"
