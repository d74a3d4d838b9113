"""Every run that somebody asked for is on the trail, from its start to its end."""

import pytest

from console.core.states import RunState, Trigger
from console.services import execution
from console.services.outcomes import Outcome
from tests import factories
from tests.factories import NOON, OrgOf, rows

ASKED = [trigger for trigger in Trigger if trigger not in (Trigger.SCHEDULE, Trigger.TICK)]
ENDS = {
    RunState.SUCCEEDED: "TASK_EXECUTION_COMPLETED",
    RunState.FAILED: "TASK_EXECUTION_FAILED",
    RunState.UNKNOWN: "TASK_EXECUTION_FAILED",
    RunState.STOPPED: "TASK_EXECUTION_FAILED",
}


def trail(of: OrgOf, trigger: Trigger, state: RunState) -> list[tuple[str, str]]:
    """Tag and actor of what a run leaves that was made so and ends so."""
    factories.live_worker(now=NOON)
    job = factories.job(of, now=NOON)
    run = factories.run(of, job, now=NOON, trigger=trigger)
    claim = execution.claim(run.id, worker="worker-1", offered=[job.task], now=NOON)
    assert claim is not None
    execution.finish(claim, Outcome(state), now=NOON)
    found = rows(
        "SELECT tag, actor_name FROM audit_entries WHERE object_id = :id ORDER BY number", id=str(run.id)
    )
    return [(row.tag, row.actor_name) for row in found]


@pytest.mark.parametrize("trigger", ASKED)
@pytest.mark.parametrize("state", ENDS)
def test_a_run_that_somebody_asked_for_leaves_its_request_its_start_and_its_end(
    org: OrgOf, trigger: Trigger, state: RunState
) -> None:
    assert trail(org, trigger, state) == [
        ("run:retried" if trigger is Trigger.RETRY else "run:requested", "tests"),
        ("TASK_EXECUTION_STARTED", "worker-1"),
        (ENDS[state], "worker-1"),
    ]


def test_a_scheduled_run_is_its_own_record(org: OrgOf) -> None:
    assert trail(org, Trigger.SCHEDULE, RunState.SUCCEEDED) == [("run:requested", "tests")]
