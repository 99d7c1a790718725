"""The guard: a Synapse module that refuses what must never happen, before it exists, in every process.

::

    service ─ PUT facts ─► web ─► tables (Synapse's own database) ─► facts (cache of each process)
                                                                       │ who is this? what room is this?
    Synapse ─ a hook of module.py ─► one part: creation, events, … ────┴─► preau.policy ─► allowed, or refused:
                                                                            speech: error code and a sentence

Only the standard library, `preau.model`, `preau.policy` and ``synapse.module_api`` are imported here; whatever else of
Synapse is used stands in `preau.guard.inner`, with the reason. Nothing here calls out over HTTP to decide.
"""

from preau.guard.module import Guard

__all__ = ["Guard"]
