"""Runs that a person asks for at a time to come: held, let go on time, or given up with a reason."""

from datetime import datetime, timedelta

import pytest
from redis import Redis

from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.states import Hold, RunState
from console.services import (
    dispatch,
    edits,
    execution,
    jobs,
    passes,
    preflights,
    resolving,
    run_control,
    runs,
)
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

HOUR = timedelta(hours=1)
LATER = NOON + HOUR
HOURLY = {"type": "interval", "every_seconds": 3600}


def message(org: OrgOf, slot: datetime = NOON + 2 * HOUR) -> JobView:
    """A message that goes out once, by itself at its slot."""
    return factories.job(org, "tests.tasks.post", schedule={"type": "once", "at": slot.isoformat()}, now=NOON)


def end(run: RunView, state: RunState, at: datetime) -> None:
    found = execution.claim(run.id, worker="w", offered=[run.task], now=at)
    assert found is not None
    reason = Reason.OUTCOME_UNKNOWN if state is RunState.UNKNOWN else None
    execution.finish(found, Outcome(state, reason, may_retry=False), now=at)


def now_of(org: OrgOf, run: RunView, at: datetime = NOON) -> RunView:
    return runs.get(org.admin, run.id, now=at)


def test_it_is_held_until_its_time_and_then_pushed_once(org: OrgOf, redis: Redis) -> None:
    run = factories.run(org, factories.job(org), now=NOON, start_at=LATER)
    assert (run.state, run.held_by, run.start_after) == (RunState.QUEUED, Hold.LATER, LATER)
    assert run.silence is None
    assert redis.llen("rq:queue:default") == 0
    assert dispatch.next_due(now=NOON) == HOUR
    assert passes.release(now=LATER - timedelta(seconds=1)) == 0
    assert execution.claim(run.id, worker="w", offered=[run.task], now=NOON) is None
    redis.flushall()
    assert passes.release(now=LATER) == 1
    assert passes.release(now=LATER) == 0
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode()]
    seen = now_of(org, run, LATER)
    assert (seen.held_by, seen.start_after) == (None, LATER)
    new = one("SELECT new FROM audit_entries WHERE tag = 'run:requested'")
    assert new["start_at"] == LATER.isoformat()


@pytest.mark.parametrize(
    ("start_at", "fields", "reason", "word"),
    [
        (NOON - timedelta(seconds=61), {}, Reason.IN_THE_PAST, "lies in the past"),
        (NOON + timedelta(days=367), {}, None, "more than 366 days ahead"),
        (LATER, {"dry_run": True}, None, "a dry run is made at once"),
    ],
)
def test_a_time_that_can_t_be_had_is_named_and_makes_no_run(
    org: OrgOf, start_at: datetime, fields: dict[str, bool], reason: Reason | None, word: str
) -> None:
    job = factories.job(org)
    with pytest.raises(Invalid, match=word) as caught:
        factories.run(org, job, now=NOON, start_at=start_at, **fields)
    assert (set(caught.value.fields), caught.value.reason) == ({"start_at"}, reason)
    assert one("SELECT count(*) FROM runs") == 0


def test_a_click_that_is_a_little_late_still_counts(org: OrgOf) -> None:
    run = factories.run(org, factories.job(org), now=NOON, start_at=NOON - timedelta(seconds=30))
    assert passes.release(now=NOON) == 1
    assert now_of(org, run).held_by is None


def test_the_same_key_is_one_run_at_one_time(org: OrgOf) -> None:
    job = factories.job(org)
    run = factories.run(org, job, now=NOON, key="k", start_at=LATER)
    assert factories.run(org, job, now=NOON, key="k", start_at=LATER).id == run.id
    for other in (None, LATER + HOUR):
        with pytest.raises(Invalid) as caught:
            factories.run(org, job, now=NOON, key="k", start_at=other)
        assert "Idempotency-Key" in caught.value.fields
    passes.release(now=LATER)
    assert factories.run(org, job, now=LATER + HOUR, key="k", start_at=LATER).id == run.id
    assert one("SELECT count(*) FROM runs") == 1


def test_a_recurring_job_goes_on_meanwhile_and_a_pause_does_not_hold_it(org: OrgOf) -> None:
    job = factories.job(org, schedule=HOURLY, now=NOON)
    run = factories.run(org, job, now=NOON, start_at=NOON + 3 * HOUR + timedelta(minutes=30))
    for hours in (1, 2):
        dispatch.dispatch(scheduler="s", now=NOON + hours * HOUR)
        due = runs.get(
            org.admin, one("SELECT id FROM runs WHERE slot = :at", at=NOON + hours * HOUR), now=NOON
        )
        assert (due.state, due.held_by) == (RunState.QUEUED, None)
        end(due, RunState.SUCCEEDED, NOON + hours * HOUR)
    active = jobs.get(org.admin, job.id, now=NOON).active_run
    assert active is not None and active.id == run.id
    edits.set_paused(org.admin, job.id, True, note=None, now=NOON + 2 * HOUR)
    assert passes.release(now=NOON + 4 * HOUR) == 1
    assert now_of(org, run).held_by is None


