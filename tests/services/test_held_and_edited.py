"""A run that is held while its job is edited, sent by hand, paused or deleted: one message, never two."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, RunState, Trigger
from console.db.session import db
from console.services import dispatch, edits, execution, jobs, pushing, runs, triggers
from console.services.changes import Change
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TASK = "tests.tasks.succeed"
SENDS = "tests.tasks.needs_recipient"
CLICK = Request(Trigger.MANUAL)


def once(org: OrgOf, **fields: Any) -> JobView:
    return factories.job(org, TASK, schedule={"type": "once", "at": NOON + HOUR}, now=NOON, **fields)


def passes(now: datetime) -> None:
    """What a scheduler does in one pass."""
    pushing.push_tickets(dispatch.release(now=now), now=now)
    pushing.push_tickets(dispatch.dispatch(scheduler="s", now=now).tickets, now=now)
    pushing.push_tickets(dispatch.release(now=now), now=now)


def states() -> list[tuple[str, str | None]]:
    return [(row.state, row.reason_code) for row in rows("SELECT * FROM runs ORDER BY requested_at, id")]


def test_what_was_sent_by_hand_while_it_was_held_is_not_sent_again(org: OrgOf, redis: Redis) -> None:
    job = once(org, jitter_seconds=3600)
    passes(NOON + HOUR)
    assert one("SELECT held_by FROM runs") == "jitter"
    now = NOON + HOUR + MINUTE
    factories.live_worker(now=now)
    run = triggers.send_now(org.admin, job.id, Request(Trigger.MANUAL), now=now)
    claim = execution.claim(run.id, worker="w", offered=[TASK], now=now)
    assert claim
    execution.finish(claim, Outcome(RunState.SUCCEEDED), now=now + SECOND)
    passes(NOON + 3 * HOUR)
    assert states() == [("skipped", "OVERLAP"), ("succeeded", None)]
    assert one("SELECT status FROM jobs") == "sent"
    assert one("SELECT active_run_id FROM jobs") is None


def test_a_held_message_that_is_paused_moved_and_resumed_goes_out_at_its_new_time_alone(
    org: OrgOf, redis: Redis
) -> None:
    job = once(org, jitter_seconds=3600)
    passes(NOON + HOUR)
    edits.edit(org.admin, job.id, Change(enabled=False), now=NOON + HOUR + SECOND)
    passes(NOON + 3 * HOUR)
    new_time = NOON + 48 * HOUR
    moved = edits.edit(org.admin, job.id, Change(send_at=new_time), now=NOON + 3 * HOUR)
    assert moved.cautions == [], "the run of the old time was withdrawn"
    resumed = edits.edit(org.admin, job.id, Change(enabled=True), now=NOON + 3 * HOUR + SECOND)
    assert (resumed.job.status, resumed.job.next_run_at) == ("scheduled", new_time)
    passes(NOON + 4 * HOUR)
    assert states() == [("skipped", "NOT_DUE")]
    passes(new_time + HOUR)
    passes(new_time + 2 * HOUR)
    assert [state for state, _ in states()] == ["skipped", "queued"]


def test_an_instant_that_has_its_run_can_not_be_had_again(org: OrgOf, redis: Redis) -> None:
    job = once(org)
    passes(NOON + HOUR)
    claim = execution.claim(one("SELECT id FROM runs"), worker="w", offered=[TASK], now=NOON + HOUR)
    assert claim
    execution.finish(claim, Outcome(RunState.FAILED), now=NOON + HOUR + SECOND)
    edits.edit(org.admin, job.id, Change(send_at=NOON + 5 * HOUR), now=NOON + HOUR + MINUTE)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, Change(send_at=NOON + HOUR), now=NOON + HOUR + MINUTE)
    assert "has its run already" in refused.value.fields["send_at"][0]
    assert one("SELECT next_run_at FROM jobs") == NOON + 5 * HOUR


def test_a_buffered_run_does_not_starve_when_its_job_comes_to_allow_all(org: OrgOf, redis: Redis) -> None:
    shape = {"type": "interval", "every_seconds": 60}
    job = factories.job(org, TASK, schedule=shape, now=NOON, overlap="buffer_one")
    now = NOON + MINUTE
    passes(now)
    first = execution.claim(one("SELECT id FROM runs"), worker="w", offered=[TASK], now=now)
    passes(now + MINUTE)
    held = one("SELECT id FROM runs WHERE held_by = 'buffer_one'")
    edits.edit(org.admin, job.id, Change(overlap="allow_all"), now=now + MINUTE)
    passes(now + 2 * MINUTE)
    assert first
    execution.finish(first, Outcome(RunState.SUCCEEDED), now=now + 2 * MINUTE)
    passes(now + 2 * MINUTE + SECOND)
    assert one("SELECT held_by FROM runs WHERE id = :id", id=held) is None


def test_a_held_run_of_a_deleted_job_ends_with_its_reason(org: OrgOf, redis: Redis) -> None:
    job = once(org, jitter_seconds=3600)
    passes(NOON + HOUR)
    edits.edit(org.admin, job.id, Change(enabled=False), now=NOON + HOUR + SECOND)
    passes(NOON + 3 * HOUR)
    jobs.delete(org.admin, job.id, now=NOON + 3 * HOUR)
    passes(NOON + 3 * HOUR + SECOND)
    assert states() == [("skipped", "DELETED")]


def test_a_slot_that_is_due_when_its_job_is_deleted_has_its_run(org: OrgOf, redis: Redis) -> None:
    job = once(org)
    jobs.delete(org.admin, job.id, now=NOON + HOUR + SECOND)
    passes(NOON + HOUR + MINUTE)
    (run,) = rows("SELECT id, slot FROM runs")
    assert run.slot == NOON + HOUR
    assert execution.claim(run.id, worker="w", offered=[TASK], now=NOON + HOUR + MINUTE) is None
    assert states() == [("skipped", "DELETED")]


def test_of_two_slots_of_one_pass_the_later_waits_whatever_ids_they_were_given(
    org: OrgOf, redis: Redis
) -> None:
    """Ids that one statement hands out follow the join that Postgres chose, and not the slots."""
    shape = {"type": "interval", "every_seconds": 60}
    factories.job(org, TASK, schedule=shape, now=NOON, overlap="buffer_one", catch_up="all")
    dispatch.dispatch(scheduler="s", now=NOON + 2 * MINUTE)
    lower = "UPDATE runs SET id = '00000000-0000-7000-8000-000000000001' WHERE held_by = 'buffer_one'"
    db.session.execute(text(lower))
    db.session.commit()
    passes(NOON + 2 * MINUTE + SECOND)
    found = [(row.slot, row.held_by) for row in rows("SELECT slot, held_by FROM runs ORDER BY slot")]
    assert found == [(NOON + MINUTE, None), (NOON + 2 * MINUTE, "buffer_one")]


# A message, its click and its slot -----------------------------------------------------------------


def message(org: OrgOf, **fields: Any) -> JobView:
    """A message that goes out in an hour."""
    at = {"type": "once", "at": NOON + HOUR}
    return factories.job(org, SENDS, schedule=at, recipient="ana@x.example", now=NOON, **fields)


def click(org: OrgOf, job: JobView, now: datetime, **fields: Any) -> RunView:
    factories.live_worker(now=now)
    return triggers.send_now(org.admin, job.id, Request(Trigger.MANUAL, **fields), now=now)


def ended(run: RunView, state: RunState, now: datetime, reason: Reason | None = None) -> RunState | None:
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=now)
    assert claim
    return execution.finish(claim, Outcome(state, reason), now=now)


@pytest.mark.parametrize("overlap", ["skip", "allow_all", "buffer_one", "cancel_other"])
def test_a_message_that_is_on_its_way_by_a_click_does_not_go_out_at_its_time_too(
    org: OrgOf, redis: Redis, overlap: str
) -> None:
    job = message(org, overlap=overlap)
    run = click(org, job, NOON + HOUR - SECOND)
    passes(NOON + HOUR)
    shown = jobs.get(org.admin, job.id, now=NOON + HOUR)
    assert shown.status == "scheduled" and shown.active_run and shown.active_run.id == run.id
    assert ended(run, RunState.SUCCEEDED, NOON + HOUR + SECOND) is RunState.SUCCEEDED
    passes(NOON + 2 * HOUR)
    assert states() == [("succeeded", None), ("skipped", "OVERLAP")]
    assert jobs.get(org.admin, job.id, now=NOON + 2 * HOUR).status == "sent"


def test_what_waits_for_its_next_attempt_is_not_called_skipped_when_its_time_comes(
    org: OrgOf, redis: Redis
) -> None:
    at = {"type": "once", "at": NOON + HOUR}
    job = factories.job(org, "tests.tasks.post", schedule=at, recipient="ana@x.example", now=NOON)
    run = click(org, job, NOON + HOUR - SECOND)
    assert ended(run, RunState.FAILED, NOON + HOUR - SECOND, Reason.SEND_FAILED) is RunState.RETRYING
    dispatch.dispatch(scheduler="s", now=NOON + HOUR)
    assert one("SELECT status FROM jobs") == "retrying"
    assert states() == [("retrying", "SEND_FAILED"), ("skipped", "OVERLAP")]


def test_a_dry_run_does_not_keep_a_message_from_going_out_at_its_time(org: OrgOf, redis: Redis) -> None:
    job = factories.job(org, TASK, schedule={"type": "once", "at": NOON + HOUR}, now=NOON)
    dry = click(org, job, NOON + HOUR - SECOND, dry_run=True)
    passes(NOON + HOUR)
    assert states() == [("queued", None), ("queued", None)]
    assert ended(dry, RunState.SUCCEEDED, NOON + HOUR) is RunState.SUCCEEDED
    real = runs.get(org.admin, one("SELECT id FROM runs WHERE NOT dry_run"), now=NOON + HOUR)
    assert ended(real, RunState.SUCCEEDED, NOON + HOUR) is RunState.SUCCEEDED
    assert one("SELECT status FROM jobs") == "sent"


@pytest.mark.parametrize("hand", ["click", "close"])
def test_a_message_that_a_scheduler_is_letting_go_this_moment_is_on_its_way(
    app: APIFlask, org: OrgOf, redis: Redis, hand: str
) -> None:
    """The scheduler has the run and waits for the job; whoever has the job can't take the run back."""
    job = message(org, jitter_seconds=3600)
    passes(NOON + HOUR)
    now = NOON + HOUR + SECOND
    factories.live_worker(now=now)
    with db.engine.connect() as scheduler, pytest.raises(Refused) as refused:
        scheduler.execute(text("SELECT id FROM runs WHERE held_by = 'jitter' FOR UPDATE"))
        if hand == "click":
            triggers.send_now(org.admin, job.id, CLICK, now=now)
        else:
            edits.edit(org.admin, job.id, Change(status=JobStatus.SKIPPED), now=now)
    assert refused.value.reason is Reason.OVERLAP
    assert rows("SELECT held_by, trigger FROM runs") == [("jitter", "schedule")]
    assert one("SELECT status FROM jobs") == "scheduled"


