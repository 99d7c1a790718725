"""Why something is refused: the rule, and what the person who is refused reads (French first, English second).

Every sentence says which rule it is and whom to ask. None names a person: a refusal tells nobody who exists.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from preau.model.facts import Language


class Rule(StrEnum):
    """The rules that the guard enforces; the code stands in the refusal as ``fr.preau.rule``."""

    UNKNOWN = "unknown"
    NOT_READY = "not_ready"
    CONTACT = "contact"
    DIRECT_ROOM = "direct_room"
    ROOM_CREATION = "room_creation"
    MANAGED_ROOM = "managed_room"
    MEMBERSHIP = "membership"
    NAME = "name"
    REMARK = "remark"
    BETWEEN_ACADEMIES = "between_academies"
    MEDIA = "media"
    MEDIA_TYPE = "media_type"
    MEDIA_INFECTED = "media_infected"
    MEDIA_UNCHECKED = "media_unchecked"
    FAN_OUT = "fan_out"
    NEW_DEVICE = "new_device"
    READ_ONLY = "read_only"
    REDACTION = "redaction"
    TAKEBACKS = "takebacks"
    SEARCHES = "searches"
    REGISTRATION = "registration"
    PUBLIC = "public"
    EVASION = "evasion"
    IDENTITY = "identity"


_ASK_SCHOOL_FR: Final = "Adressez-vous à la direction de votre établissement."
_ASK_SCHOOL_EN: Final = "Ask the direction of your school."

_HELP_DESK_FR: Final = "Si cela ne suffit pas, adressez-vous à l’assistance de votre académie."
_HELP_DESK_EN: Final = "If that is not enough, ask your académie’s help desk."

_SENTENCES: Final[dict[Rule, tuple[str, str]]] = {
    Rule.UNKNOWN: (
        f"Ce compte n’a pas de place connue dans un établissement : il ne peut pas agir ici. {_ASK_SCHOOL_FR}",
        f"This account has no known place in any school, so it cannot act here. {_ASK_SCHOOL_EN}",
    ),
    Rule.NOT_READY: (
        (
            "La messagerie ne peut pas vérifier vos droits en ce moment. Réessayez dans une minute, sinon prévenez "
            "l’assistance de votre académie."
        ),
        (
            "The service cannot check your rights at the moment. Try again in a minute, or else tell your académie’s "
            "help desk."
        ),
    ),
    Rule.CONTACT: (
        (
            "Les règles de contact de l’établissement ne permettent pas d’écrire directement à cette personne. "
            f"{_ASK_SCHOOL_FR}"
        ),
        f"The school’s contact rules do not let you write to this person directly. {_ASK_SCHOOL_EN}",
    ),
    Rule.DIRECT_ROOM: (
        (
            "Une conversation directe réunit deux personnes, et ses réglages ne changent pas. Pour parler à plusieurs, "
            f"utilisez les salons de l’établissement. {_ASK_SCHOOL_FR}"
        ),
        (
            "A direct conversation is between two people, and its settings do not change. To talk with more, use the "
            f"school’s rooms. {_ASK_SCHOOL_EN}"
        ),
    ),
    Rule.ROOM_CREATION: (
        f"Les salons sont créés par l’établissement, pas par les membres. {_ASK_SCHOOL_FR}",
        f"Rooms are made by the school, not by members. {_ASK_SCHOOL_EN}",
    ),
    Rule.MANAGED_ROOM: (
        f"Les réglages de ce salon sont ceux de l’établissement et ne peuvent pas être changés ici. {_ASK_SCHOOL_FR}",
        f"This room’s settings are the school’s and cannot be changed here. {_ASK_SCHOOL_EN}",
    ),
    Rule.MEMBERSHIP: (
        (
            "Ce sont les listes de l’établissement qui disent qui est dans ce salon : on ne peut ni y entrer ni "
            f"y inviter soi-même. {_ASK_SCHOOL_FR}"
        ),
        f"The school’s lists say who is in this room: nobody can enter or invite by themselves. {_ASK_SCHOOL_EN}",
    ),
    Rule.NAME: (
        (
            "Le nom affiché dit qui vous êtes pour tous ; seul l’établissement peut le changer, d’après ses listes. "
            f"{_ASK_SCHOOL_FR}"
        ),
        (
            "The display name tells everybody who you are; only the school can change it, from its lists. "
            f"{_ASK_SCHOOL_EN}"
        ),
    ),
    Rule.REMARK: (
        (
            "On entre dans un salon, on invite et on part sans mot d’accompagnement, car il ne pourrait pas être "
            f"modéré. Recommencez sans motif. {_HELP_DESK_FR}"
        ),
        (
            "People enter rooms, invite and leave without a remark, since it could not be moderated. Try again "
            f"without a reason. {_HELP_DESK_EN}"
        ),
    ),
    Rule.BETWEEN_ACADEMIES: (
        (
            "Entre académies, seuls les salons partagés par les deux services sont ouverts, aux fonctions convenues. "
            "Adressez-vous à l’assistance de votre académie."
        ),
        (
            "Between académies only the rooms that both services share are open, to the functions agreed on. Ask your "
            "académie’s help desk."
        ),
    ),
    Rule.MEDIA: (
        (
            "L’envoi de fichiers n’est pas ouvert à votre compte, ou le fichier est trop grand pour votre fonction. "
            f"{_ASK_SCHOOL_FR}"
        ),
        f"Sending files is not open to your account, or the file is too large for your function. {_ASK_SCHOOL_EN}",
    ),
    Rule.MEDIA_TYPE: (
        (
            "Ce type de fichier n’est pas accepté. Envoyez une image, un son, une vidéo, un PDF ou un "
            "document bureautique ; pour un autre besoin, adressez-vous à l’assistance de votre académie."
        ),
        (
            "This type of file is not accepted. Send an image, sound, video, PDF or office document; for "
            "anything else ask your académie’s help desk."
        ),
    ),
    Rule.MEDIA_INFECTED: (
        (
            "L’antivirus a reconnu un logiciel malveillant dans ce fichier : il n’a pas été envoyé. Prévenez "
            "l’assistance de votre académie."
        ),
        "The virus scanner recognised malware in this file: it was not sent. Tell your académie’s help desk.",
    ),
    Rule.MEDIA_UNCHECKED: (
        (
            "L’antivirus n’a pas pu vérifier ce fichier : il n’est pas accepté. Réessayez plus tard, sinon prévenez "
            "l’assistance de votre académie."
        ),
        (
            "The virus scanner could not check this file: it is not accepted. Try later, or else tell your académie’s "
            "help desk."
        ),
    ),
    Rule.FAN_OUT: (
        (
            "Vous avez écrit dans beaucoup de salons en peu de temps ; c’est limité pour qu’un compte volé ne puisse "
            f"nuire. Réessayez plus tard. {_ASK_SCHOOL_FR}"
        ),
        (
            "You wrote in many rooms in a short time; that is limited, so that a stolen account can do little "
            f"harm. Try again later. {_ASK_SCHOOL_EN}"
        ),
    ),
    Rule.NEW_DEVICE: (
        (
            "Cet appareil est nouveau pour votre compte : il est limité jusqu’à ce qu’il soit confirmé. Faites-le "
            "confirmer par l’assistance de votre académie."
        ),
        (
            "This device is new to your account: it is limited until it is confirmed. Have it confirmed by your "
            "académie’s help desk."
        ),
    ),
    Rule.READ_ONLY: (
        f"Dans ce salon, seul l’établissement écrit ; les autres membres lisent. {_ASK_SCHOOL_FR}",
        f"In this room only the school writes; the other members read. {_ASK_SCHOOL_EN}",
    ),
    Rule.REDACTION: (
        f"Ce message ne peut pas être retiré d’ici : il reste à la disposition de l’établissement. {_ASK_SCHOOL_FR}",
        f"This message cannot be taken away from here: it stays available to the school. {_ASK_SCHOOL_EN}",
    ),
    Rule.TAKEBACKS: (
        (
            "Vous avez retiré beaucoup de messages en peu de temps ; c’est limité pour que personne n’efface les "
            f"traces d’un compte volé. Réessayez plus tard. {_ASK_SCHOOL_FR}"
        ),
        (
            "You took back many messages in a short time; that is limited, so that nobody wipes the traces of a stolen "
            f"account. Try again later. {_ASK_SCHOOL_EN}"
        ),
    ),
    Rule.SEARCHES: (
        (
            "Vous cherchez très vite ; c’est limité pour que personne ne recopie l’annuaire. Patientez quelques "
            f"secondes. {_HELP_DESK_FR}"
        ),
        (
            "You are searching very fast; that is limited, so that nobody copies the directory. Wait a few seconds. "
            f"{_HELP_DESK_EN}"
        ),
    ),
    Rule.REGISTRATION: (
        f"Les comptes sont créés et fermés d’après les listes des établissements. {_ASK_SCHOOL_FR}",
        f"Accounts are made and closed by the schools’ lists. {_ASK_SCHOOL_EN}",
    ),
    Rule.PUBLIC: (
        f"Aucun salon n’est public et personne ne peut lui donner d’adresse. {_ASK_SCHOOL_FR}",
        f"No room is public and nobody can give it an address. {_ASK_SCHOOL_EN}",
    ),
    Rule.IDENTITY: (
        (
            "Aucun annuaire extérieur ne peut relier votre compte à une adresse ou à un numéro de téléphone. "
            "Adressez-vous à l’assistance de votre académie."
        ),
        (
            "No directory outside can tie your account to an address or a telephone number. Ask your académie’s "
            "help desk."
        ),
    ),
    Rule.EVASION: (
        (
            "Les messages de l’établissement et de son service ne peuvent pas être masqués, ni l’appareil "
            f"d’autrui atteint directement. {_ASK_SCHOOL_FR}"
        ),
        (
            "Messages of the school and its service cannot be hidden, nor can another person’s device be reached "
            f"directly. {_ASK_SCHOOL_EN}"
        ),
    ),
}


def sentence(rule: Rule, language: Language) -> str:
    """What the person reads who is refused by that rule."""
    french, english = _SENTENCES[rule]
    return english if language is Language.ENGLISH else french
