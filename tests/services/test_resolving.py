"""A person settles a run whose end nobody knows; job, table and Send now follow."""

import threading
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, Role, RunState
from console.services import edits, execution, jobs, preflights, resolving, runs
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

LATER = NOON + timedelta(minutes=5)
SENDS = "tests.tasks.post"
WHY = "The server never answered."


def once(org: OrgOf, task: str = SENDS) -> JobView:
    """A message that goes out once, in an hour."""
    return factories.job(
        org,
        task,
        schedule={"type": "once", "at": NOON + timedelta(hours=1)},
        recipient="c@x.example",
        now=NOON,
    )


def lost(org: OrgOf, job: JobView) -> RunView:
    """A run of the job that ended as unknown at noon."""
    factories.live_worker(now=NOON)
    run = factories.run(org, job, now=NOON)
    found = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert found is not None
    end = Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, WHY)
    assert execution.finish(found, end, now=NOON) is RunState.UNKNOWN
    return runs.get(org.admin, run.id, now=NOON)


def settle(org: OrgOf, run: RunView, succeeded: bool, note: str | None = None) -> RunView:
    return resolving.resolve(org.admin, run.id, succeeded=succeeded, note=note, now=LATER)


def now_of(org: OrgOf, job: JobView) -> JobView:
    return jobs.get(org.admin, job.id, now=LATER)


def test_an_unknown_message_is_failed_until_somebody_says_that_it_arrived(org: OrgOf) -> None:
    job = once(org)
    run = lost(org, job)
    shown = now_of(org, job)
    assert (shown.status, shown.status_reason) == (JobStatus.FAILED, Reason.OUTCOME_UNKNOWN)
    settled = settle(org, run, True, "  it is in the server's log\n")
    assert (settled.state, settled.reason_code, settled.reason) == (RunState.SUCCEEDED, None, WHY)
    assert settled.resolved and vars(settled.resolved) == {
        "at": LATER,
        "by": org.admin.name,
        "note": "it is in the server's log",
    }
    assert (settled.finished_at, settled.version == run.version) == (NOON, False)
    after = now_of(org, job)
    assert (after.status, after.status_reason, after.next_run_at) == (JobStatus.SENT, None, None)
    assert after.last_run and (after.last_run.state, after.last_run.reason_code) == (RunState.SUCCEEDED, None)
    assert after.last_run.note == f"arrived, says {org.admin.name}: it is in the server's log"
    assert after.version != shown.version
    (entry,) = rows("SELECT old, new, reason, object_id FROM audit_entries WHERE tag = 'run:resolved'")
    assert entry.old == {"state": "unknown", "reason_code": "OUTCOME_UNKNOWN"}
    assert entry.new == {"state": "succeeded", "job_id": str(job.id)}
    assert (entry.reason, entry.object_id) == ("it is in the server's log", str(run.id))
    with pytest.raises(Refused) as again:
        factories.run(org, job, now=LATER)
    assert again.value.reason is Reason.ALREADY_SENT


def test_once_it_is_said_that_it_did_not_arrive_send_now_is_free_again(org: OrgOf) -> None:
    job = once(org)
    run = lost(org, job)
    with pytest.raises(Refused) as waits:
        factories.run(org, job, now=LATER)
    assert waits.value.reason is Reason.OUTCOME_UNKNOWN
    settled = settle(org, run, False, "")
    assert (settled.state, settled.reason_code) == (RunState.FAILED, Reason.OUTCOME_UNKNOWN)
    assert settled.resolved and settled.resolved.note is None
    after = now_of(org, job)
    assert (after.status, after.status_reason) == (JobStatus.SCHEDULED, None)
    assert after.next_run_at == NOON + timedelta(hours=1), "its own time is still to come"
    assert after.last_run and after.last_run.note == f"did not arrive, says {org.admin.name}"
    assert resolving.said(settled) == "Settled: it did not arrive. Send now is free again."
    factories.live_worker(now=LATER)
    assert preflights.preflight(org.admin, job.id, now=LATER).refusal is None
    assert factories.run(org, job, now=LATER).state is RunState.QUEUED


def test_one_that_did_not_arrive_and_whose_time_has_passed_has_failed(org: OrgOf) -> None:
    job = once(org)
    run = lost(org, job)
    resolving.resolve(org.admin, run.id, succeeded=False, note=None, now=NOON + timedelta(hours=2))
    after = jobs.get(org.admin, job.id, now=NOON + timedelta(hours=2))
    assert (after.status, after.status_reason, after.next_run_at) == (JobStatus.FAILED, None, None)


def test_a_recurring_job_goes_on_whatever_is_said_of_one_run(org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 3600}, now=NOON)
    run = lost(org, job)
    assert resolving.said(settle(org, run, True)) == "Settled: it happened."
    after = now_of(org, job)
    assert (after.status, after.next_run_at) == (JobStatus.SCHEDULED, job.next_run_at)
    assert after.last_run and after.last_run.state is RunState.SUCCEEDED