@pytest.mark.parametrize("status", [JobStatus.SENT, JobStatus.SKIPPED])
def test_what_came_due_this_moment_gives_way_to_whoever_says_that_it_is_over(
    org: OrgOf, redis: Redis, status: JobStatus
) -> None:
    job, now = message(org), NOON + HOUR + SECOND
    done = edits.edit(org.admin, job.id, Change(status=status, note="by phone"), now=now)
    assert (done.job.status, done.job.closed_by, done.job.active_run) == (status, org.admin.name, None)
    passes(now + SECOND)
    (run,) = rows("SELECT slot, state, reason_code, reason FROM runs")
    assert tuple(run) == (
        NOON + HOUR,
        "skipped",
        "NOT_DUE",
        f"Its job was marked as {status} before it could start.",
    )
    assert one("SELECT status FROM jobs") == status


def test_a_message_that_is_moved_as_it_comes_due_goes_once_and_the_caution_says_so(
    org: OrgOf, redis: Redis
) -> None:
    job, now = message(org), NOON + HOUR + SECOND
    done = edits.edit(org.admin, job.id, Change(send_at=NOON + 5 * HOUR), now=now)
    assert [caution.text for caution in done.cautions] == [
        "It had come due at its old time already and is on its way; it runs again only if that fails."
    ]
    run = runs.get(org.admin, one("SELECT id FROM runs"), now=now)
    assert ended(run, RunState.SUCCEEDED, now) is RunState.SUCCEEDED
    passes(NOON + 6 * HOUR)
    assert states() == [("succeeded", None)]


