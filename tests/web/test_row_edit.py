"""The time and the status of a job, edited in its row: what it says, what it refuses, and who wins."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import Role
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words
from tests.web.editing import Form

SUNDAY = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
THURSDAY = "2026-11-26T09:00:00+00:00"
BERLIN = "Europe/Berlin"
SENDS = "tests.tasks.needs_recipient"


@pytest.fixture(autouse=True)
def _on_sunday() -> Any:
    with time_machine.travel(SUNDAY, tick=False):
        yield


@pytest.fixture
def message(org: OrgOf) -> JobView:
    schedule = {"type": "once", "at": THURSDAY}
    return factories.job(
        org, SENDS, name="Hamlet · Reminder", schedule=schedule, timezone=BERLIN, recipient="ana@example.com"
    )


def cell(answer: TestResponse) -> Form:
    """The fields of the editor in the row."""
    assert answer.status_code in (200, 422), answer.text
    found = Form()
    found.feed(answer.text[answer.text.index('id="cell-') :].partition("</section>")[0])
    return found


def opened(visitor: Visitor, job: JobView, what: str) -> dict[str, str]:
    """What the form holds, but for the token, which is the visitor's own."""
    held = cell(visitor.get(f"/fragments/jobs/{job.id}/{what}?region=row")).values
    return {name: value for name, value in held.items() if name != "csrf_token"}


def save(visitor: Visitor, job: JobView, what: str, fields: dict[str, str], **kwargs: Any) -> TestResponse:
    return visitor.post(f"/jobs/{job.id}/{what}", fields, htmx=True, **kwargs)


def row(answer: TestResponse, job: JobView) -> str:
    return words(part(answer, f"job-{job.id}"))


def stored(job: JobView) -> Any:
    (found,) = rows("SELECT next_run_at, status, status_note, revision FROM jobs WHERE id = :id", id=job.id)
    return tuple(found)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# The time -----------------------------------------------------------------------------------------


def test_the_time_is_a_button_whose_form_has_the_jobs_own_zone_and_the_row_says_when_it_goes_out(
    operator: Visitor, message: JobView
) -> None:
    shown = part(operator.get("/"), f"job-{message.id}")
    assert f'id="job-{message.id}-time"' in shown and "Thu 26 Nov 09:00" in words(shown)
    form = operator.get(f"/fragments/jobs/{message.id}/time?region=row")
    fields = cell(form).values
    assert (fields["at"], fields["timezone"], fields["revision"]) == ("2026-11-26T10:00", BERLIN, "1")
    assert 'min="2026-11-22T09:55"' in form.text and cell(form).focused == "at"
    answer = save(operator, message, "time", fields | {"at": "2026-11-27T10:00"})
    assert stored(message) == (at("2026-11-27T09:00"), "scheduled", None, 2)
    assert answer.headers["HX-Retarget"] == f"#job-{message.id}"
    events = json.loads(answer.headers["HX-Trigger-After-Settle"])
    assert events["schedule-saved"]["opener"] == f"job-{message.id}-time"
    assert "saved r2, goes out Fri 27 Nov 10:00 Europe/Berlin (in 5 days)" in row(answer, message)
    assert f'hx-post="/jobs/{message.id}/undo"' in answer.text
    polled = operator.get(f"/fragments/jobs/table?awaited={message.id}")
    assert "saved r2, goes out Fri 27 Nov 10:00 Europe/Berlin (in 5 days)" in row(polled, message)
    assert "goes out" not in row(operator.get("/fragments/jobs/table"), message)


