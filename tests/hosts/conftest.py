"""Deployments that serve several tests. Only `make test-hosts` collects this folder: it needs root, and its time."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, Final

import aiohttp
import pytest

from preau.demo.authority import Authority
from tests.hosts import laboratory
from tests.hosts.academies import Academy, Plan, raise_academy, side_by_side
from tests.hosts.acme import signing
from tests.hosts.networks import Network
from tests.hosts.people import outside
from tests.hosts.schools import Schools
from tests.hosts.settings import ALONE, IN_A_FOLDER, NORD, OUEST, SUD, mailing, settings

WANTED: Final = "PREAU_TEST_HOSTS" in os.environ
if not WANTED:
    collect_ignore_glob = ["test_*.py"]

# As an operator lives it: the hosts, what is put on them, the people, those who mean harm, accidents.
_ORDER: Final = (
    "test_machines",
    "test_installation",
    "test_conversation",
    "test_attack_surface",
    "test_between_hosts",
    "test_watching",
    "test_mail",
    "test_growth",
    "test_operations",
    "test_upgrade",
    "test_certificates",
    "test_faults",
    "test_restore",
    "test_secrets",
    "test_decommission",
)


# Two lives go on side by side, each in a process of its own with a network of its own: ouest's, and the others'.
_OUEST: Final = pytest.mark.xdist_group("ouest")
_THE_OTHERS: Final = pytest.mark.xdist_group("nord and sud")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whose life it is, and time enough: one test may put up a whole académie."""
    if item.path.parent.name == "hosts":
        item.add_marker(pytest.mark.timeout(3000))
        item.add_marker(_OUEST if _is_of_ouest(item) else _THE_OTHERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order above."""
    ours = [item for item in items if item.path.parent.name == "hosts"]
    ours.sort(key=lambda item: _ORDER.index(item.path.stem) if item.path.stem in _ORDER else len(_ORDER))
    items[:] = [item for item in items if item not in ours] + ours


def _is_of_ouest(item: pytest.Item) -> bool:
    """Whether a test asks for nothing of nord's and sud's; machines alone are nobody's."""
    asked = set(getattr(item, "fixturenames", ()))
    chosen = (
        set(item.callspec.params.values()) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else set()
    )
    return "ouest" in asked | {each for each in chosen if isinstance(each, str)} or item.path.stem == "test_machines"


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    """The hosts' own network; without root or Debian's programs, everything here is left out with the reason."""
    reason = laboratory.missing()
    if reason is not None:
        pytest.skip(reason)
    with laboratory.laboratory("tests") as network:
        yield network


@pytest.fixture(scope="session")
def authority(network: Network) -> Authority:
    """Whom the whole world of these tests trusts for public certificates."""
    return Authority(network.folder / "authority", lifetime=timedelta(days=365))  # ACME's live 90 days


@pytest.fixture(scope="session")
def trusted(authority: Authority) -> ssl.SSLContext:
    """Whom people's clients believe: that authority, and `OUEST`'s own, which its people were told to install."""
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.fixture(scope="session")
def acme(network: Network, authority: Authority) -> Iterator[str]:
    """The address of an authority that all hosts believe, and that signs for whoever answers at a name."""
    with signing(network, authority) as directory:
        yield directory


def _bare(plan: Plan, network: Network, authority: Authority, **besides: Any) -> Academy:
    academy = raise_academy(plan, network, authority)
    academy.write_inventory({**settings(plan), **besides})
    return academy


@pytest.fixture(scope="session")
def nord(network: Network, authority: Authority) -> Academy:
    """One machine, Debian 12, that keeps its backups itself; `up()` deploys."""
    return _bare(NORD, network, authority, **mailing(NORD), **IN_A_FOLDER)


@pytest.fixture(scope="session")
def sud(network: Network, authority: Authority) -> Academy:
    """Database, homeserver, worker, proxy, service, what watches and what saves apart, Debian 13; `up()` deploys."""
    return _bare(SUD, network, authority, **mailing(SUD))


@pytest.fixture(scope="session")
def ouest(network: Network, authority: Authority, trusted: ssl.SSLContext) -> Academy:
    """One machine, Debian 13, and one for its backups; the life of an académie is tried on it, to its end."""
    academy = _bare(OUEST, network, authority, **ALONE)
    trusted.load_verify_locations(cadata=academy.secret("vault_base_internal_ca_certificate"))
    return academy


@pytest.fixture(scope="session")
def academies(nord: Academy, sud: Academy) -> tuple[Academy, Academy]:
    """Both, up."""
    side_by_side((nord, sud), Academy.up)
    return nord, sud


@pytest.fixture(scope="session")
def installed(nord: Academy, sud: Academy) -> None:
    """Each of both checked, put up, put up again and checked again; the tests look at what each run said."""
    side_by_side((nord, sud), Academy.checked_up)


@pytest.fixture(scope="session", params=["nord", "sud"])
def academy(request: pytest.FixtureRequest) -> Academy:
    """Each of both in turn."""
    found: Academy = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
async def internet(network: Network, trusted: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Where families are: outside, with a client that finds the public names and believes valid certificates only."""
    async with outside(lambda: laboratory.names(network), trusted) as session:
        yield session


@pytest.fixture(scope="session")
def schools(request: pytest.FixtureRequest) -> Schools:
    """By académie: a school whose rosters were imported there, and people of it with accounts."""
    return Schools(request.getfixturevalue)
