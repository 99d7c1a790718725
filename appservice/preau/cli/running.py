"""``preau serve`` and ``preau check-config``."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import structlog
import typer

from preau import service
from preau.cli.output import ConfigOption, run, say, settings
from preau.config import Settings, path_in_force


def serve(config: ConfigOption = None) -> None:
    """Run the application service until it is asked to stop."""
    found = settings(config)
    _log_as_json()
    run(service.serve(found))


def _log_as_json() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def check_config(
    config: ConfigOption = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the homeserver and the database, too.")] = False,
) -> None:
    """Check the configuration file; with --online also that homeserver and database answer."""
    found = settings(config)
    say(f"{path_in_force(config)}: every setting is understood.")
    if online:
        say(run(_online(found)))


async def _online(found: Settings) -> str:
    async with service.context(found) as context:
        version = await service.check_homeserver(context.homeserver, found)
    return f"Synapse {version} takes us for {found.bot}; the database answers."