def test_a_day_that_a_rule_is_against_is_saved_with_a_warning(operator: Visitor, org: OrgOf) -> None:
    schedule = {"type": "once", "at": THURSDAY}
    job = factories.job(org, "tests.tasks.weekdays_only", schedule=schedule)
    saturday = opened(operator, job, "time") | {"at": "2026-11-28T10:00"}
    answer = save(operator, job, "time", saturday)
    assert stored(job)[0] == at("2026-11-28T10:00")
    warning = "As things stand it would be skipped then: "
    assert warning in row(answer, job) and warning in words(part(answer, "notices"))
    assert warning in row(operator.get(f"/fragments/jobs/table?awaited={job.id}"), job)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"at": "2026-11-22T09:50"}, "Lies more than 5 minutes in the past"),
        ({"at": "2027-03-28T02:30"}, "02:30 doesn't exist on 28 March 2027"),
        ({"at": ""}, "Choose a date and a time"),
        ({"at": "2026-02-31T10:00"}, "There is no such date"),
        ({"at": "2027-10-31T02:30"}, "02:30 comes twice on this day"),
    ],
)
def test_a_time_that_can_not_be_is_refused_beside_the_field_which_keeps_it(
    operator: Visitor, message: JobView, typed: dict[str, str], said: str
) -> None:
    answer = save(operator, message, "time", opened(operator, message, "time") | typed)
    assert answer.status_code == 422
    assert said in words(part(answer, f"cell-{message.id}-at-error"))
    form = cell(answer)
    assert (form.values["at"], form.invalid, form.focused) == (typed["at"], ["at"], "at")
    assert stored(message)[3] == 1


def test_of_two_equal_times_the_one_is_saved_that_was_chosen_and_grace_is_five_minutes(
    operator: Visitor, message: JobView
) -> None:
    twice = opened(operator, message, "time") | {"at": "2027-10-31T02:30"}
    asked = save(operator, message, "time", twice)
    assert cell(asked).values["fold"] == "0" and "the second time, UTC+01:00" in words(asked)
    save(operator, message, "time", twice | {"fold": "1"})
    assert stored(message)[0] == at("2027-10-31T01:30")
    assert cell(operator.get(f"/jobs/{message.id}/time")).values["fold"] == "1"
    just = opened(operator, message, "time") | {"at": "2026-11-22T09:56"}
    assert save(operator, message, "time", just).status_code == 200
    assert stored(message)[0] == at("2026-11-22T08:56")


def test_enter_without_a_change_makes_no_revision_and_seconds_are_not_lost(
    operator: Visitor, org: OrgOf
) -> None:
    exact = "2026-11-26T09:00:07.123456+00:00"
    job = factories.job(org, SENDS, schedule={"type": "once", "at": exact}, recipient="a@example.com")
    answer = save(operator, job, "time", opened(operator, job, "time"))
    assert "Nothing to change: r1 says this already." in words(part(answer, "notices"))
    assert stored(job)[0] == datetime.fromisoformat(exact) and stored(job)[3] == 1


def test_a_new_time_opens_what_was_skipped_whose_old_one_is_struck_through(
    operator: Visitor, org: OrgOf, message: JobView
) -> None:
    edits.edit(org.admin, message.id, Change(status="skipped"), now=utc_now())  # type: ignore[arg-type]
    shown = part(operator.get("/"), f"job-{message.id}")
    assert "<s>" in shown and "Thu 26 Nov 09:00" in words(shown) and "Skipped" in words(shown)
    form = operator.get(f"/fragments/jobs/{message.id}/time?region=row")
    assert "a new time opens it again" in words(form)
    save(operator, message, "time", cell(form).values | {"at": "2026-11-27T10:00"})
    assert stored(message) == (at("2026-11-27T09:00"), "scheduled", None, 3)


# The status ---------------------------------------------------------------------------------------


