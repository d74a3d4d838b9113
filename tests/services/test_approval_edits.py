"""A request outlives an edit of when its job runs by itself, and no edit of what it would run."""

from datetime import timedelta

import pytest

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import ApprovalState, JobStatus, Role, Trigger
from console.plugins.messages import events
from console.plugins.messages.event_shape import EventChange
from console.services import approvals, approving, edits, guarding, revisions, triggers
from console.services.approvals import ApprovalRequested
from console.services.changes import Change
from console.services.run_requests import Request
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import change

DAILY = {"type": "interval", "every_seconds": 86400}  # due tomorrow, at whatever hour this runs
LATER = {"type": "weekly", "weekday": 1, "hour": 9, "minute": 15}
CLICK = Request(Trigger.MANUAL)


@pytest.fixture
def ann(org: OrgOf) -> Actor:
    """She asks."""
    return factories.person(org, email="ann@example.com")


@pytest.fixture
def bob(org: OrgOf) -> Actor:
    """He may decide."""
    return factories.person(org, Role.ADMIN, "bob@example.com")


def test_what_changes_nothing_of_the_run_leaves_the_request_to_be_approved_and_is_shown(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job = factories.job(org, "tests.tasks.critical", schedule=DAILY, timezone="Europe/Berlin")
    asked = factories.approval(org, job, actor=ann)
    guarding.set_guard(org.admin, job.id, True, now=utc_now())
    edits.set_paused(bob, job.id, True, note="not this week", now=utc_now())
    edits.set_paused(bob, job.id, False, note=None, now=utc_now())
    moved = Change(schedule=LATER, overlap="allow_all", catch_up="none", jitter_seconds=9)
    edits.edit(bob, job.id, moved, now=utc_now())

    seen = approvals.get(bob, asked.id, now=utc_now())
    assert (seen.revision, seen.present_revision, seen.is_edited, seen.is_stale) == (1, 4, True, False)
    assert {item.name for item in seen.changes or ()} == {
        *("schedule", "overlap", "catch_up", "jitter_seconds")
    }
    assert approving.foresee(bob, asked.id, now=utc_now())[1] is None
    # Who asks for the same meanwhile is shown this one: there is one thing to decide on, and one run.
    with pytest.raises(ApprovalRequested) as again:
        triggers.send_now(bob, job.id, CLICK, now=utc_now())
    assert again.value.approval.id == asked.id and one("SELECT count(*) FROM approvals") == 1

    done = approving.approve(bob, asked.id, now=utc_now())
    assert done.state is ApprovalState.APPROVED
    assert rows("SELECT id, task, revision, args FROM runs") == [(done.run_id, job.task, 4, {})]


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (Change(name="Another"), "another name"),
        (Change(recipient="eve@example.com", enabled=False), "another recipient"),
        (Change(args={"size": 7}), "another set of arguments"),
        # A report is of the days of this zone, and says its times in it.
        (Change(timezone="Asia/Tokyo", schedule=LATER), "another time zone"),
    ],
)
def test_what_changes_the_run_refuses_it_until_it_is_taken_back(
    org: OrgOf, ann: Actor, bob: Actor, edit: Change, named: str
) -> None:
    job = factories.job(org, "tests.tasks.log_much", schedule=DAILY, args={"size": 5})
    asked = factories.approval(org, job, actor=ann)
    edits.edit(bob, job.id, edit, now=utc_now())
    assert approvals.get(bob, asked.id, now=utc_now()).is_stale
    with pytest.raises(Refused) as caught:
        approving.approve(bob, asked.id, now=utc_now())
    assert caught.value.reason is Reason.STALE_REVISION
    assert f"asked for of r1, and the job is at r2, with {named}. Reject it" in caught.value.detail
    assert rows("SELECT state, run_id FROM approvals") == [("pending", None)]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:refused'") == 1

    revisions.undo(bob, job.id, now=utc_now())
    seen = approvals.get(bob, asked.id, now=utc_now())
    assert (seen.present_revision, seen.is_stale, list(seen.changes or ())) == (3, False, [])
    assert approving.approve(bob, asked.id, now=utc_now()).run_id == one("SELECT id FROM runs")


def test_one_whose_revision_has_no_record_is_not_taken_for_the_same(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job = factories.job(org, "tests.tasks.critical", schedule=DAILY)
    asked = factories.approval(org, job, actor=ann)
    edits.set_paused(bob, job.id, True, note=None, now=utc_now())
    change("DELETE FROM job_revisions WHERE revision = 1")
    seen = approvals.get(bob, asked.id, now=utc_now())
    assert seen.is_stale and seen.changes is None
    with pytest.raises(Refused, match=r"the job is at r2\. Reject it"):
        approving.approve(bob, asked.id, now=utc_now())
    assert one("SELECT count(*) FROM runs") == 0


def test_a_message_that_says_something_else_since_its_event_moved_is_not_the_one_that_was_asked_for(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    now = utc_now()
    event = factories.event(org, now=now)
    ids = "SELECT id FROM jobs WHERE subject_id = :id AND message_type = 'REMINDER' LIMIT 1"
    job_id = one(ids, id=event.id)
    guarding.set_guard(org.admin, job_id, True, now=now)
    with pytest.raises(ApprovalRequested) as caught:
        triggers.send_now(ann, job_id, CLICK, now=now)
    asked = caught.value.approval
    edits.edit(bob, job_id, Change(status=JobStatus.PAUSED), now=now)
    edits.edit(bob, job_id, Change(status=JobStatus.SCHEDULED), now=now)
    assert approving.foresee(bob, asked.id, now=now)[1] is None

    events.edit(bob, event.id, EventChange(starts_at=now + timedelta(days=60)), now=now)
    found, against = approving.foresee(bob, asked.id, now=now)
    assert found.message != asked.shown.message and "the job is at r" in (against or "")
    with pytest.raises(Refused) as refused:
        approving.approve(bob, asked.id, now=now)
    assert refused.value.reason is Reason.STALE_REVISION
    assert rows("SELECT state FROM approvals") == [("pending",)] and one("SELECT count(*) FROM runs") == 0
    with pytest.raises(ApprovalRequested) as again:  # it stands in nobody's way
        triggers.send_now(ann, job_id, CLICK, now=now)
    assert again.value.approval.id != asked.id
