"""Schedules as one file: out, compared, and in again."""

from typing import Any
from uuid import UUID

import pytest
import yaml
from apiflask import APIFlask

from tests.factories import one, rows

from .conftest import Caller, Org, assert_problem, make_job, scheduler_pass
from .test_edits import QUARTER_PAST_NINE, SAIGON, SEVEN, next_run

pytestmark = pytest.mark.usefixtures("_from_noon")
YAML = "application/yaml"


@pytest.fixture
def three(app: APIFlask, org: Org) -> UUID:
    make_job(app, org, key="by_hand", args={"name": "crew"})
    make_job(app, org, key="often", schedule={"type": "interval", "every_seconds": 3600}, paused=True)
    return make_job(app, org, key="report", name="Report", schedule=SEVEN, timezone=SAIGON)


def exported(caller: Caller) -> str:
    response = caller.get("/schedules/export")
    assert (response.status_code, response.mimetype) == (200, YAML), response.text
    assert response.headers["Content-Disposition"].startswith('attachment; filename="schedules-20')
    assert response.headers["Cache-Control"] == "no-store"
    return response.text


def send(caller: Caller, text: str | bytes, query: str = "", content_type: str = YAML) -> Any:
    return caller.post(f"/schedules/import{query}", data=text, content_type=content_type)


def at_eight(text: str) -> str:
    """The file with the report at 8 and a new job."""
    document = yaml.safe_load(text)
    (report,) = (entry for entry in document["schedules"] if entry["key"] == "report")
    report["schedule"]["hour"] = 8
    document["schedules"].append({"key": "noon", "task": "greet_somebody", "schedule": {**SEVEN, "hour": 12}})
    return yaml.safe_dump(document)


@pytest.mark.usefixtures("three")
def test_a_round_trip_changes_nothing(org: Org) -> None:
    before = rows("SELECT * FROM jobs ORDER BY key")
    text = exported(org.viewer)
    for query in ("?plan=true", ""):
        answer = send(org.operator, text, query).json
        assert answer == {"changes": [], "unchanged": 3, "not_in_file": 0, "warnings": []}
    assert rows("SELECT * FROM jobs ORDER BY key") == before
    assert one("SELECT count(*) FROM job_revisions") == 3
    assert exported(org.viewer) == text


def test_a_plan_shows_what_an_import_does_and_changes_nothing(org: Org, three: UUID) -> None:
    text = at_eight(exported(org.viewer))
    response = send(org.operator, text, "?plan=true")
    assert response.status_code == 200, response.text
    plan = response.json
    assert set(plan) == {"changes", "unchanged", "not_in_file", "warnings"}
    assert (plan["unchanged"], plan["not_in_file"]) == (2, 0)
    new, report = plan["changes"]
    assert set(new) == {"name", "action", "before", "after"}
    assert (new["name"], new["action"], new["before"]) == ("noon", "create", None)
    assert report == {
        "name": "report",
        "action": "update",
        "before": {"schedule": SEVEN},
        "after": {"schedule": {**SEVEN, "hour": 8}},
    }
    assert rows("SELECT count(*), max(revision) FROM jobs") == [(3, 1)]

    done = send(org.operator, text, "?reason=from+the+repository")
    assert done.json == plan
    assert rows("SELECT count(*), max(revision) FROM jobs") == [(4, 2)]
    assert one("SELECT reason FROM job_revisions WHERE revision = 2") == "from the repository"
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 1
    assert send(org.operator, text).json["changes"] == [], "an import is idempotent"
    assert rows("SELECT count(*), max(revision) FROM jobs") == [(4, 2)]
    job = org.viewer.get("/schedules/report").json
    scheduler_pass(next_run(job))
    assert one("SELECT slot FROM runs WHERE job_id = :id", id=three) == next_run(job)


def test_chains_are_planned_and_imported_with_the_rest(org: Org, three: UUID) -> None:
    text = """\
version: 1
schedules:
- {key: report, then: {on_success: [noon]}}
- {key: noon, task: greet_somebody}
"""
    (noon, report) = send(org.viewer, text, "?plan=true").json["changes"]
    assert (report["before"], report["after"]) == ({"then": {}}, {"then": {"on_success": ["noon"]}})
    assert "then" not in noon["after"] and rows("SELECT 1 FROM job_links") == []
    assert send(org.operator, text).status_code == 200
    chain = org.viewer.get(f"/scheduler/jobs/{three}/chain").json
    assert [job["key"] for job in chain["on_success"]] == ["noon"]
    assert "then: {on_success: [noon]}" in exported(org.viewer)
    circle = assert_problem(
        send(org.operator, text.replace("greet_somebody", "greet_somebody, then: {on_failure: [report]}")),
        422,
    )
    (place,) = circle["errors"]
    assert place == "schedules[1].then.on_failure[0]" and "circle: noon → report → noon" in circle["detail"]


