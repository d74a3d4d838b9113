"""A job's status, recipient and subject through the API: what can be had, and what each answer says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests import factories
from tests.factories import one, rows

from .conftest import Org, assert_problem, assert_stale, make_job

LATER = datetime(2099, 1, 31, 9, 15, tzinfo=UTC)
ONCE = {"type": "once", "at": LATER.isoformat()}
SENDS = "tests.tasks.needs_recipient"


def patch(org: Org, job_id: UUID | str, **body: Any) -> Any:
    return org.operator.patch(f"/scheduler/jobs/{job_id}", json=body)


@pytest.fixture
def message(app: APIFlask, org: Org) -> UUID:
    body = {
        "task": SENDS,
        "key": "hamlet",
        "schedule": ONCE,
        "recipient": "ana@example.com",
        "subject": "Hamlet",
    }
    made = org.operator.post("/scheduler/jobs", json=body)
    assert made.status_code == 201, made.text
    assert (made.json["recipient"], made.json["subject"]) == ("ana@example.com", "Hamlet")
    assert (made.json["message_type"], made.json["subject_id"], made.json["closed_by"]) == (None, None, None)
    return UUID(made.json["id"])


def test_sent_by_hand_needs_a_note_is_answered_with_who_and_why_and_is_taken_back(
    org: Org, message: UUID
) -> None:
    problem = assert_problem(patch(org, message, status="sent"), 422, "note")
    assert problem["errors"]["note"] == ["say why it counts as sent"]
    done = patch(org, message, status="sent", note="told on the phone").json
    assert (done["status"], done["status_note"], done["closed_by"]) == (
        "sent",
        "told on the phone",
        "token operator",
    )
    assert done["next_run_at"] is None
    assert [change["name"] for change in done["changes"]] == ["closed", "note"]
    row = rows("SELECT status, status_note, closed_by, next_run_at, revision FROM jobs")[0]
    assert tuple(row) == ("sent", "told on the phone", "token operator", None, 2)
    assert org.viewer.get("/scheduler/jobs?status=sent").json["jobs"][0]["closed_by"] == "token operator"
    back = patch(org, message, status="scheduled").json
    assert (back["status"], back["closed_by"], back["next_run_at"]) == ("scheduled", None, LATER.isoformat())


@pytest.mark.parametrize(
    ("begin", "wanted", "said"),
    [
        ("scheduled", "failed", "a job that is scheduled can become paused, sent, skipped"),
        ("failed", "scheduled", "a job that is failed can become sent, skipped"),
        ("sent", "skipped", "a job that is sent can't be changed by hand"),
        ("scheduled", "gone", "must be 'scheduled'"),
    ],
)
def test_a_status_that_can_not_be_had_says_what_can_and_changes_nothing(
    org: Org, message: UUID, begin: str, wanted: str, said: str
) -> None:
    factories.db.session.execute(factories.text("UPDATE jobs SET status = :status"), {"status": begin})
    factories.db.session.commit()
    problem = assert_problem(patch(org, message, status=wanted, note="why"), 422, "status")
    assert said in problem["errors"]["status"][0]
    assert one("SELECT status FROM jobs") == begin and one("SELECT revision FROM jobs") == 1


def test_what_is_over_is_opened_by_a_new_time_which_may_come_with_its_status(org: Org, message: UUID) -> None:
    patch(org, message, status="skipped", note="cancelled")
    same = patch(org, message, send_at=LATER.isoformat(), status="paused")
    assert_problem(same, 422, "status")
    moved = (LATER + timedelta(days=1)).isoformat()
    opened = patch(org, message, send_at=moved, status="paused", note="not yet").json
    assert (opened["status"], opened["next_run_at"], opened["status_note"]) == ("paused", moved, "not yet")
    assert opened["closed_by"] is None


def test_a_recipient_unblocks_and_an_empty_one_blocks(org: Org, message: UUID) -> None:
    blocked = patch(org, message, recipient="").json
    assert (blocked["recipient"], blocked["status"], blocked["status_reason"]) == (
        None,
        "blocked",
        "MISSING_RECIPIENT",
    )
    assert_problem(patch(org, message, recipient="not an address"), 422, "recipient")
    found = patch(org, message, recipient="bo@example.com", subject="Hamlet, Sat 28 Nov").json
    assert (found["status"], found["recipient"], found["subject"]) == (
        "scheduled",
        "bo@example.com",
        "Hamlet, Sat 28 Nov",
    )
    assert one("SELECT recipient FROM jobs") == "bo@example.com"
    assert org.viewer.get("/scheduler/jobs?q=bo@example").json["jobs"][0]["key"] == "hamlet"


def test_a_stale_status_hands_back_both_sides(org: Org, message: UUID) -> None:
    assert patch(org, message, status="paused", note="theirs").status_code == 200
    problem = assert_stale(patch(org, message, status="sent", note="mine", revision=1))
    assert problem["reason_code"] == "STALE_REVISION"
    mine = {field["name"]: field["mine"] for field in problem["fields"]}
    assert mine["closed"] == {"status": "sent", "reason_code": None} and mine["note"] == "mine"
    assert problem["current"]["status"] == "paused"


def test_a_rule_that_is_against_the_new_time_warns(org: Org) -> None:
    made = org.operator.post("/scheduler/jobs", json={"task": "tests.tasks.weekdays_only", "schedule": ONCE})
    assert made.status_code == 201
    saturday = patch(org, made.json["id"], send_at="2099-02-07T10:00:00+00:00").json
    assert [warning["code"] for warning in saturday["warnings"]] == ["RULE"]
    assert "would be skipped then" in saturday["warnings"][0]["text"]


def test_many_are_rescheduled_by_minutes_or_to_a_time(app: APIFlask, org: Org, message: UUID) -> None:
    daily = make_job(app, org, key="daily", schedule={"type": "daily", "hour": 7, "minute": 0})
    ids = [str(message), str(daily)]
    done = org.operator.post("/schedules/bulk", json={"action": "reschedule", "minutes": 30, "ids": ids}).json
    assert (done["changed"], done["left"], done["named"][0]["reason_code"]) == (1, 1, "INVALID_SCHEDULE")
    assert one("SELECT next_run_at FROM jobs WHERE key = 'hamlet'") == LATER + timedelta(minutes=30)
    body = {"action": "reschedule", "send_at": LATER.isoformat(), "ids": ids}
    assert org.operator.post("/schedules/bulk", json=body).json["changed"] == 1
    assert one("SELECT next_run_at FROM jobs WHERE key = 'hamlet'") == LATER
    for wrong, field in (({}, "minutes"), ({"send_at": LATER.isoformat(), "minutes": 5}, "send_at")):
        body = {"action": "reschedule", "ids": ids, **wrong}
        assert_problem(org.operator.post("/schedules/bulk", json=body), 422, field)