def test_sent_by_hand_needs_a_reason_and_the_row_says_by_whom_and_why(
    operator: Visitor, message: JobView
) -> None:
    form = operator.get(f"/fragments/jobs/{message.id}/status?region=row")
    assert [option in form.text for option in ('value="paused"', 'value="sent"', 'value="skipped"')] == [
        True
    ] * 3
    assert 'value="scheduled"' not in form.text and 'value="failed"' not in form.text
    fields = cell(form).values | {"status": "sent"}
    refused = save(operator, message, "status", fields)
    assert refused.status_code == 422
    assert words(part(refused, f"cell-{message.id}-note-error")) == "Say why it counts as sent"
    assert (cell(refused).values["status"], cell(refused).focused) == ("sent", "note")
    answer = save(operator, message, "status", fields | {"note": "told on the phone"})
    said = row(answer, message)
    assert (
        f"Sent change the status of Hamlet · Reminder marked by {operator.actor.name}: “told on the phone”"
        in said
    )
    assert stored(message) == (None, "sent", "told on the phone", 2)
    assert "Marked as sent by hand: nothing goes out by itself." in words(part(answer, "notices"))
    history = words(operator.get(f"/jobs/{message.id}"))
    assert "marked as sent by hand" in history and "told on the phone" in history
    undone = operator.post(f"/jobs/{message.id}/undo", {"revision": "2", "region": "row"}, htmx=True)
    assert undone.status_code == 200 and stored(message)[:2] == (at("2026-11-26T09:00"), "scheduled")


def test_a_recurring_job_can_be_paused_and_a_status_that_can_not_be_had_is_refused(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule={"type": "daily", "hour": 9, "minute": 0})
    fields = opened(operator, job, "status")
    assert fields["status"] == "paused"
    for wanted, said in (
        ("sent", "A job that is scheduled can become paused"),
        ("x", "Choose one of the list"),
    ):
        refused = save(operator, job, "status", fields | {"status": wanted, "note": "kept"})
        assert refused.status_code == 422 and cell(refused).values["note"] == "kept"
        assert words(part(refused, f"cell-{job.id}-status-error")) == said
    answer = save(operator, job, "status", fields | {"note": "holiday"})
    assert "Paused" in row(answer, job) and "“holiday”" in row(answer, job)
    assert stored(job)[1:3] == ("paused", "holiday")
    hint = words(operator.get(f"/jobs/{job.id}/time"))
    assert "Only a job that runs once has a time of its own; this one is recurring. Edit its schedule" in hint


def test_while_a_run_is_on_its_way_there_is_nothing_to_set(
    operator: Visitor, org: OrgOf, message: JobView
) -> None:
    factories.run(org, message)
    shown = part(operator.get("/"), f"job-{message.id}")
    assert f"job-{message.id}-time" not in shown and f"job-{message.id}-status" not in shown
    assert "A run of it is on its way" in words(operator.get(f"/jobs/{message.id}/status"))
    change("UPDATE jobs SET active_run_id = NULL, status = 'sent', next_run_at = NULL")
    assert "It is over (sent). A new time opens it again." in words(
        operator.get(f"/jobs/{message.id}/status")
    )


# Two at once --------------------------------------------------------------------------------------


def test_a_stale_time_shows_theirs_and_mine_in_the_row_and_either_can_be_had(
    operator: Visitor, org: OrgOf, message: JobView
) -> None:
    mine = opened(operator, message, "time") | {"at": "2026-11-27T10:00"}
    theirs = at("2026-11-30T09:00")
    edits.edit(org.admin, message.id, Change(send_at=theirs), now=utc_now())
    answer = save(operator, message, "time", mine)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == f"#job-{message.id}-editing"
    said = words(part(answer, f"editor-{message.id}"))
    assert "tests saved r2 of Hamlet · Reminder while you were editing r1" in said
    assert "once on Mon 30 Nov 2026 at 10:00" in said and "once on Fri 27 Nov 2026 at 10:00" in said
    assert "Save both" not in said and "Keep theirs" in said
    assert stored(message)[::3] == (theirs, 2)
    settled = {
        "at": mine["at"],
        "fold": "",
        "timezone": BERLIN,
        "revision": "2",
        "base": "1",
        "settle": "mine",
    }
    edits.edit(org.admin, message.id, Change(name="Hamlet"), now=utc_now())
    again = save(operator, message, "time", settled | {"region": "row"})
    assert again.status_code == 409 and "saved r3 of Hamlet while you were editing r1" in words(again)
    done = save(operator, message, "time", settled | {"revision": "3", "region": "row"})
    assert done.status_code == 200 and "saved r4" in row(done, message)
    assert stored(message)[::3] == (at("2026-11-27T09:00"), 4)
    assert one("SELECT name FROM jobs WHERE id = :id", id=message.id) == "Hamlet"


