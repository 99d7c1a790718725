"""The proxy before a real Synapse with the guard: people get in and find each other, and every other door is shut."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.ids import UserId
from preau.model.people import Function
from tests.deploy.proxying import MATRIX, Answer, Proxy, running_proxy
from tests.everything.routes import Route, served
from tests.guard.guarded import Guarded, guarded_spec
from tests.guard.route_listing import PATH as LISTING
from tests.live.homeservers import PASSWORD
from tests.nginx_server import NginxMissing

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]

SHUT = {
    "POST register": "accounts are the rosters'",
    "GET register/available": "accounts are the rosters'",
    "GET register/m.login.registration_token/validity": "accounts are the rosters'",
    "POST register/email/requestToken": "accounts are the rosters'",
    "POST register/msisdn/requestToken": "accounts are the rosters'",
    "GET registration/{medium}/submit_token": "accounts are the rosters'",
    "POST account/password/email/requestToken": "passwords are the portal's",
    "POST account/3pid/add": "addresses are the school's",
    "POST account/3pid/bind": "addresses are the school's",
    "POST account/3pid/delete": "addresses are the school's",
    "POST account/3pid/unbind": "addresses are the school's",
    "POST account/3pid/email/requestToken": "addresses are the school's",
    "POST account/3pid/msisdn/requestToken": "addresses are the school's",
    "GET add_threepid/email/submit_token": "addresses are the school's",
    "POST add_threepid/msisdn/submit_token": "addresses are the school's",
    "POST account_validity/send_mail": "accounts do not end by themselves",
    "GET account_validity/renew": "accounts do not end by themselves",
    "GET admin/whois/{user_id}": "the server's administration",
    "GET /": "Synapse's own page",
    "GET /_matrix/static": "Synapse's own pages",
    "GET /health": "for whoever watches, from inside",
    "GET /.well-known/matrix/client": "the proxy answers itself",
    "GET /.well-known/matrix/server": "the proxy answers itself",
}
"""What clients could ask of Synapse and are not let through to; besides everything below ``/_synapse``."""


@dataclass(frozen=True)
class Front:
    """A proxy, what is behind it, and what that serves."""

    proxy: Proxy
    guarded: Guarded
    routes: list[Route]

    async def ask(self, method: str, path: str, token: str = "", body: Any = None) -> Answer:
        """One request through the proxy."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        text = json.dumps(body).encode() if body is not None else b""
        return await asyncio.to_thread(self.proxy.ask, path, method=method, headers=headers, body=text)

    async def log_in(self, user: UserId) -> str:
        identifier = {"type": "m.id.user", "user": user}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        answer = await self.ask("POST", "/_matrix/client/v3/login", body=body)
        assert answer.status == 200, answer
        return str(answer.json["access_token"])


@pytest.fixture(scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    authority = Authority(tmp_path_factory.mktemp("front-authority"))
    spec = guarded_spec(tmp_path_factory.mktemp("front-synapse"), authority)
    listing = {"module": "tests.guard.route_listing.RouteListing", "config": {}}
    homeserver = Homeserver(replace(spec, modules=(*spec.modules, listing)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # for Synapse to find the listing
        await homeserver.start()
    door = [{"address": "127.0.0.1", "port": port} for port in (spec.client_port, spec.federation_port)]
    upstreams = {
        "client": {"servers": door[:1]},
        # The demo's homeserver ends TLS for federation itself: the proxy checks it as it would between hosts.
        "federation": {"servers": door[1:], "tls": True, "server_name": "localhost"},
    }
    folder = tmp_path_factory.mktemp("front-proxy")
    ca = str(authority.certificate)
    try:
        async with aiohttp.ClientSession(homeserver.client_url) as session, session.get(LISTING) as response:
            routes = served((await response.json())["routes"])
        with running_proxy(folder, upstreams, web_upstream_ca=ca, web_search_burst=100) as proxy:
            yield Front(proxy, Guarded(homeserver), routes)
    except NginxMissing as reason:
        pytest.skip(f"nginx: {reason}")
    finally:
        await homeserver.stop()


async def test_people_log_in_read_and_find_those_whom_they_may_write_to(front: Front) -> None:
    pupil = await front.guarded.person(Function.PUPIL, logged_in=False)
    guardian = await front.guarded.person(Function.GUARDIAN, children=[pupil], logged_in=False)
    teacher = await front.guarded.person(Function.TEACHER, name="Nour GABARIT · professeur", logged_in=False)
    other = await front.guarded.person(Function.GUARDIAN, name="Nour AUTRE · parent", logged_in=False)
    token = await front.log_in(guardian)
    synced = await front.ask("GET", "/_matrix/client/v3/sync?timeout=0", token)
    assert synced.json["next_batch"]
    found = await front.ask("POST", "/_matrix/client/v3/user_directory/search", token, {"search_term": "nour"})
    assert [person["user_id"] for person in found.json["results"]] == [teacher]
    assert other not in found.body.decode()
    # A browser asks beforehand whether it may.
    asked = await front.ask("OPTIONS", "/_matrix/client/v3/user_directory/search")
    assert asked.status == 204
    assert asked.all("Access-Control-Allow-Origin") == ["*"]


async def test_homeservers_are_answered_on_the_same_name_and_by_the_other_listener(front: Front) -> None:
    version = await front.ask("GET", "/_matrix/federation/v1/version")
    assert version.json["server"]["name"] == "Synapse"
    keys = await front.ask("GET", "/_matrix/key/v2/server")
    assert keys.json["server_name"] == front.guarded.homeserver.server_name
    assert (await front.ask("POST", "/_matrix/federation/v1/login")).status == 404


async def test_every_route_of_synapse_is_let_through_or_shut_on_purpose(front: Front) -> None:
    asked = {f"{route.method} {path_of(route)}": route for route in front.routes}
    # Without a token nobody is meant, and whatever is answered: the record says whether it was handed on.
    await asyncio.gather(*(front.ask(route.method, path_of(route), body={}) for route in front.routes))
    await front.ask("GET", "/the-end")
    let_through = set(passed(front.proxy.records("/the-end")))
    shut = {route for line, route in asked.items() if line not in let_through}
    assert len(asked) > 400
    assert {route for line, route in asked.items() if line in let_through and "/_synapse/" in route.path} == set()
    assert {route.deed for route in shut if "/_synapse/" not in route.path} == set(SHUT)


def path_of(route: Route) -> str:
    """With something for each part."""
    return re.sub(r"\{[^}]*\}", "x", route.path)


def passed(records: str) -> list[str]:
    """Method and path of each request that was handed on."""
    lines = re.findall(r"\] " + re.escape(MATRIX) + r' "(\S+ \S+) HTTP/1.1" .* upstream=(\S+)', records)
    return [line for line, upstream in lines if upstream != "-"]
