"""A job is changed by PATCH: what holds afterwards, what is refused, and what a stale save is told."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.client import HTTPConnection
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from tests.factories import one, rows

from .conftest import Org, assert_problem, assert_stale, make_job, scheduler_pass
from .test_jobs import JOB_FIELDS

pytestmark = pytest.mark.usefixtures("_from_noon")
SEVEN = {"type": "daily", "hour": 7, "minute": 0}
QUARTER_PAST_NINE = {"type": "daily", "hour": 9, "minute": 15}
SAIGON = "Asia/Ho_Chi_Minh"


@pytest.fixture
def daily(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org, key="report", name="Report", schedule=SEVEN, timezone=SAIGON)


@pytest.fixture
def once(app: APIFlask, org: Org) -> UUID:
    shape = {"type": "once", "at": (utc_now() + timedelta(days=1)).isoformat()}
    return make_job(app, org, key="single", schedule=shape)


def path(job_id: UUID) -> str:
    return f"/scheduler/jobs/{job_id}"


def versions(problem: dict[str, Any]) -> list[tuple[Any, ...]]:
    names = ("name", "base", "theirs", "mine", "clashes")
    return [tuple(field[name] for name in names) for field in problem["fields"]]


def next_run(job: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(job["next_run_at"])


def test_a_new_time_is_answered_kept_audited_and_acted_on(org: Org, daily: UUID) -> None:
    before = org.viewer.get(path(daily)).json
    body = {"schedule": QUARTER_PAST_NINE, "revision": 1, "reason": "after the market opens"}
    response = org.operator.patch(path(daily), json=body)
    assert response.status_code == 200, response.text
    job = response.json
    assert set(job) == JOB_FIELDS | {"warnings", "changes", "next_run_before"}
    assert (job["revision"], job["applied_revision"], response.headers["ETag"]) == (2, 0, '"2"')
    assert job["next_run_before"] == before["next_run_at"]
    assert next_run(job).astimezone().utctimetuple()[3:5] == (2, 15)
    assert job["changes"] == [{"name": "schedule", "old": SEVEN, "new": QUARTER_PAST_NINE}]
    assert job["warnings"] == []

    assert one("SELECT next_run_at FROM jobs") == next_run(job)
    (revision,) = rows("SELECT * FROM job_revisions WHERE revision = 2")
    assert (revision.actor, revision.origin, revision.reason) == (
        "token operator",
        "token",
        "after the market opens",
    )
    (entry,) = rows("SELECT * FROM audit_entries WHERE tag = 'job:changed'")
    assert (entry.old, entry.new) == ({"schedule": SEVEN}, {"schedule": QUARTER_PAST_NINE, "revision": 2})

    scheduler_pass(min(next_run(before), next_run(job) - timedelta(seconds=1)))
    assert rows("SELECT 1 FROM runs") == [], "the old time is none any more"
    assert org.viewer.get(path(daily)).json["applied_revision"] == 2
    scheduler_pass(next_run(job))
    assert rows("SELECT slot, revision FROM runs") == [(next_run(job), 2)]


def test_every_field_can_be_changed_at_once(org: Org, daily: UUID) -> None:
    schedule = {
        "type": "cron",
        "cron": "15 9 * * 1-5",
        "timezone": "Europe/London",
        "enabled": False,
        "overlap": "buffer_one",
        "catch_up": "all",
        "catch_up_window_seconds": 3600,
        "jitter_seconds": 30,
    }
    body = {"schedule": schedule, "args": {"name": "crew"}, "name": "Weekdays", "note": "until the audit"}
    job = org.operator.patch(path(daily), json=body).json
    assert (job["schedule"], job["name"], job["timezone"], job["status"]) == (
        schedule,
        "Weekdays",
        "Europe/London",
        "paused",
    )
    row = rows("SELECT args, status_note, jitter_seconds, revision FROM jobs")[0]
    assert row == ({"name": "crew"}, "until the audit", 30, 2)
    again = org.operator.patch(path(daily), json={"schedule": job["schedule"], "args": {"name": "crew"}}).json
    assert (again["revision"], again["changes"]) == (2, []), "what is so already makes no revision"


@pytest.mark.parametrize(
    ("body", "column", "value"),
    [
        ({"status": "paused"}, "status", "paused"),
        ({"schedule": {"enabled": False}}, "status", "paused"),
        ({"timezone": "Europe/London"}, "timezone", "Europe/London"),
        (
            {"schedule": {"timezone": "Europe/London"}, "timezone": "Europe/London"},
            "timezone",
            "Europe/London",
        ),
        ({"schedule": {"overlap": "cancel_other"}}, "overlap", "cancel_other"),
        ({"schedule": {"catch_up": "none"}}, "catch_up", "none"),
        ({"schedule": {"catch_up_window_seconds": 60}}, "catch_up_window_seconds", 60),
        ({"schedule": {"jitter_seconds": 60}}, "jitter_seconds", 60),
        ({"name": "Other"}, "name", "Other"),
        ({"args": {"name": "crew"}}, "args", {"name": "crew"}),
        ({"schedule": {"type": "manual"}}, "kind", "manual"),
    ],
)
def test_one_field_is_changed_and_the_others_stay(
    org: Org, daily: UUID, body: dict[str, Any], column: str, value: Any
) -> None:
    before = rows("SELECT * FROM jobs")[0]._asdict()
    assert org.operator.patch(path(daily), json=body).status_code == 200
    after = rows("SELECT * FROM jobs")[0]._asdict()
    assert after[column] == value
    follow = {
        "status": {"status_reason"},
        "timezone": {"next_run_at", "sort_at"},
        "name": {"search"},
        "kind": {"schedule", "next_run_at", "sort_at"},
    }
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {column, "revision", "changed_at"} | follow.get(column, set())


def test_null_empties_a_window_and_a_jitter_and_leaves_the_rest(org: Org, daily: UUID) -> None:
    given = {"catch_up_window_seconds": 60, "jitter_seconds": 60, "overlap": "allow_all"}
    assert org.operator.patch(path(daily), json={"schedule": given}).status_code == 200
    nulls = dict.fromkeys(given)
    schedule = org.operator.patch(path(daily), json={"schedule": nulls}).json["schedule"]
    assert {name: schedule[name] for name in given} == {**nulls, "overlap": "allow_all"}


def test_send_at_moves_a_job_that_runs_once(org: Org, once: UUID) -> None:
    at = utc_now().replace(microsecond=0) + timedelta(hours=3)
    job = org.operator.patch(path(once), json={"send_at": at.isoformat()}).json
    assert (next_run(job), job["schedule"]["at"]) == (at, at.isoformat())
    scheduler_pass(at)
    assert rows("SELECT slot, revision FROM runs") == [(at, 2)]


def test_send_at_has_five_minutes_of_grace(org: Org, once: UUID) -> None:
    just = utc_now() - timedelta(minutes=4)
    assert org.operator.patch(path(once), json={"send_at": just.isoformat()}).status_code == 200
    late = {"send_at": (utc_now() - timedelta(minutes=6)).isoformat()}
    problem = assert_problem(org.operator.patch(path(once), json=late), 422, "send_at")
    assert problem["reason_code"] == "IN_THE_PAST"
    assert one("SELECT next_run_at FROM jobs") == just


PAST = {"type": "once", "at": "2020-01-01T00:00:00+00:00"}
LATER = "2099-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "field", "reason", "said"),
    [
        ({"schedule": {"type": "cron", "cron": "0 9 31 2 *"}}, "cron", "NEVER_FIRES", "make the job manual"),
        ({"schedule": {"type": "cron", "cron": "0 25 * * *"}}, "cron", "INVALID_SCHEDULE", "25"),
        ({"schedule": {"type": "cron", "cron": "0 9 * *"}}, "cron", "INVALID_SCHEDULE", "five"),
        ({"schedule": PAST}, "at", "IN_THE_PAST", "past"),
        ({"schedule": {"type": "once", "at": "tomorrow"}}, "at", "INVALID_SCHEDULE", "ISO 8601"),
        ({"schedule": {"type": "daily", "hour": 24, "minute": 0}}, "hour", "INVALID_SCHEDULE", "0 to 23"),
        ({"schedule": {"type": "daily", "hour": 9}}, "minute", "INVALID_SCHEDULE", "0 to 59"),
        ({"schedule": {"type": "manual", "hour": 9}}, "hour", "INVALID_SCHEDULE", "not for the type manual"),
        ({"schedule": {"hour": 9}}, "schedule.type", "INVALID_SCHEDULE", "is required"),
        ({"schedule": {"type": "interval", "every_seconds": 0}}, "every_seconds", "INVALID_SCHEDULE", "1 to"),
        ({"timezone": "Asia/Saigonn"}, "timezone", "INVALID_SCHEDULE", "Asia/Saigon"),
        ({"schedule": {"timezone": "Mars/Olympus"}}, "timezone", "INVALID_SCHEDULE", "no known zone"),
        ({"schedule": {"overlap": "often"}}, "overlap", "INVALID_SCHEDULE", "must be one of"),
        ({"schedule": {"catch_up": "never"}}, "catch_up", "INVALID_SCHEDULE", "must be one of"),
        ({"schedule": {"jitter_seconds": 9999}}, "schedule.jitter_seconds", None, "3600"),
        ({"schedule": {"catch_up_window_seconds": 0}}, "schedule.catch_up_window_seconds", None, "1"),
        ({"send_at": LATER}, "send_at", "INVALID_SCHEDULE", "recurs"),
        ({"send_at": "2099-01-01"}, "send_at", None, "with its offset"),
        ({"send_at": LATER, "schedule": SEVEN}, "send_at", None, "not both"),
        ({"name": " "}, "name", None, "1 to 200"),
        ({"args": {"nme": "x"}}, "args.nme", None, "xtra"),
        ({"status": "sent"}, "status", None, "paused"),
        ({"status": "paused", "schedule": {"enabled": True}}, "status", None, "schedule.enabled"),
        ({"timezone": "UTC", "schedule": {"timezone": "CET"}}, "timezone", None, "schedule.timezone"),
        ({}, "body", None, "at least one"),
        ({"revision": 1, "note": "x", "reason": "y"}, "body", None, "at least one"),
        ({"name": "x", "revision": 7}, "revision", None, "newest is 1"),
        ({"name": "x", "revision": 2**40}, "revision", None, "less than"),
        ({"name": "x", "revision": "1"}, "revision", None, "integer"),
        ({"name": "x", "colour": "red"}, "colour", None, "not known"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field_and_nothing_changes(
    org: Org, daily: UUID, body: dict[str, Any], field: str, reason: str | None, said: str
) -> None:
    before = rows("SELECT * FROM jobs")
    problem = assert_problem(org.operator.patch(path(daily), json=body), 422, field)
    assert problem["reason_code"] == reason
    assert said in problem["errors"][field][0]
    assert rows("SELECT * FROM jobs") == before
    assert one("SELECT count(*) FROM job_revisions") == 1
    assert rows("SELECT 1 FROM audit_entries WHERE tag = 'job:changed'") == []


def test_a_malformed_cron_is_refused_with_the_place_of_the_mistake(org: Org, daily: UUID) -> None:
    body = {"schedule": {"type": "cron", "cron": "0 9 * * MUN"}}
    (said,) = assert_problem(org.operator.patch(path(daily), json=body), 422)["errors"]["cron"]
    assert "weekday" in said and "MUN" in said


def test_a_zone_that_is_nearly_right_gets_suggestions(org: Org, daily: UUID) -> None:
    problem = assert_problem(org.operator.patch(path(daily), json={"timezone": "berlin"}), 422, "timezone")
    assert problem["suggestions"] == ["Europe/Berlin"]


def test_all_mistakes_are_named_together(org: Org, daily: UUID) -> None:
    schedule = {"type": "cron", "cron": "x", "timezone": "Nowhere", "overlap": "never"}
    problem = assert_problem(org.operator.patch(path(daily), json={"schedule": schedule, "name": ""}), 422)
    assert set(problem["errors"]) == {"cron", "timezone", "overlap", "name"}


def test_what_gives_pause_is_said_and_saved(app: APIFlask, org: Org, daily: UUID) -> None:
    often = {"schedule": {"type": "interval", "every_seconds": 240}}
    job = org.operator.patch(path(daily), json=often).json
    assert [warning["code"] for warning in job["warnings"]] == ["TOO_OFTEN"]
    make_job(app, org, key="twin", name="The twin", schedule=SEVEN, timezone=SAIGON)
    (warning,) = org.operator.patch(path(daily), json={"schedule": SEVEN}).json["warnings"]
    assert (warning["code"], "The twin" in warning["text"]) == ("SAME_MINUTE", True)
    assert one("SELECT revision FROM jobs WHERE key = 'report'") == 3
    body = {"task": "greet_somebody", "key": "third", "schedule": SEVEN, "timezone": SAIGON}
    assert [item["code"] for item in org.operator.post("/scheduler/jobs", json=body).json["warnings"]] == [
        "SAME_MINUTE"
    ]


# Who saw what -------------------------------------------------------------------------------------


def test_a_stale_save_shows_theirs_mine_and_the_ancestor(org: Org, daily: UUID) -> None:
    theirs = {"schedule": {**QUARTER_PAST_NINE, "overlap": "allow_all"}, "reason": "too early"}
    assert org.admin.patch(path(daily), json=theirs).status_code == 200
    eight = {"type": "daily", "hour": 8, "minute": 0}
    mine = {"schedule": eight, "name": "Mine", "revision": 1}
    problem = assert_stale(org.operator.patch(path(daily), json=mine))
    assert problem["current"]["revision"] == 2
    assert problem["current"]["schedule"].items() >= QUARTER_PAST_NINE.items()
    assert problem["yours"] == {"schedule": eight, "name": "Mine"}
    assert problem["base"] == {"name": "Report", "schedule": SEVEN, "overlap": "skip"}
    assert problem["base_revision"] == 1
    assert versions(problem) == [
        ("name", "Report", "Report", "Mine", False),
        ("schedule", SEVEN, QUARTER_PAST_NINE, eight, True),
        ("overlap", "skip", "allow_all", "skip", False),
    ]
    assert (problem["saved_by"], problem["saved_from"], problem["saved_reason"]) == (
        "token admin",
        "token",
        "too early",
    )
    assert one("SELECT name FROM jobs") == "Report"
    assert org.operator.patch(path(daily), json={**mine, "revision": 2}).json["revision"] == 3


def test_if_match_says_the_same_as_revision(org: Org, daily: UUID) -> None:
    tag = org.viewer.get(path(daily)).headers["ETag"]
    assert tag == '"1"'
    for number, sent in enumerate([tag, "2", 'W/"3"', "*"]):
        name = f"Name {number}"
        response = org.operator.patch(path(daily), json={"name": name}, headers={"If-Match": sent})
        assert (response.status_code, response.headers["ETag"]) == (200, f'"{number + 2}"')
    both = org.operator.patch(path(daily), json={"name": "x", "revision": 5}, headers={"If-Match": '"5"'})
    assert both.json["revision"] == 6
    stale = org.operator.patch(path(daily), json={"name": "y"}, headers={"If-Match": '"1"'})
    assert assert_stale(stale)["yours"] == {"name": "y"}


@pytest.mark.parametrize(
    "sent", ["", "one", '"1', '"0"', '"1", "2"', "-1", "1.0", '"99999999999"', "9" * 150, "٣"]
)
def test_an_if_match_that_cannot_be_read_is_named(org: Org, daily: UUID, sent: str) -> None:
    headers = {"If-Match": sent.encode().decode("latin-1")}
    assert_problem(org.operator.patch(path(daily), json={"name": "x"}, headers=headers), 422, "If-Match")
    assert one("SELECT revision FROM jobs") == 1


def test_revision_and_if_match_that_differ_are_refused(org: Org, daily: UUID) -> None:
    response = org.operator.patch(path(daily), json={"name": "x", "revision": 1}, headers={"If-Match": '"2"'})
    assert_problem(response, 422, "revision")
    assert one("SELECT revision FROM jobs") == 1


def test_ten_editors_at_once_one_wins_nine_are_told_and_nothing_is_lost(
    org: Org, daily: UUID, port: int
) -> None:
    start = Barrier(10)

    def save(minute: int) -> tuple[int, dict[str, Any]]:
        shape = {"type": "daily", "hour": 9, "minute": minute}
        sent = json.dumps({"schedule": shape, "revision": 1, "reason": f"editor {minute}"})
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {org.operator.token}", "Content-Type": "application/json"}
        start.wait()
        connection.request("PATCH", f"/api/v1{path(daily)}", sent, headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(save, range(10)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 9
    (winner,) = (minute for minute, (status, _) in enumerate(answers) if status == 200)
    for minute, (status, answer) in enumerate(answers):
        if status == 409:
            assert answer["current"]["schedule"]["minute"] == winner
            assert answer["yours"]["schedule"]["minute"] == minute
    assert rows("SELECT revision, reason FROM job_revisions ORDER BY 1") == [
        (1, None),
        (2, f"editor {winner}"),
    ]
    assert one("SELECT schedule FROM jobs") == {"type": "daily", "hour": 9, "minute": winner}
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 1


def test_viewers_other_orgs_and_strange_ids_change_nothing(org: Org, other_org: Org, daily: UUID) -> None:
    body = {"name": "x", "revision": 1}
    assert assert_problem(org.viewer.patch(path(daily), json=body), 403)["reason_code"] == "FORBIDDEN"
    assert_problem(other_org.admin.patch(path(daily), json=body), 404)
    assert_problem(org.operator.patch(path(uuid4()), json=body), 404)
    assert one("SELECT name FROM jobs") == "Report"