def test_a_stale_status_that_fits_together_is_saved_with_theirs_and_the_same_wish_is_no_conflict(
    operator: Visitor, org: OrgOf, message: JobView
) -> None:
    mine = opened(operator, message, "status") | {"status": "skipped", "note": "cancelled"}
    edits.edit(org.admin, message.id, Change(name="Hamlet"), now=utc_now())
    said = words(part(save(operator, message, "status", mine), f"editor-{message.id}"))
    assert "You changed different things, so both fit together" in said
    assert "marked as skipped by hand" in said and "Save mine over theirs" not in said
    answer = save(operator, message, "status", mine | {"revision": "2", "base": "1", "settle": "both"})
    assert answer.status_code == 200 and stored(message)[1:] == ("skipped", "cancelled", 3)
    late = save(operator, message, "status", mine | {"revision": "2"})
    assert late.status_code == 200 and "Nothing to change: r3 says this already." in words(late)


# Without a script, and for whom -------------------------------------------------------------------


def test_without_a_script_it_is_a_page_of_its_own_and_leads_to_the_job(
    operator: Visitor, org: OrgOf, message: JobView
) -> None:
    form = cell(operator.get(f"/jobs/{message.id}/time"))
    stale = operator.post(f"/jobs/{message.id}/time", form.values | {"at": "2020-01-01T10:00"})
    assert (
        stale.status_code == 422 and "<html" in stale.text and cell(stale).values["at"] == "2020-01-01T10:00"
    )
    done = operator.post(f"/jobs/{message.id}/time", form.values | {"at": "2026-11-27T10:00"})
    assert (done.status_code, done.location) == (303, f"/jobs/{message.id}")
    assert "Saved r2. Next run: Fri 27 Nov 10:00 Europe/Berlin" in words(operator.get(done.location))
    conflict = operator.post(f"/jobs/{message.id}/time", form.values | {"at": "2026-11-28T10:00"})
    assert conflict.status_code == 409 and "<html" in conflict.text and "Keep theirs" in words(conflict)
    assert f'action="/jobs/{message.id}/time"' in conflict.text
    paused = cell(operator.get(f"/jobs/{message.id}/status")).values | {"note": "later"}
    assert operator.post(f"/jobs/{message.id}/status", paused).status_code == 303
    assert stored(message)[1:] == ("paused", "later", 3)


def test_a_viewer_sees_no_editor_and_saves_nothing(
    app: APIFlask, org: OrgOf, viewer: Visitor, stranger: Visitor, message: JobView
) -> None:
    shown = part(viewer.get("/"), f"job-{message.id}")
    assert "cell-button" not in shown and "pick" not in shown
    fields = opened(visit(app, factories.person(org, Role.OPERATOR)), message, "time")
    for visitor, status in ((viewer, 403), (stranger, 404)):
        for what in ("time", "status"):
            assert visitor.get(f"/jobs/{message.id}/{what}").status_code == status
            assert save(visitor, message, what, fields | {"status": "paused"}).status_code == status
    assert stored(message)[3] == 1


def test_a_message_names_whom_it_goes_to_or_that_there_is_nobody(operator: Visitor, message: JobView) -> None:
    change("UPDATE jobs SET message_type = 'REMINDER', subject = 'Main Stage, Sat 28 Nov 2026 19:30'")
    assert "Hamlet · Reminder ana @example.com · Main Stage" in row(operator.get("/"), message).replace(
        "ana@", "ana @"
    )
    change("UPDATE jobs SET recipient = NULL, changed_at = :now", now=utc_now() + timedelta(seconds=1))
    assert "nobody to send it to · Main Stage, Sat 28 Nov 2026 19:30" in row(operator.get("/"), message)
