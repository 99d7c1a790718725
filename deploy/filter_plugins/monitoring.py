"""Filters that say what each host of an académie shows to Prometheus.

Answered from the inventory alone, for any host from any other: who watches must know what everybody shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Row = dict[str, Any]
Places = Mapping[str, Iterable[str]]
"""Hosts by function: ``homeserver``, ``service``, and so on."""

EXPORTERS: Final = {"postgresql": "database", "redis": "redis", "nginx": "proxy"}
"""Exporters that the role installs beside the node exporter, and where."""


def preau_monitoring_sources(host: str, places: Places, instances: Iterable[Mapping[str, Any]]) -> list[Row]:
    """What programs of ours show on ``host``: rows of the role's ``monitoring_sources``.

    ``instances`` are the rows of `preau_synapse_instances`. A worker's source is called by its kind and number, the
    same on every host, so that processes of one kind are one job.
    """
    rows: list[Row] = []
    if host in places["homeserver"]:
        rows.append({"name": "synapse-main", "port": 8011, "path": "/_synapse/metrics"})
    rows += [
        {
            "name": f"synapse-{str(row['name']).removeprefix(host + '-')}",
            "port": row["metrics"],
            "path": "/_synapse/metrics",
        }
        for row in instances
        if row["host"] == host
    ]
    if host in places["service"]:
        rows.append({"name": "preau", "port": 9801, "path": "/metrics"})
    return rows


def preau_monitoring_targets(hosts: Iterable[str], places: Places, instances: list[Mapping[str, Any]]) -> list[Row]:
    """Every host with the names of all that it shows: rows of the role's ``monitoring_targets``."""
    return [
        {
            "host": host,
            "sources": [
                "node",
                *[exporter for exporter, function in EXPORTERS.items() if host in places[function]],
                *[source["name"] for source in preau_monitoring_sources(host, places, instances)],
            ],
        }
        for host in hosts
    ]


def preau_monitoring_backups(hours: Mapping[str, int], savers: Iterable[str], orderers: Iterable[str]) -> list[Row]:
    """What is saved, by kind: how old in ``hours`` it may be, and which hosts save it; ``monitoring_backups``.

    ``savers`` save their files, ``orderers`` all else. Whoever watches expects it of these hosts, so that a backup that
    was never made is missed, too.
    """
    where = {kind: [*savers] if kind == "files" else [*orderers] for kind in hours}
    return [{"kind": kind, "hours": most, "hosts": where[kind]} for kind, most in hours.items() if where[kind]]


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {
            "preau_monitoring_backups": preau_monitoring_backups,
            "preau_monitoring_sources": preau_monitoring_sources,
            "preau_monitoring_targets": preau_monitoring_targets,
        }
