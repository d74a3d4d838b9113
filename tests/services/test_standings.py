"""A status by hand: what it needs, what it does to the job and its runs, and how it is taken back."""

from datetime import datetime, timedelta

import pytest

from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, RunState
from console.services import edits, execution, jobs, revisions
from console.services.changes import Change
from console.services.outcomes import Outcome
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

SENDS = "tests.tasks.needs_recipient"
LATER = NOON + timedelta(days=2)


def once(of: OrgOf, at: datetime = LATER, **fields: object) -> JobView:
    given = {"task": SENDS, "recipient": "ana@example.com", **fields}
    return factories.job(of, schedule={"type": "once", "at": at.isoformat()}, now=NOON, **given)  # type: ignore[arg-type]


def become(of: OrgOf, job: JobView, status: str, note: str | None = None) -> JobView:
    change = Change(status=JobStatus(status), note=note)
    return edits.edit(of.admin, job.id, change, now=NOON).job


def stored(job: JobView) -> tuple[object, ...]:
    sql = (
        "SELECT status, status_reason, status_note, closed_by, next_run_at, revision FROM jobs WHERE id = :id"
    )
    return tuple(rows(sql, id=job.id)[0])


def test_marked_as_sent_by_hand_it_is_over_says_by_whom_and_why_and_undo_opens_it_again(org: OrgOf) -> None:
    job = once(org)
    assert [*job.choices] == ["paused", "sent", "skipped"]
    with pytest.raises(Invalid) as refused:
        become(org, job, "sent")
    assert refused.value.fields == {"note": ["say why it counts as sent"]}
    assert stored(job)[-1] == 1
    done = become(org, job, "sent", "she was told on the phone")
    assert (done.status, done.closed_by, done.next_run_at) == ("sent", "tests", None)
    assert stored(job) == ("sent", None, "she was told on the phone", "tests", None, 2)
    assert [*done.choices] == ["scheduled"]

    (shown, _) = revisions.page(org.admin, job.id, now=NOON).revisions
    changes = {change.name: (change.old, change.new) for change in shown.changes}
    assert changes["closed"] == (None, {"status": "sent", "reason_code": None})
    assert (shown.reason, changes["note"]) == (
        "she was told on the phone",
        (None, "she was told on the phone"),
    )
    back = revisions.undo(org.admin, job.id, now=NOON).job
    assert (back.status, back.closed_by, back.next_run_at) == ("scheduled", None, LATER)
    assert stored(job) == ("scheduled", None, None, None, LATER, 3)
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 2


def test_skipped_and_paused_and_scheduled_again_each_is_one_revision(org: OrgOf) -> None:
    job = once(org)
    assert become(org, job, "skipped").next_run_at is None
    assert stored(job)[:4] == ("skipped", None, None, "tests")
    assert become(org, job, "scheduled").next_run_at == LATER
    assert become(org, job, "paused", "wait for photos").status_note == "wait for photos"
    assert become(org, job, "paused").revision == 4  # it is paused already
    assert become(org, job, "sent", "by letter").status == "sent"
    assert revisions.undo(org.admin, job.id, now=NOON).job.status == "paused"
    assert stored(job) == ("paused", "PAUSED", "wait for photos", None, LATER, 6)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("failed", "a job that is scheduled can become paused, sent, skipped"),
        ("blocked", "a job that is scheduled can become paused, sent, skipped"),
        ("retrying", "a job that is scheduled can become paused, sent, skipped"),
    ],
)
def test_a_status_that_only_the_console_gives_is_refused(org: OrgOf, status: str, said: str) -> None:
    job = once(org)
    with pytest.raises(Invalid) as refused:
        become(org, job, status)
    assert refused.value.fields == {"status": [said]}
    assert stored(job)[-1] == 1


def test_what_is_over_is_opened_by_a_new_time_and_by_nothing_else(org: OrgOf) -> None:
    job = once(org)
    become(org, job, "sent", "by letter")
    past = LATER + timedelta(days=1)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, Change(status=JobStatus.SCHEDULED), now=past)
    assert refused.value.fields == {"status": ["a job that is sent can't be changed by hand"]}
    moved = Change(status=JobStatus.SCHEDULED, send_at=past + timedelta(days=1))
    opened = edits.edit(org.admin, job.id, moved, now=past).job
    assert (opened.status, opened.closed_by, opened.status_note) == ("scheduled", None, None)


