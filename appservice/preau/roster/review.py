"""Looks over an assembled roster for what is possible but should be seen by a person before it is believed."""

from __future__ import annotations

from collections import defaultdict

from preau.model.people import GuardianLevel
from preau.model.roster import RosterLink, SchoolRoster
from preau.roster.assemble import Parts
from preau.roster.findings import Code, Notes
from preau.roster.siecle_guardians import GuardiansFile
from preau.roster.siecle_pupils import PupilsFile


def review(roster: SchoolRoster, parts: Parts) -> None:
    """Note in the files' findings what a person should look at."""
    if parts.pupils:
        pupils, notes = parts.pupils
        _homonyms(roster, pupils, notes)
        if parts.guardians:
            _legal_guardians(roster, pupils, notes)
            _oneself(roster, notes, pupils)
        if parts.structures:
            _undeclared(pupils, parts, notes)
    if parts.guardians:
        _institutions(roster, *parts.guardians)
    _similar(roster, next(part[1] for part in (parts.structures, parts.staff, parts.pupils, parts.guardians) if part))
    if bool(parts.pupils) != bool(parts.guardians):
        _missing_side(parts)


def _homonyms(roster: SchoolRoster, file: PupilsFile, notes: Notes) -> None:
    same: dict[tuple[object, object], list[str]] = defaultdict(list)
    for pupil in roster.pupils or ():
        if pupil.division:
            same[pupil.division, pupil.name].append(pupil.key.number)
    for (division, _name), keys in same.items():
        if len(keys) > 1:
            message = f"Pupils {' and '.join(keys)} of division '{division}' have the same name. Check in SIECLE."
            notes.add(Code.HOMONYMS, file.attending[keys[1]].line, message)


def _legal_guardians(roster: SchoolRoster, file: PupilsFile, notes: Notes) -> None:
    levels: dict[str, list[GuardianLevel]] = defaultdict(list)
    for link in roster.links or ():
        levels[link.pupil.number].append(link.level)
    for key, pupil in file.attending.items():
        legal = levels[key].count(GuardianLevel.LEGAL)
        if legal > 2:
            message = f"Pupil {key} has {legal} legal guardians; all get a parent's rights. Check it in SIECLE."
            notes.add(Code.MANY_LEGAL_GUARDIANS, pupil.line, message)
        elif not legal and GuardianLevel.ONESELF not in levels[key]:
            message = f"Pupil {key} has no legal guardian: nobody gets a parent's rights. Complete it in SIECLE."
            notes.add(Code.NO_LEGAL_GUARDIAN, pupil.line, message)


def _oneself(roster: SchoolRoster, notes: Notes, file: PupilsFile) -> None:
    names = {guardian.key: guardian.name for guardian in roster.guardians or ()}
    for link in roster.links or ():
        pupil = file.attending[link.pupil.number]
        if link.level is GuardianLevel.ONESELF and names[link.guardian] != pupil.name:
            message = (
                f"Person {link.guardian.number} is said to be pupil {link.pupil.number} (CODE_PARENTE), "
                "but their names differ. Check it in SIECLE."
            )
            notes.add(Code.ONESELF_OTHER_NAME, pupil.line, message)


def _institutions(roster: SchoolRoster, file: GuardiansFile, notes: Notes) -> None:
    """An institution gets no account, so one wrong kinship code shuts a parent out: it has to be seen."""
    institutions = {guardian.key for guardian in roster.guardians or () if guardian.institution}
    links = file.links
    for link in roster.links or ():
        if link.guardian in institutions and not links[_numbers(link)].institution:
            message = (
                f"Person {link.guardian.number} is an institution (ASE) to one pupil and a relative to pupil "
                f"{link.pupil.number}; they get no account. Correct CODE_PARENTE in SIECLE."
            )
            notes.add(Code.INSTITUTION_AND_FAMILY, links[_numbers(link)].line, message)


def _numbers(link: RosterLink) -> tuple[str, str]:
    return link.guardian.number, link.pupil.number


def _undeclared(file: PupilsFile, parts: Parts, notes: Notes) -> None:
    """Divisions and groups that pupils are in but no file declares; one finding each."""
    divisions = {written for declared in parts.declared for written in declared.divisions}
    groups = {written for declared in parts.declared for written in declared.groups}
    lines: dict[tuple[Code, str], list[int]] = defaultdict(list)
    for key, place in file.placements.items():
        line = file.attending[key].line
        if place.division and place.division not in divisions:
            lines[Code.UNKNOWN_DIVISION, place.division].append(line)
        for group in place.groups - groups:
            lines[Code.UNKNOWN_GROUP, group].append(line)
    for (found, written), where in lines.items():
        message = (
            f"'{written}' is used by {len(where)} pupils but declared nowhere; it is used all the same. Check SIECLE."
        )
        notes.add(found, min(where), message)


def _similar(roster: SchoolRoster, notes: Notes) -> None:
    for what, codes in (
        ("Divisions", [division.code for division in roster.divisions]),
        ("Groups", [group.code for group in roster.groups]),
    ):
        alike: dict[str, list[str]] = defaultdict(list)
        for written in codes:
            alike["".join(written.split()).casefold()].append(written)
        for twins in alike.values():
            if len(twins) > 1:
                listed = ", ".join(f"'{written}'" for written in twins)
                message = f"{what} {listed} differ only in capitals or spaces and are taken as different. Check them."
                notes.add(Code.SIMILAR_CODES, 0, message)


def _missing_side(parts: Parts) -> None:
    given, missing = ("BEE_ELEVES", "BEE_RESPONSABLES") if parts.pupils else ("BEE_RESPONSABLES", "BEE_ELEVES")
    side = parts.pupils or parts.guardians
    if side is not None:
        message = f"{given} was given without {missing}: enough for a check, not for an import. Give both."
        side[1].add(Code.MISSING_SIDE, 0, message)
