"""Messages in the API's lists: by type, event and recipient, with what is left out; and as a file."""

import csv
from datetime import timedelta
from io import StringIO

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.services.job_files import COLUMNS

from .conftest import Org, assert_problem, make_event, make_job


def keys(answer: object) -> list[str]:
    return [job["name"] for job in answer.json["jobs"]]  # type: ignore[attr-defined]


def test_lists_take_the_type_the_event_and_the_recipient(app: APIFlask, org: Org, other_org: Org) -> None:
    make_job(app, org)
    about = {"contact_email": "ana@northside.example", "starts_at": utc_now() + timedelta(days=30)}
    hamlet = make_event(app, org, **about, crew=["lee@northside.example"])
    make_event(app, org, name="Faust", **about)
    assert len(keys(org.viewer.get("/scheduler/jobs"))) == 8
    assert keys(org.viewer.get("/scheduler/jobs?message_type=INIT")) == ["Faust · Init", "Hamlet · Init"]
    mine = org.viewer.get(f"/scheduler/jobs?event={hamlet}&recipient=LEE@northside.example")
    assert keys(mine) == ["Hamlet · Reminder"]
    assert mine.json["jobs"][0]["subject_id"] == str(hamlet)
    assert keys(other_org.viewer.get(f"/scheduler/jobs?event={hamlet}")) == []
    schedules = org.viewer.get(f"/schedules?event={hamlet}&message_type=FOLLOW_UP").json["schedules"]
    assert [schedule["name"] for schedule in schedules] == ["Hamlet · Follow-up"]


@pytest.mark.parametrize("query", ["message_type=TASKS", "event=hamlet", "settled=perhaps"])
def test_a_filter_that_can_not_be_read_is_named(org: Org, query: str) -> None:
    assert_problem(org.viewer.get(f"/scheduler/jobs?{query}"), 422, query.split("=")[0])


def test_what_needs_not_go_out_is_left_out_unless_it_is_asked_for(app: APIFlask, org: Org) -> None:
    starts = utc_now() + timedelta(days=30)
    event_id = make_event(app, org, contact_email="ana@northside.example", starts_at=starts)
    known = {"load_in_at": (starts - timedelta(hours=9)).isoformat()}
    assert org.operator.patch(f"/events/{event_id}", json=known).status_code == 200
    assert "Hamlet · Init" not in keys(org.viewer.get("/scheduler/jobs"))
    assert "Hamlet · Init" in keys(org.viewer.get("/scheduler/jobs?settled=true"))
    assert keys(org.viewer.get("/scheduler/jobs?status=skipped")) == ["Hamlet · Init"]


def test_a_bulk_edit_takes_the_same_filter(app: APIFlask, org: Org) -> None:
    make_job(app, org)
    hamlet = make_event(app, org, contact_email="ana@northside.example")
    body = {"action": "disable", "filter": {"event": str(hamlet), "message_type": "REMINDER"}}
    answer = org.operator.post("/schedules/bulk", json=body)
    assert answer.status_code == 200, answer.text
    assert keys(org.viewer.get("/scheduler/jobs?status=paused")) == ["Hamlet · Reminder"]


def test_the_filtered_table_is_a_file(app: APIFlask, org: Org, other_org: Org) -> None:
    make_event(app, org, contact_email="+ana@northside.example", timezone="Asia/Bangkok")
    answer = org.viewer.get("/scheduler/jobs/export?message_type=REMINDER")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    (line,) = csv.DictReader(StringIO(answer.text))
    assert tuple(line) == COLUMNS
    assert line["recipient"] == "'+ana@northside.example" and line["send_at"].endswith("+07:00")
    file = org.viewer.get("/scheduler/jobs/export?format=json&message_type=REMINDER").json
    assert [job["recipient"] for job in file["jobs"]] == ["+ana@northside.example"]
    assert other_org.viewer.get("/scheduler/jobs/export?format=json").json["jobs"] == []
    assert_problem(org.viewer.get("/scheduler/jobs/export?limit=5"), 422, "limit")


def exported(org: Org, app: APIFlask) -> str:
    """A file of one reminder, with another recipient."""
    make_event(app, org, contact_email="ana@northside.example")
    text: str = org.viewer.get("/scheduler/jobs/export?message_type=REMINDER").text
    return text.replace("ana@northside.example", "max@northside.example")


def recipients(org: Org) -> list[str]:
    jobs = org.viewer.get("/scheduler/jobs?message_type=REMINDER").json["jobs"]
    return [job["recipient"] for job in jobs]


def test_an_exported_file_is_planned_then_imported(app: APIFlask, org: Org) -> None:
    text = {"data": exported(org, app), "headers": {"Content-Type": "text/csv"}}
    plan = org.operator.post("/scheduler/jobs/import?plan=true", **text)
    assert plan.status_code == 200, plan.text
    (change,) = plan.json["changes"]
    assert (change["line"], change["action"]) == (2, "update")
    assert change["after"] == {"recipient": "max@northside.example"}
    assert recipients(org) == ["ana@northside.example"]
    done = org.operator.post(f"/scheduler/jobs/import?mark={plan.json['mark']}", **text)
    assert done.json["changes"] == plan.json["changes"]
    assert recipients(org) == ["max@northside.example"]
    file = org.viewer.get("/scheduler/jobs/export?format=json").json
    again = org.operator.post("/scheduler/jobs/import", json=file)
    assert (again.json["changes"], again.json["unchanged"]) == ([], len(file["jobs"]))


def test_a_stale_or_wrong_file_is_refused_as_a_whole(app: APIFlask, org: Org) -> None:
    text = exported(org, app)
    (job,) = org.viewer.get("/scheduler/jobs?message_type=REMINDER").json["jobs"]
    org.operator.patch(f"/scheduler/jobs/{job['id']}", json={"recipient": "kim@x.example"})
    csv_type = {"Content-Type": "text/csv"}
    refused = org.operator.post("/scheduler/jobs/import", data=text, headers=csv_type)
    problem = assert_problem(refused, 409)
    assert problem["reason_code"] == "STALE_REVISION" and "line 2" in problem["detail"]
    wrong = text.replace("max@northside.example", "nobody")
    answer = org.operator.post(
        "/scheduler/jobs/import?plan=true", data=wrong.replace(",1,,,", ",,,,"), headers=csv_type
    )
    assert_problem(answer, 422, "lines[2].recipient")
    assert_problem(
        org.operator.post("/scheduler/jobs/import", data=text, headers={"Content-Type": "image/png"}), 415
    )
    assert_problem(org.viewer.post("/scheduler/jobs/import", data=text, headers=csv_type), 403)
    assert recipients(org) == ["kim@x.example"]