def test_without_a_recipient_it_is_blocked_and_unblocks_by_itself_when_one_is_filled_in(org: OrgOf) -> None:
    job = once(org, recipient=None)
    assert (job.status, job.status_reason) == ("blocked", Reason.MISSING_RECIPIENT)
    assert [*job.choices] == ["paused", "sent", "skipped"]
    found = edits.edit(org.admin, job.id, Change(recipient="bo@example.com"), now=NOON).job
    assert (found.status, found.status_reason, found.next_run_at) == ("scheduled", None, LATER)
    gone = edits.edit(org.admin, job.id, Change(recipient=""), now=NOON).job
    assert stored(job)[:2] == (gone.status, gone.status_reason) == ("blocked", "MISSING_RECIPIENT")


def test_closing_withdraws_a_held_run_and_waits_for_one_that_has_begun(org: OrgOf) -> None:
    held, begun = once(org), once(org)
    for job in (held, begun):
        factories.run(org, job, now=NOON)
    hold = "UPDATE runs SET held_by = 'jitter', start_after = :at WHERE job_id = :id RETURNING 1"
    assert _write(hold, id=held.id, at=LATER) == 1
    done = become(org, held, "skipped")
    assert (done.active_run, done.status) == (None, "skipped")
    assert rows("SELECT state, reason_code, reason FROM runs WHERE job_id = :id", id=held.id) == [
        ("skipped", "NOT_DUE", "Its job was marked as skipped before it could start.")
    ]
    with pytest.raises(Refused) as refused:
        become(org, begun, "sent", "by letter")
    assert refused.value.reason is Reason.OVERLAP
    assert stored(begun)[-1] == 1
    assert [*jobs.get(org.admin, begun.id, now=NOON).choices] == []


# What a run makes of a status by hand --------------------------------------------------------------


def run_to(of: OrgOf, job: JobView, state: RunState, reason: Reason | None = None, **fields: bool) -> None:
    factories.live_worker(now=NOON)
    run = factories.run(of, job, now=NOON, **fields)
    claim = execution.claim(run.id, worker="w", offered=[SENDS], now=NOON)
    assert claim
    execution.finish(claim, Outcome(state, reason), now=NOON)


@pytest.mark.parametrize("status", ["skipped", "paused", "sent"])
def test_what_a_click_sent_says_nothing_of_the_status_before(org: OrgOf, status: str) -> None:
    job = once(org)
    become(org, job, status, "wait for photos")
    run_to(org, job, RunState.SUCCEEDED, override=status == "sent")
    assert stored(job)[:5] == ("sent", None, None, None, None)
    assert jobs.get(org.admin, job.id, now=NOON).closed is None


def test_what_was_sent_stays_sent_when_it_could_not_be_sent_again(org: OrgOf) -> None:
    job = once(org)
    become(org, job, "sent", "by letter")
    run_to(org, job, RunState.FAILED, Reason.SEND_FAILED, override=True)
    assert stored(job)[:4] == ("sent", None, "by letter", "tests")
    last = jobs.get(org.admin, job.id, now=NOON).last_run
    assert last and (last.state, last.reason_code) == (RunState.FAILED, Reason.SEND_FAILED)
    with pytest.raises(Refused) as refused:
        factories.run(org, job, now=NOON)
    assert refused.value.reason is Reason.ALREADY_SENT


def test_a_skipped_message_that_could_not_be_sent_by_a_click_has_failed_and_nobody_closed_it(
    org: OrgOf,
) -> None:
    job = once(org)
    become(org, job, "skipped")
    run_to(org, job, RunState.FAILED, Reason.SEND_FAILED)
    assert stored(job)[:4] == ("failed", "SEND_FAILED", None, None)


def test_a_paused_message_of_which_nobody_knows_does_not_wait_for_a_time_that_never_comes(org: OrgOf) -> None:
    job = once(org)
    become(org, job, "paused", "wait for photos")
    run_to(org, job, RunState.FAILED, Reason.SEND_FAILED)
    assert stored(job)[:5] == ("paused", "PAUSED", "wait for photos", None, LATER), "nothing went out"
    run_to(org, job, RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN)
    assert stored(job)[:5] == ("failed", "OUTCOME_UNKNOWN", None, None, None)
    assert [*jobs.get(org.admin, job.id, now=NOON).choices] == ["sent", "skipped"]


def _write(sql: str, **values: object) -> object:
    from sqlalchemy import text

    from console.db.session import db

    found = db.session.execute(text(sql), values).scalar_one()
    db.session.commit()
    return found
