"""Another process that applies what is to be done: ``python -m tests.live.apply_worker SPEC``, killed by its test.

SPEC is JSON: the store's URL, the homeserver's address, token, bot and name, the room version and the school year. It
says each finished step on one line, so that a test knows when to kill it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from preau.clock import SystemClock
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.ids import AcademyName, ServerName, UserId
from preau.store.engine import Store
from preau.sync import planning
from preau.sync.context import Academy, Context
from preau.sync.plan import Step


def say(step: Step) -> None:
    print(step.action, step.subject, flush=True)


async def main(spec: dict[str, str]) -> None:
    server, bot = ServerName(spec["server"]), UserId(spec["bot"])
    academy = Academy(AcademyName("nord"), server, bot, spec["version"], int(spec["year"]))
    store = Store(spec["store"])
    try:
        async with Homeserver(Endpoint(spec["url"], spec["token"], bot, server)) as homeserver:
            context = Context(academy, store, homeserver, SystemClock())
            await planning.carry_out(context, await planning.plan(context), actor="test", progress=say)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
