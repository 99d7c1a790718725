"""The composition root: builds every part from the settings, owns the tasks of `preau serve`, ends them in order.

::

    settings ─► Store, Homeserver ─► Context ─┬─► commands (one flow each)
                                              └─► serve: web ─► inbox ─► worker
                                                         outbox ─► guard
                                                         figures ─► Prometheus
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from preau import systemd
from preau.clock import SystemClock
from preau.config import Settings
from preau.errors import ConfigError, HomeserverError, HomeserverUnreachable, plainly
from preau.matrix.client import Homeserver
from preau.matrix.first_admin import BotKeys, Prepared, prepare
from preau.store.engine import Store
from preau.sync.context import Context
from preau.sync.figures import figures_of
from preau.sync.push import keep_telling
from preau.sync.worker import Worker
from preau.web.metrics import Metrics
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


async def migrate(settings: Settings, *, look_only: bool) -> bool:
    """Brings the database's schema up to date; whether there was, or with ``look_only`` is, anything to do.

    Raises:
        StoreError: the schema is newer than this version, or the database cannot be used.
    """
    store = Store(settings.store.url.get_secret_value())
    try:
        return await store.is_behind() if look_only else await store.migrate()
    finally:
        await store.close()


async def prepare_homeserver(settings: Settings, keys: BotKeys | None, seconds: float) -> Prepared:
    """See `preau.matrix.first_admin.prepare`.

    Raises:
        HomeserverUnreachable: it was not ready within so many seconds.
        HomeserverError: it refused a step.
    """
    try:
        async with asyncio.timeout(seconds):
            return await prepare(settings.as_endpoint(), keys, _short_pause)
    except TimeoutError as error:
        raise HomeserverUnreachable(
            f"The homeserver at {settings.homeserver.url} was not ready within {seconds:g} s.",
            advice="Does Synapse run? Its log says what it waits for, or which background update it is at.",
        ) from error


async def _short_pause() -> None:
    await asyncio.sleep(0.1)


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
    """Runs the application service until SIGTERM or SIGINT. systemd is told once it answers, and while it lives.

    Raises:
        PreauError: it could not start; the message says what is missing.
    """
    async with context(settings) as parts:
        version = await check_homeserver(parts.homeserver, settings)
        arrived = asyncio.Event()
        with plainly():
            async with _listening(settings, parts, arrived), asyncio.TaskGroup() as group:
                work = (Worker(parts, arrived).run(), keep_telling(parts), systemd.keep_alive())
                tasks = [group.create_task(each) for each in work]
                log.info("serving", academy=settings.academy.name, port=settings.service.port, synapse=version)
                systemd.tell("READY=1")
                await _asked_to_stop()
                systemd.tell("STOPPING=1")
                for task in tasks:
                    task.cancel()
    log.info("stopped", academy=settings.academy.name)


@asynccontextmanager
async def _listening(settings: Settings, parts: Context, arrived: asyncio.Event) -> AsyncIterator[None]:
    """Everything that the service listens on, until the end of the block."""
    metrics = Metrics(lambda: figures_of(parts.store, parts.academy, parts.clock), settings.metrics.results)
    token = settings.homeserver.hs_token.get_secret_value()
    transactions = Transactions(parts.store, parts.clock, token, arrived, metrics.transaction)
    place, port = settings.service, settings.metrics.port
    async with AsyncExitStack() as stack:
        app = transactions.application()
        await stack.enter_async_context(_served("service", app, place.host, place.port, place.tls()))
        if port is not None:
            await stack.enter_async_context(_served("metrics", metrics.application(), "127.0.0.1", port))
        yield


@asynccontextmanager
async def _served(
    name: str, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
    await runner.setup()
    try:
        await _bind(web.TCPSite(runner, host, port, ssl_context=tls), name)
        yield
    finally:
        await runner.cleanup()


async def _bind(site: web.TCPSite, name: str) -> None:
    try:
        await site.start()
    except OSError as error:
        raise ConfigError(
            f"The service cannot listen on {site.name}: {error.strerror}.",
            advice=f"Another `preau serve` may be running, or {name}.port be somebody else's.",
        ) from error


async def _asked_to_stop() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
