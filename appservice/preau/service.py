"""The composition root: builds every part from the settings, owns the tasks of `preau serve`, ends them in order.

::

    settings ─► Store, Homeserver ─► Context ─┬─► commands (one flow each)
                                              └─► serve: web ─► inbox ─► worker
                                                         outbox ─► guard
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from preau.clock import SystemClock
from preau.config import Settings
from preau.errors import ConfigError, HomeserverError, HomeserverUnreachable, plainly
from preau.matrix.client import Homeserver
from preau.store.engine import Store
from preau.sync.context import Context
from preau.sync.push import keep_telling
from preau.sync.worker import Worker
from preau.web.transactions import Transactions

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@asynccontextmanager
async def context(settings: Settings) -> AsyncIterator[Context]:
    """The parts that every flow works with; closed at the end. The database's schema is brought up to date first.

    Raises:
        StoreError: the database cannot be used.
    """
    store = Store(settings.store.url.get_secret_value())
    try:
        await store.migrate()
        async with Homeserver(settings.as_endpoint()) as homeserver:
            yield Context(settings.as_academy(), store, homeserver, SystemClock())
    finally:
        await store.close()


async def check_homeserver(homeserver: Homeserver, settings: Settings) -> str:
    """Synapse's version, once it has taken us for the bot and an administrator.

    Raises:
        ConfigError: the token is wrong, or the bot is no administrator.
        HomeserverUnreachable: nothing answers there.
    """
    try:
        seen_as = await homeserver.whoami()
        version = await homeserver.server_version()
    except HomeserverUnreachable:
        raise
    except HomeserverError as refused:
        raise ConfigError(
            f"The homeserver at {settings.homeserver.url} does not take us for {settings.bot}: {refused.happened}.",
            advice="Compare homeserver.as_token with the registration that Synapse loads; the bot must be an admin.",
        ) from refused
    if seen_as != settings.bot:
        raise ConfigError(f"The homeserver takes us for {seen_as}, not for {settings.bot}.")
    return version


async def serve(settings: Settings) -> None:
    """Runs the application service until SIGTERM or SIGINT.

    Raises:
        PreauError: it could not start; the message says what is missing.
    """
    async with context(settings) as parts:
        version = await check_homeserver(parts.homeserver, settings)
        arrived = asyncio.Event()
        token = settings.homeserver.hs_token.get_secret_value()
        web_app = Transactions(parts.store, parts.clock, token, arrived).application()
        with plainly():
            async with _listening(web_app, settings), asyncio.TaskGroup() as group:
                tasks = [group.create_task(Worker(parts, arrived).run()), group.create_task(keep_telling(parts))]
                log.info("serving", academy=settings.academy.name, port=settings.service.port, synapse=version)
                await _asked_to_stop()
                for task in tasks:
                    task.cancel()
    log.info("stopped", academy=settings.academy.name)


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
    await runner.setup()
    try:
        await _bind(runner, settings)
        yield
    finally:
        await runner.cleanup()


async def _bind(runner: web.AppRunner, settings: Settings) -> None:
    host, port = settings.service.host, settings.service.port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigError(
            f"The service cannot listen on {host}:{port}: {error.strerror}.",
            advice="Another `preau serve` may be running, or service.port be somebody else's.",
        ) from error


async def _asked_to_stop() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