@pytest.mark.parametrize("overlap", ["buffer_one", "cancel_other"])
def test_what_is_held_for_later_is_in_no_policys_way(org: OrgOf, overlap: str) -> None:
    job = factories.job(org, schedule=HOURLY, now=NOON, overlap=overlap)
    run = factories.run(org, job, now=NOON, start_at=NOON + timedelta(days=5))
    dispatch.dispatch(scheduler="s", now=NOON + HOUR)
    first = runs.get(org.admin, one("SELECT id FROM runs WHERE slot IS NOT NULL"), now=NOON)
    assert first.held_by is None
    dispatch.dispatch(scheduler="s", now=NOON + 2 * HOUR)
    passes.release(now=NOON + 2 * HOUR)
    assert now_of(org, run).held_by is Hold.LATER
    if overlap == "buffer_one":
        end(first, RunState.SUCCEEDED, NOON + 2 * HOUR)
    assert passes.release(now=NOON + 2 * HOUR) == (1 if overlap == "buffer_one" else 0)
    assert one("SELECT count(*) FROM runs WHERE held_by IS NOT NULL") == 1


# Messages go out once -------------------------------------------------------------------------------


def test_a_message_that_went_out_by_itself_meanwhile_does_not_go_out_again(org: OrgOf) -> None:
    job = message(org)
    run = factories.run(org, job, now=NOON, start_at=NOON + 3 * HOUR)
    dispatch.dispatch(scheduler="s", now=NOON + 2 * HOUR)
    slot = runs.get(org.admin, one("SELECT id FROM runs WHERE slot IS NOT NULL"), now=NOON)
    end(slot, RunState.SUCCEEDED, NOON + 2 * HOUR)
    assert passes.release(now=NOON + 3 * HOUR) == 0
    seen = now_of(org, run)
    assert (seen.state, seen.reason_code) == (RunState.SKIPPED, Reason.ALREADY_SENT)
    assert seen.reason == "The message went out after this run was asked for, so it did not go out again."
    assert rows("SELECT status, active_run_id FROM jobs") == [("sent", None)]
    told = rows("SELECT actor_kind, object_id, new, reason FROM audit_entries WHERE tag = 'run:refused'")
    new = {"state": "skipped", "reason_code": "ALREADY_SENT"}
    assert [tuple(row) for row in told] == [("scheduler", str(run.id), new, seen.reason)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, Reason.OVERLAP),
        (RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
        (RunState.FAILED, None),
    ],
    ids=["is on its way", "may have gone out", "failed"],
)
def test_what_became_of_its_own_slot_decides_whether_it_goes(
    org: OrgOf, state: RunState | None, reason: Reason | None
) -> None:
    job = message(org)
    run = factories.run(org, job, now=NOON, start_at=NOON + 3 * HOUR)
    dispatch.dispatch(scheduler="s", now=NOON + 2 * HOUR)
    slot = runs.get(org.admin, one("SELECT id FROM runs WHERE slot IS NOT NULL"), now=NOON)
    if state is not None:
        end(slot, state, NOON + 2 * HOUR)
    assert passes.release(now=NOON + 3 * HOUR) == (1 if reason is None else 0)
    seen = now_of(org, run)
    assert seen.reason_code is reason
    assert seen.state is (RunState.QUEUED if reason is None else RunState.SKIPPED)


def test_a_message_that_goes_out_early_by_request_does_not_go_out_at_its_own_time(org: OrgOf) -> None:
    job = message(org)
    run = factories.run(org, job, now=NOON, start_at=LATER)
    passes.release(now=LATER)
    assert dispatch.dispatch(scheduler="s", now=LATER).due == 0
    end(run, RunState.SUCCEEDED, LATER)
    assert dispatch.dispatch(scheduler="s", now=NOON + 3 * HOUR).due == 0
    assert rows("SELECT state FROM runs") == [("succeeded",)]
    assert rows("SELECT status, next_run_at FROM jobs") == [("sent", None)]


def test_a_message_waits_for_one_time_alone_and_a_click_takes_its_place(org: OrgOf) -> None:
    job = message(org)
    first = factories.run(org, job, now=NOON, start_at=LATER)
    with pytest.raises(Refused, match="at another time already") as caught:
        factories.run(org, job, now=NOON, start_at=LATER + HOUR)
    assert caught.value.reason is Reason.OVERLAP
    at_once = factories.run(org, job, now=NOON)
    assert now_of(org, first).state is RunState.SKIPPED
    end(at_once, RunState.SUCCEEDED, NOON)
    again = factories.run(org, job, now=NOON + HOUR, start_at=NOON + 2 * HOUR, override=True)
    assert passes.release(now=NOON + 2 * HOUR) == 1  # what went out before was known to whoever asked
    assert now_of(org, again).held_by is None


