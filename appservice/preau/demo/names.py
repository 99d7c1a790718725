"""Names of people who do not exist: family names put together from words, given names from a list.

Every character is one that ISO-8859-15 can write, because the ministry's files are in it; Œ, Ÿ, accents, hyphens,
spaces and apostrophes are all there, because names hold them.
"""

from __future__ import annotations

from random import Random
from typing import Final

_HEADS: Final = (
    "AIGRE", "AUBE", "BEAU", "BLANC", "BOIS", "BRISE", "CHANTE", "CLAIR", "COURT", "DORT", "FIER", "FLEUR", "FORT",
    "FRANC", "GAI", "GRAND", "GUETTE", "HAUT", "JOLI", "LARGE", "LONG", "MIRE", "MONT", "NEUF", "PASSE", "PETIT",
    "PLEIN", "PORTE", "PRÉ", "RAMÈNE", "RÊVE", "ROUGE", "SAUTE", "SONGE", "TAILLE", "TIRE", "TOURNE", "VERT", "VIEIL",
)  # fmt: skip
_TAILS: Final = (
    "ABRI", "ARBRE", "BATEAU", "BRUYÈRE", "CAHIER", "CAILLOU", "CANARD", "CHÊNE", "CLOCHE", "CŒUR", "COMPAS", "CRAIE",
    "ÉTANG", "FENÊTRE", "FORÊT", "GENÊT", "GRENIER", "LANTERNE", "LAURIER", "MARRON", "MERLE", "MOULIN", "NUAGE",
    "ŒILLET", "PANIER", "PIGEON", "PLUMIER", "PRÉAU", "RIVAGE", "RUISSEAU", "SABLIER", "SAUMON", "SOULIER", "TABLEAU",
    "TILLEUL", "TONNEAU", "VALLÉE", "VERGER", "VOILIER", "WAGON",
)  # fmt: skip
_RARE: Final = (
    "CŒURDELION", "ŸVART", "L'ÉPREUVE", "D'ESSAI", "LE GABARIT", "DE LA MAQUETTE", "SAINT-EXEMPLE", "TARTEMPION",
    "MODÈLE", "ŒUVRARD-LESAGE", "Ÿ", "N'IMPORTE", "ÇAPAYE", "DU BROUILLON", "PERSONNE", "UNTEL", "ÎLE-FICTIVE", "AÏEUL",
)  # fmt: skip
_GIVEN: Final = (
    "Adèle", "Aïcha", "Alix", "Alizée", "Amine", "Anaïs", "Andréa", "Anne-Lou", "Awa", "Axel", "Bérénice", "Camille",
    "Céleste", "Chloë", "Claude", "Cléo", "Dalia", "Dominique", "Éden", "Élie", "Élodie", "Ève", "Fatou", "Félix",
    "François", "Gaël", "Garance", "Gaëtan", "Hélène", "Hugo", "Ilyès", "Inès", "Irène", "Jade", "Jean-Loup", "Joël",
    "José", "Jules", "Kenza", "Khadija", "Léa", "Léo", "Léonie", "Lilou", "Lou", "Loÿs", "Lucien", "Maël", "Malo",
    "Marie-Noëlle", "Maud", "Maxence", "Mehdi", "Moïse", "Nadia", "Naël", "Nathanaël", "Nino", "Noé", "Noémie", "Nour",
    "Octave", "Odilon", "Paule", "Philémon", "Quentin", "Rafaël", "Raphaëlle", "Rémi", "Renée", "Sacha", "Safia",
    "Salomé", "Samuel", "Séléna", "Sœrin", "Soline", "Tao", "Théo", "Tiphaine", "Timothée", "Ugo", "Valérie", "Wassim",
    "Xavière", "Yann", "Yaël", "Yousra", "Zacharie", "Zélie", "Žarko", "Zoé",
)  # fmt: skip


def family_name(rng: Random) -> str:
    """A family name in capitals, such as ``CHANTEMERLE``; about one in twelve is a rare one, one in fifteen double."""
    if rng.random() < 1 / 12:
        return rng.choice(_RARE)
    name = rng.choice(_HEADS) + rng.choice(_TAILS)
    return f"{name}-{rng.choice(_TAILS)}" if rng.random() < 1 / 15 else name


def given_name(rng: Random) -> str:
    """A given name as people write it, such as ``Zoé``."""
    return rng.choice(_GIVEN)


def given_names(rng: Random, number: int) -> list[str]:
    """As many different given names: two children of one family never share theirs."""
    return rng.sample(_GIVEN, number)
