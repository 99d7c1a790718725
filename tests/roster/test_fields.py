"""Single values as the ministry writes them."""

from __future__ import annotations

from datetime import date

import pytest

from preau.roster.fields import day, number, school_title, title


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("NOUR", "Nour"),
        ("ZOÉ", "Zoé"),
        ("ŒDIPE", "Œdipe"),
        ("JEAN-MARC", "Jean-Marc"),
        ("N'DEYE", "N'Deye"),
        ("N’DEYE", "N’Deye"),
        ("MARIE DE LA PAIX", "Marie de la Paix"),
        ("DE", "De"),
        ("zoé", "Zoé"),
        ("Anne-Lise", "Anne-Lise"),
        ("McKay", "McKay"),
        ("LOU B", "Lou B"),
        ("", ""),
        ("?", "?"),
    ],
)
def test_given_names_are_shown_in_title_case(written: str, shown: str) -> None:
    assert title(written) == shown


@pytest.mark.parametrize("written", ["03/02/2013", "2013-02-03"])
def test_dates_are_french_or_iso(written: str) -> None:
    assert day(written) == date(2013, 2, 3)


@pytest.mark.parametrize(
    "written", ["", "3/2/2013", "2013/02/03", "31/02/2013", "00/00/0000", "03/02/13", "٠٣/٠٢/٢٠١٣"]
)
def test_anything_else_is_no_date(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        day(written)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("900001", "900001"),
        (" 12 ", "12"),
        ("0", "0"),
        ("", None),
        (None, None),
        ("1a", None),
        ("-1", None),
        ("٣", None),
    ],
)
def test_a_key_is_digits(written: str | None, key: str | None) -> None:
    assert number(written) == key


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("COLLEGE IMAGINAIRE", "Collège Imaginaire"),
        ("COLLEGE DE L'EXEMPLE", "Collège de l'Exemple"),
        ("LYCEE GENERAL D'ESSAI", "Lycée général d'Essai"),
        ("LYCEE PROFESSIONNEL DES ŒILLETS-INVENTES", "Lycée professionnel des Œillets-Inventes"),
        ("Collège déjà Écrit", "Collège déjà Écrit"),
        ("", ""),
    ],
)
def test_a_school_is_called_as_people_write_it(written: str, shown: str) -> None:
    assert school_title(written) == shown
