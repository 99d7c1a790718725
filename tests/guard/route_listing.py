"""A module for a test's Synapse: tells, on a path of its own, every route that a listener serves to clients.

::

    the listener's tree of resources ─┬─ JsonResource ─► its patterns, by method, with the servlet that answers
                                      └─ anything else ─► its path, with the methods that it renders
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from synapse.http.server import JsonResource
from synapse.module_api import DirectServeJsonResource, ModuleApi, SynapseRequest

PATH: Final = "/_synapse/client/preau-test/routes"

_FOR_SERVERS: Final = ("/_matrix/federation", "^/_matrix/federation", "/_matrix/key", "^/_matrix/key")
"""What a worker's listener serves beside clients' routes."""


class RouteListing:
    """Named under ``modules``; it has no configuration."""

    def __init__(self, _config: object, api: ModuleApi) -> None:
        api.register_web_resource(PATH, _Listing())

    @staticmethod
    def parse_config(_config: object) -> None:
        """Nothing to check."""


class _Listing(DirectServeJsonResource):
    async def _async_render_GET(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        routes = _routes(request.site.resource, "")
        return 200, {"routes": sorted(route for route in routes if not route[1].startswith(_FOR_SERVERS))}


def _routes(resource: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Method, pattern or path, and the servlet's or resource's name."""
    if isinstance(resource, JsonResource):
        for pattern, methods in resource._routes.items():
            for method, entry in methods.items():
                yield method.decode(), pattern.pattern, entry.servlet_classname
    else:
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            if hasattr(resource, f"_async_render_{method}") or hasattr(resource, f"render_{method}"):
                yield method, path or "/", type(resource).__name__
    for name, child in resource.children.items():
        yield from _routes(child, f"{path}/{name.decode()}")
