"""``python -m preau``: the command, without its script."""

from __future__ import annotations

from preau.cli import main

if __name__ == "__main__":
    main()