def test_a_click_that_came_to_nothing_takes_nothing_from_the_time_to_come(org: OrgOf, redis: Redis) -> None:
    job = once(org)
    factories.live_worker(now=NOON)
    run = triggers.send_now(org.admin, job.id, CLICK, now=NOON)
    claim = execution.claim(run.id, worker="w", offered=[TASK], now=NOON)
    assert claim
    execution.finish(claim, Outcome(RunState.FAILED, Reason.SEND_FAILED), now=NOON + SECOND)
    found = jobs.get(org.admin, job.id, now=NOON + SECOND)
    assert (found.status, found.status_reason) == (JobStatus.SCHEDULED, None)
    assert found.last_run and found.last_run.state is RunState.FAILED
    assert JobStatus.PAUSED in found.choices, "it can still be held back"
    passes(NOON + HOUR)
    assert states() == [("failed", "SEND_FAILED"), ("queued", None)]


@pytest.mark.parametrize("is_paused", [False, True], ids=["spread", "paused"])
def test_what_went_out_at_a_time_that_was_asked_for_is_not_sent_again_when_its_slot_is_let_go(
    org: OrgOf, redis: Redis, is_paused: bool
) -> None:
    """A slot that jitter or a pause holds, and a run that a person asks for meanwhile, are one message."""
    at = {"type": "once", "at": NOON + HOUR}
    job = factories.job(org, "tests.tasks.post", schedule=at, jitter_seconds=3600, now=NOON)
    passes(NOON + HOUR)
    change("UPDATE runs SET start_after = :at", at=NOON + 90 * MINUTE)  # drawn from an id that is random
    if is_paused:
        edits.set_paused(org.admin, job.id, True, note=None, now=NOON + HOUR)
        passes(NOON + 2 * HOUR)
    now = NOON + 2 * HOUR if is_paused else NOON + HOUR
    assert one("SELECT held_by FROM runs") == ("pause" if is_paused else "jitter")
    asked = factories.run(org, job, now=now, start_at=now + SECOND)
    passes(now + SECOND)
    claim = execution.claim(asked.id, worker="w", offered=[job.task], now=now + SECOND)
    assert claim is not None
    execution.finish(claim, Outcome(RunState.SUCCEEDED), now=now + 2 * SECOND)
    passes(NOON + 5 * HOUR)
    assert sorted(states()) == [("skipped", "ALREADY_SENT"), ("succeeded", None)]
    assert one("SELECT status FROM jobs") == "sent"
