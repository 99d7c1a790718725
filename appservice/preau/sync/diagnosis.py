"""What is well and what is not between homeserver, guard and service, from what there was to see; asks nothing.

::

    Seen ─► store ─► homeserver ─► guard ─► do they agree? ─► does anything wait? ─► peers ─► each process ─► checks
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from preau.errors import PreauError
from preau.matrix.guard import GuardProcess, GuardStatus
from preau.model.ids import ServerName, UserId

_SILENT: Final = 30.0
"""Seconds after which a process that has said nothing counts as silent; each says that it lives every ten."""

_TAKEN_AWAY: Final = 24 * 3600.0
"""Seconds after which a silent process counts as taken away: a worker that is not configured any more."""


@dataclass(frozen=True, slots=True)
class Told:
    """Our side of the facts: the stream's name and version, pushes that wait, since when, and facts by kind."""

    stream: str
    version: int
    waiting: int
    since: datetime | None
    facts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to see. ``synapse`` is its version, ``trouble`` why there is none; the same with the store.

    ``peers`` and ``workers`` are what our settings say there should be.
    """

    synapse: str = ""
    trouble: PreauError | None = None
    bot_is_admin: bool = False
    guard: GuardStatus | None = None
    guard_trouble: PreauError | None = None
    told: Told | None = None
    store_trouble: PreauError | None = None
    peers: Mapping[ServerName, UserId] = field(default_factory=dict)
    workers: frozenset[str] = frozenset()
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: its code, whether it is well, what was seen, and what to do if it is not."""

    code: str
    well: bool
    said: str
    advice: str = ""


def present(status: GuardStatus, workers: Collection[str]) -> list[GuardProcess]:
    """The processes that there are: our settings name it, or it was heard of within a day."""
    return [each for each in status.processes if each.name in workers or each.seen_seconds_ago < _TAKEN_AWAY]


def diagnose(seen: Seen) -> Iterator[Check]:
    """What is well and what is not, in the order in which to mend it."""
    if seen.store_trouble is not None:
        yield _of("store", seen.store_trouble)
        return
    yield Check("store", well=True, said="Our database answers.")
    if seen.trouble is not None:
        yield _of("homeserver", seen.trouble)
        return
    yield Check("homeserver", well=True, said=f"Synapse {seen.synapse} answers and takes our token.")
    yield Check(
        "bot",
        well=seen.bot_is_admin,
        said=f"Our bot is {'' if seen.bot_is_admin else 'no '}administrator there.",
        advice="Make it one: `preau prepare --secrets-stdin`; docs/settings.md says with which secrets.",
    )
    yield from _of_guard(seen)


def _of(code: str, trouble: PreauError) -> Check:
    return Check(code, well=False, said=trouble.happened, advice=trouble.advice or "The service's log says more.")


def _of_guard(seen: Seen) -> Iterator[Check]:
    if seen.guard_trouble is not None:
        yield _of("guard", seen.guard_trouble)
        return
    if seen.guard is None:
        yield Check(
            "guard",
            well=False,
            said="Synapse has no guard: people can make rooms and write to whom they like.",
            advice="Load the module preau.guard.Guard in every process of Synapse (role synapse), and restart it.",
        )
        return
    yield Check("guard", well=True, said=f"The guard answers and holds {_counted(seen.guard.facts)}.")
    yield _agreement(seen.guard, seen.told)
    yield _lag(seen)
    yield _peers(seen.guard, seen.peers)
    for part in seen.guard.missing:
        yield Check(
            f"inner part {part}",
            well=False,
            said=f"The guard does without Synapse's {part}: this version's is not as expected.",
            advice="It decides all the same, slower or by the public API, but for open doors. Update Préau to a "
            "release for this Synapse.",
        )
    yield from _of_doors(seen.guard)
    for process in present(seen.guard, seen.workers):
        yield _of_process(process, seen.guard.held.version)
    for name in sorted(seen.workers - {process.name for process in seen.guard.processes}):
        yield Check(
            f"process {name}",
            well=False,
            said=f"Synapse's process {name} has never said anything.",
            advice="Is it running, with the guard? If it was taken away, `site.yml` takes it out of our settings, too.",
        )


def _of_doors(guard: GuardStatus) -> Iterator[Check]:
    for door in guard.doors:
        yield Check(
            f"door {door}",
            well=False,
            said=f"Nobody judges {door}: the parts of Synapse that the guard needs for it are not as expected.",
            advice="People get around the rules there. Go back to the release of Synapse that Préau brings, at once.",
        )


def _agreement(guard: GuardStatus, told: Told | None) -> Check:
    """Whether the guard holds our facts; pushes that wait are counted apart."""
    code = "facts"
    advice = (
        "A running `preau serve` tells everything anew within five minutes. If this comes back: is there a second "
        "service with another database?"
    )
    if told is None or told.stream != guard.held.stream:
        if not guard.held.stream and (told is None or told.version == 0):
            return Check(code, well=True, said="Nobody has an account yet: there are no facts to hold.")
        said = "The guard holds the facts of another service, or of ours with another database."
        return Check(code, well=False, said=said, advice=advice)
    lowest = told.version - told.waiting
    if not lowest <= guard.held.version <= told.version:
        said = f"The guard is at version {guard.held.version}; it should be at {told.version}."
        return Check(code, well=False, said=said, advice=advice)
    if not told.waiting and dict(told.facts) != dict(guard.facts):
        said = f"The guard holds {_counted(guard.facts)}; we told it {_counted(told.facts)}."
        return Check(code, well=False, said=said, advice=advice)
    return Check(code, well=True, said=f"Guard and service agree on version {guard.held.version}.")


def _peers(guard: GuardStatus, ours: Mapping[ServerName, UserId]) -> Check:
    """Whether guard and service would have the same académies, and the same bots of theirs."""
    differing = sorted({peer for peer, _ in dict(guard.peers).items() ^ dict(ours).items()})
    return Check(
        "peers",
        well=not differing,
        said=f"Guard and service differ on {', '.join(differing)}." if differing else "Both know the same académies.",
        advice="Give `synapse_federation_peers` (role synapse) and `federation.peers` (preau.toml) the same servers.",
    )


def _lag(seen: Seen) -> Check:
    told = seen.told
    if told is None or not told.waiting or told.since is None or seen.now is None:
        return Check("lag", well=True, said="Nothing waits for the guard.")
    seconds = max(0.0, (seen.now - told.since).total_seconds())
    return Check(
        "lag",
        well=seconds < _SILENT,
        said=f"{told.waiting} pushes wait for the guard, the oldest for {seconds:.0f} s.",
        advice="Is `preau serve` running? It sends them every half minute; its log says why the guard refuses one.",
    )


def _of_process(process: GuardProcess, held: int) -> Check:
    code, seconds = f"process {process.name}", f"{process.seen_seconds_ago:.0f} s"
    if process.seen_seconds_ago > _SILENT:
        return Check(
            code,
            well=False,
            said=f"Synapse's process {process.name} has said nothing for {seconds}.",
            advice="Is it running? One that is not configured any more is forgotten here after a day.",
        )
    return Check(
        code,
        well=process.version >= held,
        said=f"Synapse's process {process.name} decides by version {process.version}, last heard {seconds} ago.",
        advice=f"The guard is at version {held}: can this process reach Synapse's database and Redis? See its log.",
    )


def _counted(facts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind.replace('_', ' ')} facts" for kind, count in sorted(facts.items())) or "no facts"
