"""Lets a run use every processor, and loads before anything is forked what each task would load.

Mitogen ties all processes of all playbooks to one processor where there are two: many times slower side by side.
Ansible starts a process for each task on each host, and each of them loads filters and tests anew, and looks through
all it was born with for garbage.
"""

from __future__ import annotations

import gc

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible_mitogen import affinity


class CallbackModule(CallbackBase):  # type: ignore[misc] -- Ansible has no types
    """Prints nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "unbound"

    def __init__(self) -> None:
        """Made before the first play."""
        super().__init__()
        affinity.policy = affinity.Policy()  # the one that ties nothing
        for loader in (filter_loader, test_loader):
            loader._ensure_non_collection_wrappers()

    def v2_playbook_on_task_start(self, *_: object) -> None:
        """What there is by now is no garbage: the processes of the task need not look through it."""
        gc.freeze()