@pytest.mark.usefixtures("three")
def test_what_is_not_in_the_file_stays(org: Org) -> None:
    text = "version: 1\nschedules:\n  - key: report\n    schedule: {type: daily, hour: 9, minute: 15}\n"
    answer = send(org.operator, text).json
    assert (len(answer["changes"]), answer["not_in_file"]) == (1, 2)
    job = org.viewer.get("/schedules/report").json
    assert job["schedule"].items() >= {**QUARTER_PAST_NINE, "timezone": SAIGON}.items()


@pytest.mark.usefixtures("three")
def test_a_file_with_mistakes_is_refused_as_a_whole_with_every_place(org: Org) -> None:
    before = rows("SELECT * FROM jobs ORDER BY key")
    text = """\
version: 1
schedules:
  - key: report
    schedule: {type: daily, hour: 8, minute: 0}
  - key: often
    timezone: Mars/Olympus
  - key: by_hand
    schedule: {type: cron, cron: 0 9 31 2 *}
"""
    for query in ("?plan=true", ""):
        problem = assert_problem(send(org.operator, text, query), 422, "schedules[2].cron")
        assert "never fires" in problem["errors"]["schedules[2].cron"][0]
        assert "schedules[1].timezone" in problem["errors"]
        assert problem["reason_code"]
    assert rows("SELECT * FROM jobs ORDER BY key") == before


def test_what_gives_pause_is_said_beside_the_plan(org: Org) -> None:
    shape = "{type: interval, every_seconds: 60}"
    text = f"version: 1\nschedules:\n  - key: quick\n    task: greet_somebody\n    schedule: {shape}\n"
    (warning,) = send(org.operator, text, "?plan=true").json["warnings"]
    assert (warning["name"], warning["code"]) == ("quick", "TOO_OFTEN")


@pytest.mark.parametrize(
    "content_type", [YAML, "text/yaml", "application/x-yaml", "text/plain; charset=utf-8"]
)
def test_a_file_may_be_sent_as_yaml_or_text(org: Org, content_type: str) -> None:
    text = "\ufeff# nothing\nversion: 1\nschedules: []\n"
    assert send(org.operator, text.encode(), "?plan=true", content_type).json["changes"] == []


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "", "text/html"])
def test_a_file_of_another_type_is_refused(org: Org, content_type: str) -> None:
    assert_problem(send(org.operator, "version: 1", "", content_type), 415)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"\xff\xfe", 400),
        (b"", 422),
        (b"nonsense", 422),
        (b"[1, 2", 422),
        (b"a: &x [*x]", 422),
        (b"!!python/object/apply:os.system [ls]", 422),
        (b"version: 2\nschedules: []", 422),
        (b'version: 1\nschedules: [{key: "a\\0b", task: greet_somebody}]', 422),
        (b'version: 1\nschedules: [{key: a, task: greet_somebody, name: "\\ud800"}]', 422),
        (b"version: 1\nschedules: [{key: a, task: greet_somebody, jitter_seconds: 99999999999999999}]", 422),
        (b"[" * 100_000, 422),
        (b"# " + b"x" * (3 * 1024 * 1024), 413),
    ],
)
def test_a_file_that_cannot_be_used_is_no_disaster(org: Org, text: bytes, status: int) -> None:
    for query in ("?plan=true", ""):
        assert_problem(send(org.operator, text, query), status)
    assert one("SELECT count(*) FROM jobs") == 0


def test_parameters_are_read_strictly(org: Org) -> None:
    for query, field in (("?plan=perhaps", "plan"), ("?colour=red", "colour")):
        assert_problem(send(org.operator, "version: 1\nschedules: []", query), 422, field)


@pytest.mark.usefixtures("three")
def test_a_viewer_imports_nothing_and_another_org_sees_its_own(org: Org, other_org: Org) -> None:
    text = exported(org.viewer)
    assert_problem(send(org.viewer, at_eight(text)), 403)
    assert yaml.safe_load(exported(other_org.viewer))["schedules"] == []
    assert len(send(other_org.admin, text).json["changes"]) == 3
    assert rows("SELECT count(*), max(revision) FROM jobs") == [(6, 1)]
    assert exported(org.viewer) == text