def test_it_is_taken_back_by_a_stop_and_its_job_keeps_its_own_time(org: OrgOf) -> None:
    job = message(org)
    run = factories.run(org, job, now=NOON, start_at=LATER)
    run_control.stop(org.admin, run.id, None, now=NOON)
    assert passes.release(now=LATER) == 0
    assert rows("SELECT status, next_run_at FROM jobs") == [("scheduled", NOON + 2 * HOUR)]
    again = factories.run(org, job, now=NOON, start_at=LATER)
    jobs.delete(org.admin, job.id, now=NOON)
    assert passes.release(now=LATER) == 0
    seen = now_of(org, again)
    assert (seen.state, seen.reason_code) == (RunState.SKIPPED, Reason.DELETED)


def test_the_preflight_of_a_click_does_not_mind_what_is_held(org: OrgOf) -> None:
    job = message(org)
    factories.run(org, job, now=NOON, start_at=LATER)
    assert preflights.preflight(org.admin, job.id, now=NOON).refusal is None


def test_what_nobody_knows_is_still_asked_after_a_later_run_was_given_up_for_it(org: OrgOf) -> None:
    """The run that is given up must not stand in the place of the one that may have sent the message."""
    job = message(org)
    factories.run(org, job, now=NOON, start_at=NOON + 3 * HOUR)
    dispatch.dispatch(scheduler="s", now=NOON + 2 * HOUR)
    slot = runs.get(org.admin, one("SELECT id FROM runs WHERE slot IS NOT NULL"), now=NOON)
    end(slot, RunState.UNKNOWN, NOON + 2 * HOUR)
    passes.release(now=NOON + 3 * HOUR)
    shown = jobs.get(org.admin, job.id, now=NOON + 3 * HOUR)
    assert shown.last_run is not None and shown.last_run.id == slot.id
    assert preflights.preflight(org.admin, job.id, now=NOON + 4 * HOUR).refusal is Reason.OUTCOME_UNKNOWN
    broken = factories.run(org, job, now=NOON + 4 * HOUR, override=True)
    end(broken, RunState.SKIPPED, NOON + 4 * HOUR)
    assert preflights.preflight(org.admin, job.id, now=NOON + 4 * HOUR).refusal is Reason.OUTCOME_UNKNOWN
    resolving.resolve(org.admin, slot.id, succeeded=True, note=None, now=NOON + 5 * HOUR)
    assert preflights.preflight(org.admin, job.id, now=NOON + 5 * HOUR).refusal is Reason.ALREADY_SENT
    assert rows("SELECT status FROM jobs") == [("sent",)]


def test_a_message_that_waits_for_a_person_stays_sent_when_another_run_of_it_comes_to_nothing(
    org: OrgOf,
) -> None:
    args = {"message_type": "FREE", "subject": "Doors", "text": "At seven."}
    job = factories.job(org, "send_message", args=args, recipient="ana@x.example", now=NOON)
    held = factories.run(org, job, now=NOON, start_at=LATER)
    end(factories.run(org, job, now=NOON), RunState.SUCCEEDED, NOON + timedelta(seconds=1))
    assert passes.release(now=LATER) == 0
    assert now_of(org, held).reason_code is Reason.ALREADY_SENT
    with pytest.raises(Refused) as caught:
        factories.run(org, job, now=LATER)
    assert caught.value.reason is Reason.ALREADY_SENT
    assert one("SELECT count(*) FROM runs WHERE state IN ('queued', 'succeeded')") == 1


def test_once_it_is_known_that_a_message_arrived_it_does_not_go_again_at_the_time_asked_for(
    org: OrgOf,
) -> None:
    job = message(org)
    doubtful = factories.run(org, job, now=NOON)
    end(doubtful, RunState.UNKNOWN, NOON)
    again = factories.run(org, job, now=LATER, start_at=LATER + HOUR, override=True)
    resolving.resolve(
        org.admin, doubtful.id, succeeded=True, note="They have it.", now=LATER + timedelta(minutes=1)
    )
    assert passes.release(now=LATER + HOUR) == 0
    assert now_of(org, again).reason_code is Reason.ALREADY_SENT


def test_a_stop_between_two_attempts_leaves_the_question_open_and_nothing_retrying(org: OrgOf) -> None:
    job = message(org)
    doubtful = factories.run(org, job, now=NOON)
    end(doubtful, RunState.UNKNOWN, NOON)
    again = factories.run(org, job, now=NOON, override=True)
    found = execution.claim(again.id, worker="w", offered=[job.task], now=NOON)
    assert found is not None
    execution.finish(found, Outcome(RunState.FAILED, Reason.EXCEPTION, "boom"), now=NOON)
    assert rows("SELECT status FROM jobs") == [("retrying",)]
    run_control.stop(org.admin, again.id, None, now=NOON)
    assert rows("SELECT status, last_run_id FROM jobs") == [("failed", doubtful.id)]
    assert preflights.preflight(org.admin, job.id, now=NOON).refusal is Reason.OUTCOME_UNKNOWN
