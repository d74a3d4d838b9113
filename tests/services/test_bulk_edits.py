"""One edit of many jobs: what can't take it is left and named, the rest is changed."""

from datetime import timedelta

import pytest

from console.core.errors import Forbidden, Invalid
from console.core.reasons import Reason
from console.core.states import Kind, Role
from console.services import bulk_edits, jobs
from console.services.bulk_edits import Action, Wish
from console.services.views import JobFilter
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

SEVEN = {"type": "daily", "hour": 7, "minute": 0}


def test_selected_jobs_are_shifted_and_those_that_can_not_be_are_named(org: OrgOf) -> None:
    daily = factories.job(org, name="Daily", schedule=SEVEN, now=NOON)
    hourly = factories.job(org, name="Hourly", schedule={"type": "interval", "every_seconds": 3600}, now=NOON)
    other = factories.job(factories.org(), schedule=SEVEN, now=NOON)
    wish = Wish(Action.SHIFT, minutes=-75, reason="before the rush")
    done = bulk_edits.change_selected(org.admin, [daily.id, hourly.id, other.id], wish, now=NOON)
    assert (done.changed, done.unchanged, done.left) == (1, 0, 2)
    assert [(left.name, left.reason) for left in done.named] == [
        ("Hourly", Reason.INVALID_SCHEDULE),
        (str(other.id), None),
    ]
    assert jobs.get(org.admin, daily.id, now=NOON).schedule == {"type": "daily", "hour": 5, "minute": 45}
    assert rows("SELECT job_id, reason FROM job_revisions WHERE revision = 2") == [
        (daily.id, "before the rush")
    ]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 1
    assert one("SELECT schedule FROM jobs WHERE id = :id", id=other.id) == SEVEN


def test_all_that_match_a_filter_are_disabled_in_batches_and_again_is_no_change(
    org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_edits, "BATCH", 2)
    for number in range(5):
        factories.job(org, name=f"Daily {number}", schedule=SEVEN, now=NOON)
    factories.job(org, now=NOON)
    wanted, wish = JobFilter(kind=Kind.CRON), Wish(Action.DISABLE, reason="holiday")
    assert bulk_edits.change_matching(org.admin, wanted, wish, now=NOON).changed == 5
    assert rows("SELECT status, status_note, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1") == [
        ("paused", "holiday", 5),
        ("scheduled", None, 1),
    ]
    again = bulk_edits.change_matching(org.admin, wanted, wish, now=NOON)
    assert (again.changed, again.unchanged) == (0, 5)
    assert bulk_edits.count(org.admin, wanted) == 5


def test_a_zone_for_all_moves_their_next_runs(org: OrgOf) -> None:
    job = factories.job(org, schedule=SEVEN, now=NOON)
    wish = Wish(Action.SET_ZONE, timezone="Asia/Tokyo")
    bulk_edits.change_selected(org.admin, [job.id], wish, now=NOON)
    moved = jobs.get(org.admin, job.id, now=NOON)
    assert job.next_run_at
    assert (moved.timezone, moved.next_run_at) == ("Asia/Tokyo", job.next_run_at - timedelta(hours=9))


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(Action.SHIFT), "minutes"),
        (Wish(Action.SHIFT, minutes=99999), "minutes"),
        (Wish(Action.SET_ZONE, timezone="Mars"), "timezone"),
    ],
)
def test_a_wish_that_makes_no_sense_changes_no_job(org: OrgOf, wish: Wish, field: str) -> None:
    job = factories.job(org, schedule=SEVEN, now=NOON)
    with pytest.raises(Invalid) as refused:
        bulk_edits.change_selected(org.admin, [job.id], wish, now=NOON)
    assert list(refused.value.fields) == [field]
    with pytest.raises(Invalid) as nothing:
        bulk_edits.change_selected(org.admin, [], Wish(Action.ENABLE), now=NOON)
    assert list(nothing.value.fields) == ["selected"]
    with pytest.raises(Forbidden):
        bulk_edits.change_selected(factories.person(org, Role.VIEWER), [job.id], wish, now=NOON)
    assert one("SELECT revision FROM jobs") == 1
