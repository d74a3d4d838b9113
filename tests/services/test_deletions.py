"""Delete all: what matches goes at once, what runs stays, and for 24 hours it comes back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from apiflask import APIFlask

from console.core.errors import Forbidden, NotFound, Refused
from console.core.states import Beating, JobStatus, Kind, Role, RunState
from console.services import deletions, dispatch, execution, heartbeats, jobs
from console.services.deletions import CountMoved, DeletionView
from console.services.heartbeats import Beat
from console.services.views import JobFilter
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

ALL = JobFilter(with_settled=True)
HOUR = timedelta(hours=1)
HOURLY = {"type": "interval", "every_seconds": 3600}
DAY = timedelta(hours=24)


def once(at: str = "2030-01-02T18:00:00+00:00") -> dict[str, str]:
    return {"type": "once", "at": at}


def test_all_that_match_go_together_and_come_back_as_they_were(org: OrgOf) -> None:
    kept = factories.job(org, schedule=HOURLY, now=NOON)
    gone = [factories.job(org, schedule=once(), now=NOON) for _ in range(3)]
    other = factories.job(factories.org(), schedule=once(), now=NOON)
    before = rows("SELECT to_jsonb(jobs) - 'changed_at' FROM jobs ORDER BY id")
    wanted = JobFilter(kind=Kind.ONCE)
    assert deletions.foresee(org.admin, wanted) == deletions.Foreseen(3, 0)
    done = deletions.delete_matching(org.admin, wanted, expected=3, now=NOON)
    assert (done.deleted, done.left_running, done.undo_until) == (3, 0, NOON + DAY)
    assert rows("SELECT id FROM jobs WHERE deleted_at IS NULL ORDER BY id") == [(kept.id,), (other.id,)]
    assert rows("SELECT DISTINCT deleted_at, deletion_id FROM jobs WHERE deleted_at IS NOT NULL") == [
        (NOON, done.id)
    ]
    assert rows("SELECT new FROM audit_entries WHERE tag = 'jobs:deleted'") == [
        ({"deleted": 3, "left_running": 0, "filter": {"kind": "once"}},)
    ]
    assert deletions.recent(org.admin, now=NOON + HOUR) == [done]

    assert done.id
    back = deletions.undo(org.admin, done.id, now=NOON + HOUR)
    assert (back.restored, back.undone_by, back.undone_at) == (3, "tests", NOON + HOUR)
    assert rows("SELECT to_jsonb(jobs) - 'changed_at' FROM jobs ORDER BY id") == before
    assert deletions.undo(org.admin, done.id, now=NOON + 2 * HOUR) == back, "twice changes nothing"
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'jobs:restored'") == 1
    assert len(gone) == 3


def test_a_running_job_is_left_and_said_so_and_a_queued_run_of_a_deleted_one_is_skipped(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    runs = {}
    for name in ("running", "queued"):
        job = factories.job(org, name=name, schedule=HOURLY, now=NOON)
        runs[name] = factories.run(org, job, now=NOON)
    offered = ["tests.tasks.succeed"]
    assert execution.claim(runs["running"].id, worker="w", offered=offered, now=NOON)
    assert deletions.foresee(org.admin, ALL) == deletions.Foreseen(2, 1)
    done = deletions.delete_matching(org.admin, ALL, expected=2, now=NOON)
    assert (done.deleted, done.left_running) == (1, 1)
    assert rows("SELECT name FROM jobs WHERE deleted_at IS NULL") == [("running",)]
    assert execution.claim(runs["queued"].id, worker="w", offered=offered, now=NOON) is None
    assert rows("SELECT state, reason_code FROM runs WHERE id = :id", id=runs["queued"].id) == [
        (RunState.SKIPPED, "DELETED")
    ]


def test_another_number_than_the_confirmed_one_deletes_nothing(org: OrgOf) -> None:
    for _ in range(2):
        factories.job(org, now=NOON)
    with pytest.raises(CountMoved) as refused:
        deletions.delete_matching(org.admin, ALL, expected=1, now=NOON)
    assert refused.value.found.matching == 2
    assert "Nothing was deleted" in refused.value.detail
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 2
    assert one("SELECT count(*) FROM deletions") == 0


def test_what_came_due_before_has_its_record_and_what_passed_meanwhile_has_none(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    hourly = factories.job(org, schedule=HOURLY, now=NOON - HOUR)  # due at noon
    message = factories.job(org, schedule=once("2030-01-02T14:00:00+00:00"), now=NOON)
    paused = factories.job(org, schedule=once("2030-01-02T14:00:00+00:00"), paused=True, now=NOON)
    done = deletions.delete_matching(org.admin, ALL, now=NOON)
    assert rows("SELECT job_id, slot, state FROM runs") == [(hourly.id, NOON, "queued")]
    assert dispatch.dispatch(scheduler="s", now=NOON + 3 * HOUR).due == 0

    assert done.id
    deletions.undo(org.admin, done.id, now=NOON + 3 * HOUR)
    after = NOON + 4 * HOUR
    found = {job.id: jobs.get(org.admin, job.id, now=NOON + 3 * HOUR) for job in (hourly, message, paused)}
    assert (found[hourly.id].next_run_at, found[hourly.id].status) == (after, JobStatus.SCHEDULED)
    assert (found[message.id].next_run_at, found[message.id].status) == (None, JobStatus.SKIPPED)
    assert found[message.id].status_reason == "DELETED"
    assert found[paused.id].status is JobStatus.PAUSED
    assert dispatch.dispatch(scheduler="s", now=NOON + 3 * HOUR).due == 0
    assert one("SELECT count(*) FROM runs") == 1, "nothing is run that passed while it was deleted"


def test_a_click_that_a_deletion_cut_short_leaves_the_message_open_for_its_own_time(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    job = factories.job(org, schedule=once("2030-01-02T18:00:00+00:00"), now=NOON)
    run = factories.run(org, job, now=NOON)
    done = deletions.delete_matching(org.admin, ALL, now=NOON)
    assert execution.claim(run.id, worker="w", offered=[run.task], now=NOON) is None
    assert done.id
    deletions.undo(org.admin, done.id, now=NOON + HOUR)
    back = jobs.get(org.admin, job.id, now=NOON + HOUR)
    assert (back.status, back.status_reason) == (JobStatus.SCHEDULED, None)
    assert back.next_run_at == NOON + 6 * HOUR
    assert rows("SELECT state, reason_code FROM runs") == [("skipped", "DELETED")]


def test_what_an_external_cron_had_not_come_to_yet_is_decided_as_its_tick_would(org: OrgOf) -> None:
    heartbeats.beat(Beat(Beating.EXTERNAL_CRON, "cron", "host", 1, NOON), now=NOON)
    at = NOON - timedelta(minutes=5)
    factories.job(org, schedule=once(at.isoformat()), catch_up="none", now=at - HOUR)
    assert deletions.delete_matching(org.admin, ALL, now=NOON).deleted == 1
    assert rows("SELECT slot, state, trigger, requested_by FROM runs") == [
        (at, "queued", "tick", "external cron")
    ]


def test_after_a_day_a_deletion_stands(org: OrgOf) -> None:
    factories.job(org, now=NOON)
    done = deletions.delete_matching(org.admin, ALL, now=NOON)
    assert done.id
    with pytest.raises(Refused, match="24 hours"):
        deletions.undo(org.admin, done.id, now=NOON + DAY + timedelta(seconds=1))
    assert deletions.recent(org.admin, now=NOON + DAY) == []
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 0


def test_a_job_whose_key_is_taken_by_now_stays_deleted(org: OrgOf) -> None:
    for key in ("sweep", "greet"):
        factories.job(org, key=key, now=NOON)
    done = deletions.delete_matching(org.admin, ALL, now=NOON)
    factories.job(org, key="sweep", name="New", now=NOON)
    assert done.id
    assert deletions.undo(org.admin, done.id, now=NOON).restored == 1
    assert rows("SELECT key, name = 'New' FROM jobs WHERE deleted_at IS NULL ORDER BY key") == [
        ("greet", False),
        ("sweep", True),
    ]


def test_a_single_deletion_is_undone_likewise(org: OrgOf) -> None:
    job = factories.job(org, now=NOON)
    jobs.delete(org.admin, job.id, now=NOON)
    (done,) = deletions.recent(org.admin, now=NOON)
    assert (done.deleted, done.filter) == (1, {"job": job.key})
    assert done.id
    deletions.undo(org.admin, done.id, now=NOON)
    assert jobs.get(org.admin, job.id, now=NOON).key == job.key


def test_selected_jobs_are_deleted_and_strangers_are_passed_over(org: OrgOf) -> None:
    mine, other = factories.job(org), factories.job(factories.org())
    done = deletions.delete_selected(org.admin, [mine.id, other.id, uuid4()], now=NOON)
    assert done.deleted == 1
    assert rows("SELECT id FROM jobs WHERE deleted_at IS NULL") == [(other.id,)]
    assert deletions.delete_selected(org.admin, [mine.id], now=NOON).id is None
    assert one("SELECT count(*) FROM deletions") == 1, "a deletion of nothing leaves nothing"


def test_of_two_who_delete_and_undo_at_once_each_job_goes_and_comes_once(app: APIFlask, org: OrgOf) -> None:
    for _ in range(20):
        factories.job(org, now=NOON)

    def delete() -> DeletionView:
        with app.app_context():
            return deletions.delete_matching(org.admin, ALL, now=NOON)

    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(delete) for _ in range(4)]]
    assert sorted(view.deleted for view in done) == [0, 0, 0, 20]
    (real,) = (view.id for view in done if view.id)

    def undo() -> DeletionView:
        with app.app_context():
            return deletions.undo(org.admin, real, now=NOON)

    with ThreadPoolExecutor(4) as pool:
        back = [future.result() for future in [pool.submit(undo) for _ in range(4)]]
    assert {view.restored for view in back} == {20}
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 20
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'jobs:restored'") == 1


def test_neither_viewers_nor_strangers_delete_or_undo(org: OrgOf) -> None:
    factories.job(org, now=NOON)
    viewer, stranger = factories.person(org, Role.VIEWER), factories.org().admin
    with pytest.raises(Forbidden):
        deletions.delete_matching(viewer, ALL, now=NOON)
    assert deletions.delete_matching(stranger, ALL, now=NOON).deleted == 0
    done = deletions.delete_matching(org.admin, ALL, now=NOON)
    assert done.id
    for actor, error in ((viewer, Forbidden), (stranger, NotFound)):
        with pytest.raises(error):
            deletions.undo(actor, done.id, now=NOON)
    assert deletions.recent(stranger, now=NOON) == []
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 0
