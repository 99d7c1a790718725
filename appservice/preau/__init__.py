"""Préau: French schools' own federated chat on Matrix.

The layers, lowest first; each imports only what stands above it in this list (``import-linter`` keeps it so)::

    errors, clock   what can go wrong, and what time it is
    model           nouns: people, schools, rooms, decisions; frozen, pure
    policy          decisions: functions of model values; no clock, no I/O
    roster          the ministry's files → model
    store           what we remember: SQLAlchemy Core, journal, inbox
    matrix          the homeserver: one typed adapter, the only one that imports nio
    sync            wanted − actual = plan → effects; events → repair
    config          every setting
    web             HTTP edges
    service         the composition root of `preau serve`
    demo            two académies on one machine
    cli             the commands people type
"""

__version__ = "0.1.0"