def test_a_run_that_is_not_the_job_s_last_settles_itself_alone(org: OrgOf) -> None:
    job = factories.job(org)
    first, second = lost(org, job), lost(org, job)
    settle(org, first, True)
    assert one("SELECT state FROM runs WHERE id = :id", id=first.id) == "succeeded"
    last = now_of(org, job).last_run
    assert last and (last.id, last.state) == (second.id, RunState.UNKNOWN)


def test_one_that_arrived_is_sent_although_it_could_not_be_sent_again_meanwhile(org: OrgOf) -> None:
    job = once(org)
    run = lost(org, job)
    again = factories.run(org, job, now=NOON, override=True)
    found = execution.claim(again.id, worker="w", offered=[again.task], now=NOON)
    assert found
    failed = Outcome(RunState.FAILED, Reason.SEND_FAILED, may_retry=False)
    execution.finish(found, failed, now=NOON)
    assert now_of(org, job).status is JobStatus.FAILED
    settle(org, run, True)
    after = now_of(org, job)
    assert after.status is JobStatus.SENT
    assert after.last_run and (after.last_run.id, after.last_run.state) == (again.id, RunState.FAILED)
    with pytest.raises(Refused) as refused:
        factories.run(org, job, now=LATER)
    assert refused.value.reason is Reason.ALREADY_SENT


def test_a_message_that_somebody_has_put_on_the_schedule_again_stays_there(org: OrgOf) -> None:
    job = once(org)
    run = lost(org, job)
    change("UPDATE jobs SET status = 'scheduled', next_run_at = :at", at=job.next_run_at)
    settle(org, run, True)
    after = now_of(org, job)
    assert (after.status, after.next_run_at) == (JobStatus.SCHEDULED, job.next_run_at)


def test_a_paused_message_that_arrived_is_sent(org: OrgOf) -> None:
    job = once(org)
    edits.set_paused(org.admin, job.id, True, note=None, seen=None, now=NOON)
    settle(org, lost(org, job), True)
    assert now_of(org, job).status is JobStatus.SENT


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.UNKNOWN])
def test_a_run_that_is_not_unknown_is_not_settled(org: OrgOf, state: RunState) -> None:
    run = factories.run(org, factories.job(org), now=NOON)
    change(f"UPDATE runs SET state = '{state}'")  # noqa: S608
    with pytest.raises(Refused, match=f"is {state}.*Nothing was changed") as refused:
        settle(org, run, True)
    assert refused.value.status == 409
    assert rows("SELECT state, resolved_at FROM runs") == [(state, None)]
    assert rows("SELECT 1 FROM audit_entries WHERE tag = 'run:resolved'") == []


def test_who_may_settle_and_with_which_note(org: OrgOf) -> None:
    run = lost(org, factories.job(org))
    with pytest.raises(Forbidden):
        resolving.resolve(replace(org.admin, role=Role.VIEWER), run.id, succeeded=True, note=None, now=LATER)
    with pytest.raises(NotFound):
        settle(factories.org(), run, True)
    with pytest.raises(Invalid) as invalid:
        settle(org, run, True, "x" * 501)
    assert list(invalid.value.fields) == ["note"]
    assert one("SELECT state FROM runs") == "unknown"
    by_operator = factories.person(org)
    done = resolving.resolve(by_operator, run.id, succeeded=True, note="x\x00" + "y" * 498, now=LATER)
    assert done.resolved and (done.resolved.by, len(done.resolved.note or "")) == (by_operator.name, 500)


def test_of_two_people_at_once_one_settles_it_and_the_other_is_told(app: APIFlask, org: OrgOf) -> None:
    run = lost(org, once(org))
    people = {name: replace(org.admin, name=name) for name in ("Ada", "Ben")}
    start, said = threading.Barrier(2), dict[str, RunView | Refused]()

    def answer(name: str, run_id: UUID, succeeded: bool) -> None:
        with app.app_context():
            start.wait()
            try:
                said[name] = resolving.resolve(
                    people[name], run_id, succeeded=succeeded, note=None, now=LATER
                )
            except Refused as refused:
                said[name] = refused

    both = [threading.Thread(target=answer, args=(name, run.id, name == "Ada")) for name in people]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    ((winner, view),) = [(name, got) for name, got in said.items() if isinstance(got, RunView)]
    ((_, refusal),) = [(name, got) for name, got in said.items() if isinstance(got, Refused)]
    assert refusal.detail.startswith(f"{winner} has settled this run already: it is {view.state}.")
    assert rows("SELECT state, resolved_by FROM runs") == [(view.state, winner)]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:resolved'") == 1


def test_the_page_asks_only_about_an_unknown_run_and_in_the_task_s_own_words(org: OrgOf) -> None:
    message, other = lost(org, once(org)), lost(org, factories.job(org))
    asked, simple = resolving.question(message, None), resolving.question(other, None)
    assert asked and (asked.text, asked.yes) == ("Did the message arrive?", "Yes, it arrived")
    assert asked.message_id and asked.message_id.startswith(f"<{message.id}@")
    assert simple and (simple.text, simple.message_id) == ("Did it happen?", None)
    assert resolving.question(settle(org, message, True), None) is None
