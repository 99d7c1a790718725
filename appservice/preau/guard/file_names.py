"""Under which names files are passed on: the message names a file, the upload does not say its name to any hook.

A message holds the name twice: ``filename``, and ``body``, which is the name where the first is missing (Matrix
specification, section Instant Messaging). An edit holds both once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from preau.guard.events import Deed
from preau.policy.refusals import Rule
from preau.policy.uploads import why_not_called

_FILES: Final = frozenset({"m.file", "m.image", "m.audio", "m.video"})


class FileNames:
    """The rule on the names of files."""

    async def why_not(self, deed: Deed) -> Rule | None:
        """Judges what a message calls the file that it brings."""
        content = deed.event.content
        names = (*_names(content), *_names(content.get("m.new_content")))
        return next((broken for broken in map(why_not_called, names) if broken is not None), None)


def _names(content: Any) -> Iterator[str]:
    kind = content.get("msgtype") if isinstance(content, Mapping) else None
    if not isinstance(kind, str) or not (kind in _FILES or "url" in content):
        return
    name = content.get("filename", content.get("body"))
    if isinstance(name, str):
        yield name
