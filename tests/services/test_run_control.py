"""Stopping and retrying a run, as operators ask for it: the answer, the record, and the trail."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import Role, RunState, Trigger
from console.services import claims, dispatch, execution, jobs, lineage, losing, resolving, run_control, runs
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_control import Effect
from console.services.run_views import RunView
from tests import factories
from tests.factories import NOON, UNKNOWN_ID, OrgOf, one, rows
from tests.web.conftest import change

TO_COME = {"type": "once", "at": "2030-02-01T09:00:00Z"}


def claim(run: RunView) -> Claim:
    found = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert found is not None
    return found


def ended(org: OrgOf, state: RunState, task: str = "succeed", **fields: Any) -> RunView:
    """A run of this task that has ended so."""
    run = factories.run(org, factories.job(org, f"tests.tasks.{task}", **fields), now=NOON)
    reason = Reason.OUTCOME_UNKNOWN if state is RunState.UNKNOWN else None
    execution.finish(claim(run), Outcome(state, reason, may_retry=False), now=NOON)
    return runs.get(org.admin, run.id, now=NOON)


def retry(org: OrgOf, run: RunView, args: dict[str, Any] | None = None, **fields: Any) -> RunView:
    given = {"key": None, "now": NOON, **fields}
    return run_control.retry(fields.pop("actor", org.admin), run.id, args, **given)


def trail(tag: str) -> list[Any]:
    return rows("SELECT object_id, new, reason, actor_name FROM audit_entries WHERE tag = :tag", tag=tag)


# Stop ----------------------------------------------------------------------------------------------


def test_a_queued_run_is_stopped_at_once_in_the_name_of_whoever_asked(org: OrgOf) -> None:
    ada = factories.person(org, email="ada@example.com")
    run = factories.run(org, factories.job(org, key="sweep"), now=NOON)
    ready = run_control.stop_preflight(ada, run.id, now=NOON)
    assert (ready.effect, ready.refusal) == (Effect.ENDS, None)
    seen = run_control.stop(ada, run.id, " wrong one ", now=NOON)
    assert (seen.state, seen.reason_code) == (RunState.STOPPED, Reason.STOPPED_BY_OPERATOR)
    assert seen.reason == "ada@example.com stopped it: wrong one"
    assert trail("run:stop_requested") == [
        (str(run.id), {"state": "stopped", "job": "sweep"}, "wrong one", "ada@example.com")
    ]


def test_a_held_run_and_one_between_two_attempts_end_at_once_too(org: OrgOf) -> None:
    held = factories.run(org, factories.job(org), now=NOON, start_at=NOON + timedelta(hours=1))
    assert run_control.stop(org.admin, held.id, None, now=NOON).state is RunState.STOPPED
    assert dispatch.release(now=NOON + timedelta(hours=2)) == []
    flaky = factories.run(org, factories.job(org, "tests.tasks.flaky", args={"attempt": 9}), now=NOON)
    execution.finish(claim(flaky), Outcome(RunState.FAILED, Reason.EXCEPTION, "boom"), now=NOON)
    assert run_control.stop_preflight(org.admin, flaky.id, now=NOON).effect is Effect.NO_MORE
    assert run_control.stop(org.admin, flaky.id, None, now=NOON).state is RunState.STOPPED


@pytest.mark.parametrize(
    ("task", "effect", "state", "code"),
    [
        ("mark", Effect.CUT_OFF, "stopped", "STOPPED_BY_OPERATOR"),
        ("mark_idempotent", Effect.CUT_OFF, "stopped", "STOPPED_BY_OPERATOR"),
        ("post", Effect.DOUBTFUL, "unknown", "OUTCOME_UNKNOWN"),
    ],
)
@pytest.mark.parametrize("is_lost", [False, True], ids=["killed by its worker", "its worker died"])
def test_a_message_that_is_cut_off_ends_unknown_and_all_else_stopped(
    org: OrgOf, task: str, effect: Effect, state: str, code: str, is_lost: bool
) -> None:
    args = {} if task == "post" else {"path": "x"}
    run = factories.run(org, factories.job(org, f"tests.tasks.{task}", args=args), now=NOON)
    claim(run)
    assert run_control.stop_preflight(org.admin, run.id, now=NOON).effect is effect
    told = run_control.stop(org.admin, run.id, None, now=NOON)
    assert (told.state, told.stop_requested_at) == (RunState.RUNNING, NOON)
    found, end = claims.held(run.id, 1), claims.stop_asked(run.id, 1)
    assert found is not None and end is not None
    if is_lost:
        losing.lose(found, detail="Its worker was lost.", now=NOON)
    else:
        execution.finish(found, end, now=NOON)
    assert rows("SELECT state, reason_code FROM runs") == [(state, code)]
    assert one("SELECT reason FROM runs").startswith("tests stopped it.")


def test_a_message_that_is_cut_off_does_not_go_out_again_by_a_simple_click(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.post", schedule=TO_COME, now=NOON)
    run = factories.run(org, job, now=NOON)
    found = claim(run)
    run_control.stop(org.admin, run.id, None, now=NOON)
    end = claims.stop_asked(run.id, 1)
    assert end is not None
    execution.finish(found, end, now=NOON)
    with pytest.raises(Refused, match="Nobody knows") as click:
        factories.run(org, job, now=NOON)
    assert click.value.reason is Reason.OUTCOME_UNKNOWN
    with pytest.raises(Refused, match="settle it first") as again:
        retry(org, run)
    assert again.value.reason is Reason.OUTCOME_UNKNOWN
    assert one("SELECT next_run_at FROM jobs") is None
    resolving.resolve(org.admin, run.id, succeeded=False, note=None, now=NOON)
    assert retry(org, run).state is RunState.QUEUED


def test_a_task_that_fails_by_itself_after_its_stop_was_asked_for_leaves_no_doubt(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.post"), now=NOON)
    found = claim(run)
    run_control.stop(org.admin, run.id, None, now=NOON)
    failed = Outcome(RunState.FAILED, Reason.SEND_FAILED, "no such host")
    assert execution.finish(found, failed, now=NOON) is RunState.STOPPED


def test_what_has_ended_or_was_told_before_is_refused_with_what_is_known(org: OrgOf) -> None:
    ada = factories.person(org, email="ada@example.com")
    run = ended(org, RunState.FAILED)
    with pytest.raises(Refused, match="it is failed"):
        run_control.stop(org.admin, run.id, None, now=NOON)
    going = factories.run(org, factories.job(org), now=NOON)
    claim(going)
    run_control.stop(ada, going.id, None, now=NOON)
    with pytest.raises(Refused, match=r"told to stop before\. ada@example\.com stopped it"):
        run_control.stop(org.admin, going.id, None, now=NOON)
    assert len(trail("run:stop_requested")) == 1


def test_a_click_that_is_stopped_before_the_jobs_own_time_takes_nothing_from_it(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.post", schedule=TO_COME, now=NOON)
    run = factories.run(org, job, now=NOON)
    run_control.stop(org.admin, run.id, None, now=NOON)
    seen = jobs.get(org.admin, job.id, now=NOON)
    assert (seen.status, seen.status_reason, seen.active_run) == ("scheduled", None, None)
    dispatch.dispatch(scheduler="s", now=NOON + timedelta(days=31))
    assert rows("SELECT state FROM runs ORDER BY id") == [("stopped",), ("queued",)]


@pytest.mark.parametrize("verb", ["stop", "retry"])
def test_viewers_strangers_and_unknown_ids_change_nothing(org: OrgOf, verb: str) -> None:
    run = ended(org, RunState.FAILED)

    def ask(actor: Any, run_id: UUID) -> None:
        if verb == "stop":
            run_control.stop(actor, run_id, None, now=NOON)
        else:
            run_control.retry(actor, run_id, None, key=None, now=NOON)

    with pytest.raises(Forbidden):
        ask(factories.person(org, Role.VIEWER), run.id)
    with pytest.raises(NotFound):
        ask(factories.org().admin, run.id)
    with pytest.raises(NotFound):
        ask(org.admin, UUID(UNKNOWN_ID))
    assert one("SELECT count(*) FROM runs") == 1


def test_a_note_that_is_too_long_is_named(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org), now=NOON)
    with pytest.raises(Invalid) as caught:
        run_control.stop(org.admin, run.id, "x" * 501, now=NOON)
    assert caught.value.fields == {"note": ["at most 500 characters; there are 501"]}
    assert one("SELECT state FROM runs") == "queued"


# Retry ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.STOPPED, RunState.SKIPPED, RunState.SUCCEEDED])
def test_a_run_that_has_ended_is_made_once_more_with_its_own_arguments(org: OrgOf, state: RunState) -> None:
    run = ended(org, state, "mark", args={"path": "/a"})
    change('UPDATE jobs SET args = \'{"path": "/b"}\'')
    again = retry(org, run, note="the disk is mended")
    assert (again.trigger, again.cause_id, again.args) == (Trigger.RETRY, run.id, {"path": "/a"})
    assert (again.state, again.job_id) == (RunState.QUEUED, run.job_id)
    ((subject, new, reason, _),) = trail("run:retried")
    assert (subject, new["cause"], reason) == (str(again.id), str(run.id), "the disk is mended")
    assert one("SELECT enqueued_at IS NOT NULL FROM runs WHERE id = :id", id=again.id)


def test_each_of_the_two_runs_names_the_other(org: OrgOf) -> None:
    run = ended(org, RunState.FAILED)
    again = retry(org, run)
    of_first, of_second = lineage.of(org.admin, run), lineage.of(org.admin, again)
    assert (of_first.cause, [item.id for item in of_first.retries]) == (None, [again.id])
    assert of_second.cause is not None and (of_second.cause.id, of_second.retries) == (run.id, [])


def test_edited_arguments_are_checked_by_the_task(org: OrgOf) -> None:
    run = ended(org, RunState.FAILED, "mark", args={"path": "/a"})
    with pytest.raises(Invalid) as caught:
        retry(org, run, {"path": 3, "speed": 1})
    assert set(caught.value.fields) == {"args.path", "args.speed"}
    assert retry(org, run, {"path": "/b", "seconds": 2.0}).args == {"path": "/b", "seconds": 2.0}


def test_one_key_makes_one_retry_and_serves_for_nothing_else(org: OrgOf) -> None:
    run = ended(org, RunState.FAILED)
    other = ended(org, RunState.FAILED)
    again = retry(org, run, key="k")
    assert retry(org, run, key="k").id == again.id
    with pytest.raises(Invalid) as caught:
        factories.run(org, jobs.get(org.admin, run.job_id, now=NOON), key="k")
    assert "Idempotency-Key" in caught.value.fields
    with pytest.raises(Invalid):
        retry(org, other, key="k")
    assert one("SELECT count(*) FROM runs WHERE trigger = 'retry'") == 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda org: factories.run(org, factories.job(org), now=NOON), Reason.OVERLAP),
        (lambda org: ended(org, RunState.UNKNOWN, "mark", args={"path": "x"}), Reason.OUTCOME_UNKNOWN),
        (lambda org: ended(org, RunState.SUCCEEDED, "post"), Reason.ALREADY_SENT),
    ],
    ids=["it goes on", "nobody knows its end", "it has sent its message"],
)
def test_what_can_t_be_retried_is_refused_with_its_reason_and_on_the_trail(
    org: OrgOf, make: Any, reason: Reason
) -> None:
    run = make(org)
    assert run_control.retry_preflight(org.admin, run.id, now=NOON).refusal is reason
    with pytest.raises(Refused) as caught:
        retry(org, run)
    assert caught.value.reason is reason
    assert trail("run:refused") == [(str(run.id), {"reason_code": reason}, None, "tests")]
    assert one("SELECT count(*) FROM runs") == 1


def test_the_gate_of_send_now_stands_before_a_retry_too(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.post", schedule=TO_COME, now=NOON)
    first = factories.run(org, job, now=NOON)
    failed = Outcome(RunState.FAILED, Reason.SEND_FAILED, may_retry=False)
    execution.finish(claim(first), failed, now=NOON)
    second = retry(org, first)
    with pytest.raises(Refused) as busy:
        retry(org, first)
    assert busy.value.reason is Reason.OVERLAP
    execution.finish(claim(second), Outcome(RunState.SUCCEEDED), now=NOON)
    with pytest.raises(Refused) as sent:
        retry(org, first)
    assert sent.value.reason is Reason.ALREADY_SENT
    assert run_control.retry_preflight(org.admin, first.id, now=NOON).refusal is Reason.ALREADY_SENT


def test_a_deleted_job_and_a_task_that_is_gone_say_so(org: OrgOf) -> None:
    run, other = ended(org, RunState.FAILED), ended(org, RunState.FAILED)
    jobs.delete(org.admin, run.job_id, now=NOON)
    with pytest.raises(Refused) as deleted:
        retry(org, run)
    assert deleted.value.reason is Reason.DELETED
    change("UPDATE jobs SET task = 'gone.away' WHERE id = :id", id=other.job_id)
    with pytest.raises(Refused) as gone:
        retry(org, other)
    assert gone.value.reason is Reason.NOT_REGISTERED


def test_a_dry_run_is_retried_as_a_dry_run(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org), now=NOON, dry_run=True)
    execution.finish(claim(run), Outcome(RunState.FAILED, Reason.EXCEPTION), now=NOON)
    assert retry(org, run).dry_run is True
