"""A Synapse whose inner parts are not as expected: the service does without its batches, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver as Synapse
from tests.guard.guarded import Guarded, guarded_spec
from tests.guard.sabotage import PYTHONPATH, OtherSynapse, sabotaged
from tests.live.command import configured, doctor
from tests.live.schools import only_children, school_at

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

CHANGED = {
    "synapse.storage.controllers.persist_events:EventsPersistenceStorageController.persist_events": "the last step",
    "synapse.events.snapshot:EventContext.with_state": "a static method",
    "synapse.events.snapshot:UnpersistedEventContext.batch_persist_unpersisted_contexts": "a class's method",
    "synapse.events.snapshot:UnpersistedEventContext.get_prev_state_ids": "every event is judged by it",
    "synapse.handlers.devicemessage:DeviceMessageHandler.on_direct_to_device_edu": "messages to devices",
    "synapse.types:create_requester": "a function of a module",
}


async def test_a_whole_apply_goes_by_the_public_api_with_one_warning_and_doctor_names_the_parts(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    spec = guarded_spec(tmp_path / "synapse", authority)
    async with (
        Synapse(sabotaged(spec, OtherSynapse, {"parts": [*CHANGED]})) as synapse,
        school_at(synapse, tmp_path) as school,
    ):
        missing = {
            part.rsplit(":")[1].replace("create_requester", "synapse.types.create_requester") for part in CHANGED
        }
        assert set((await Guarded(synapse).status())["missing_inner_parts"]) == missing
        guardian = await school.guardian(next(iter(only_children(school.demo))))
        with capture_logs() as logs:
            applied = (await school.activate(guardian)).applied
        assert (applied.refused, applied.done > 0) == ((), True)
        assert await school.really() == await school.rooms()
        assert len([entry for entry in logs if entry["event"] == "no_batches"]) == 1
        status, _, wrong = await doctor(configured(synapse, tmp_path))
    open_door = "door messages to devices from other homeservers"
    assert (status, wrong) == (1, {open_door, *(f"inner part {part}" for part in missing)})
