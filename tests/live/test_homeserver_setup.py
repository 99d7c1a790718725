"""What the rendered configuration really does, seen from outside by real clients."""

from __future__ import annotations

import pytest

from preau.demo.homeserver import Homeserver

pytestmark = pytest.mark.live


async def test_the_bot_is_the_only_admin_and_the_only_account_at_first(nord: Homeserver) -> None:
    admins = await nord.api().get("/_synapse/admin/v2/users", admins="true", deactivated="true")
    assert [user["name"] for user in admins["users"]] == [nord.bot]
