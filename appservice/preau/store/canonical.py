"""Canonical JSON: equal values make equal bytes, on every machine and in every release."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """The value as pure ASCII JSON: keys sorted by code point, no spaces, the rest escaped.

    ASCII because PostgreSQL's text knows neither NUL nor lone surrogates, and JSON does.

    Raises:
        TypeError: the value is not made of dicts, lists, strings, numbers, booleans and None.
        ValueError: it holds NaN or an infinity.
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
