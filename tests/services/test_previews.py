"""A preview says what the scheduler will do, and what gives pause."""

from datetime import timedelta

import pytest

from console.core.errors import Invalid, NotFound
from console.core.reasons import Reason
from console.services import dispatch, edits, previews
from console.services.changes import Change
from tests import factories
from tests.factories import NOON, OrgOf, rows


def test_the_preview_equals_what_the_scheduler_then_does(org: OrgOf) -> None:
    shape = {"type": "cron", "cron": "30 2 * * *"}
    job = factories.job(org, now=NOON)
    now = NOON + timedelta(days=65)  # two days before New York's clocks go forward in 2030
    seen = previews.preview(org.admin, shape, "America/New_York", job_id=job.id, now=now)
    edits.edit(org.admin, job.id, Change(schedule=shape, timezone="America/New_York"), now=now)
    assert previews.upcoming(org.admin, job.id) == seen.slots
    for slot in seen.slots:
        dispatch.dispatch(scheduler="s", now=slot.at)
    assert [row.slot for row in rows("SELECT slot FROM runs ORDER BY slot")] == [
        slot.at for slot in seen.slots
    ]
    assert "shifted" in [slot.mark for slot in seen.slots]


def test_a_preview_of_what_the_job_has_goes_on_where_it_stands(org: OrgOf) -> None:
    shape = {"type": "interval", "every_seconds": 3600}
    job = factories.job(org, schedule=shape, now=NOON)
    seen = previews.preview(org.admin, shape, "UTC", job_id=job.id, now=NOON + timedelta(minutes=20))
    assert seen.slots[0].at == job.next_run_at == NOON + timedelta(hours=1)
    other = previews.preview(org.admin, shape, "UTC", now=NOON + timedelta(minutes=20))
    assert other.slots[0].at == NOON + timedelta(hours=1, minutes=20)


def test_a_preview_has_words_and_a_form(org: OrgOf) -> None:
    seen = previews.preview(org.admin, {"type": "cron", "cron": "15 9 * * *"}, "UTC", now=NOON)
    assert (seen.form.type, seen.form.hour, seen.form.minute) == ("daily", 9, 15)
    assert "09:15" in seen.text
    assert len(seen.slots) == 5


def test_twins_are_seen_whatever_the_shape_of_their_schedules(org: OrgOf) -> None:
    mine = factories.job(org, now=NOON)
    at_two = NOON + timedelta(hours=2)
    factories.job(org, name="Interval", schedule={"type": "interval", "every_seconds": 3600}, now=NOON)
    seen = previews.preview(
        org.admin, {"type": "once", "at": at_two.isoformat()}, "UTC", job_id=mine.id, now=NOON
    )
    assert [caution.code for caution in seen.cautions] == ["SAME_MINUTE"]
    assert "Interval" in seen.cautions[0].text
    free = previews.preview(
        org.admin,
        {"type": "once", "at": (at_two + timedelta(minutes=1)).isoformat()},
        "UTC",
        job_id=mine.id,
        now=NOON,
    )
    assert free.cautions == []


def test_a_preview_refuses_what_a_save_would_refuse(org: OrgOf) -> None:
    past = {"type": "once", "at": "2020-01-01T00:00:00+00:00"}
    with pytest.raises(Invalid) as refused:
        previews.preview(org.admin, past, "UTC", now=NOON)
    assert refused.value.reason is Reason.IN_THE_PAST
    with pytest.raises(Invalid):
        previews.preview(org.admin, {"type": "manual"}, "Mars", now=NOON)
    job = factories.job(factories.org(), now=NOON)
    with pytest.raises(NotFound):
        previews.preview(org.admin, {"type": "manual"}, "UTC", job_id=job.id, now=NOON)
    with pytest.raises(Invalid) as many:
        previews.upcoming(org.admin, factories.job(org, now=NOON).id, count=401)
    assert list(many.value.fields) == ["count"]
