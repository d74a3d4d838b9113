"""Stop requests, as operators and policies make them."""

import threading

import pytest
from apiflask import APIFlask

from console.core.reasons import Reason
from console.core.states import RunState
from console.db.session import transaction
from console.services import claims, dispatch, execution, jobs, runs, stopping
from console.services.claims import LEASE, Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.stopping import Stop, Stopping
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

WHY = "Ada stopped it."


def stop(*wanted: RunView) -> list[Stopping]:
    with transaction():
        return stopping.request_stop(
            [Stop(run.id, Reason.STOPPED_BY_OPERATOR, WHY) for run in wanted], now=NOON
        )


def test_a_queued_run_ends_at_once_and_its_ticket_is_worth_nothing(org: OrgOf) -> None:
    job = factories.job(org)
    run = factories.run(org, job, now=NOON)
    assert stop(run) == [Stopping(run.id, RunState.STOPPED)]
    seen = runs.get(org.admin, run.id, now=NOON)
    assert (seen.state, seen.reason_code, seen.reason) == (
        RunState.STOPPED,
        Reason.STOPPED_BY_OPERATOR,
        WHY,
    )
    assert seen.finished_at == NOON
    assert execution.claim(run.id, worker="w", offered=[run.task], now=NOON) is None
    shown = jobs.get(org.admin, job.id, now=NOON)
    assert shown.active_run is None
    assert shown.last_run and (shown.last_run.id, shown.last_run.note) == (run.id, WHY)


def test_a_run_between_two_attempts_ends_at_once_and_is_not_tried_again(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.flaky", args={"attempt": 9})
    run = factories.run(org, job, now=NOON)
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    failed = Outcome(RunState.FAILED, Reason.EXCEPTION, "boom")
    assert execution.finish(claim, failed, now=NOON) is RunState.RETRYING
    assert stop(run) == [Stopping(run.id, RunState.STOPPED)]
    assert dispatch.retry_due(now=NOON + LEASE * 100) == []
    assert rows("SELECT status, active_run_id FROM jobs") == [("scheduled", None)]


def test_a_running_run_goes_on_until_its_worker_has_ended_it(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org), now=NOON)
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    assert claims.stop_asked(run.id, 1) is None
    assert stop(run) == [Stopping(run.id, RunState.RUNNING)]
    seen = runs.get(org.admin, run.id, now=NOON)
    assert (seen.state, seen.stop_requested_at, seen.stop_text) == (RunState.RUNNING, NOON, WHY)
    assert claims.renew(run.id, 1, now=NOON)
    asked = claims.stop_asked(run.id, 1)
    assert asked == Outcome(RunState.STOPPED, Reason.STOPPED_BY_OPERATOR, WHY)
    assert execution.finish(claim, asked, now=NOON) is RunState.STOPPED


def test_a_second_request_and_one_for_what_has_ended_change_nothing(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org), now=NOON)
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    assert len(stop(run)) == 1
    assert stop(run) == []
    execution.finish(claim, Outcome(RunState.SUCCEEDED), now=NOON)
    assert stop(run) == []
    assert one("SELECT state FROM runs") == "succeeded"
    assert stop() == []


def test_a_claim_and_a_stop_at_once_leave_either_a_stopped_run_or_one_that_is_told(
    app: APIFlask, org: OrgOf
) -> None:
    job = factories.job(org)
    for _ in range(20):
        run = factories.run(org, job, now=NOON)
        claimed: list[Claim | None] = []

        def claim(run: RunView = run, claimed: list[Claim | None] = claimed) -> None:
            with app.app_context():
                claimed.append(execution.claim(run.id, worker="w", offered=[run.task], now=NOON))

        claiming = threading.Thread(target=claim)
        claiming.start()
        (told,) = stop(run)
        claiming.join()
        assert (claimed[0] is None) is (told.state is RunState.STOPPED)
        if claimed[0] is not None:
            assert claims.stop_asked(run.id, 1) is not None


@pytest.mark.parametrize("count", [1, 30])
def test_several_runs_of_one_job_are_stopped_together_and_the_job_shows_the_newest(
    org: OrgOf, count: int
) -> None:
    job = factories.job(org, overlap="allow_all")
    made = [factories.run(org, job, now=NOON) for _ in range(count)]
    assert len(stop(*made)) == count
    shown = jobs.get(org.admin, job.id, now=NOON)
    assert shown.active_run is None
    assert shown.last_run and shown.last_run.id == made[-1].id


def test_a_run_that_goes_on_stays_the_active_one_when_a_newer_one_is_stopped(org: OrgOf) -> None:
    job = factories.job(org, overlap="allow_all")
    first, second = (factories.run(org, job, now=NOON) for _ in range(2))
    execution.claim(first.id, worker="w", offered=[first.task], now=NOON)
    stop(second)
    shown = jobs.get(org.admin, job.id, now=NOON).active_run
    assert shown is not None and shown.id == first.id
