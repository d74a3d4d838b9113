"""The job table: what stands in it, in which order, and for whom."""

import re
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from console.core.clock import utc_now
from console.core.states import JobStatus, Role
from console.services import edits, jobs
from tests import factories
from tests.factories import OrgOf, one
from tests.web.conftest import NOTHING, Things, Visitor, change, part, rules, visit, words

NAME = re.compile(r'class="job-link"[^>]*>([^<]*)</a>')
NEXT = re.compile(r'id="next-page"\s+rel="next"\s+href="([^"]+)"')


def names(text: str) -> list[str]:
    """The names in the table, from the top."""
    return [unescape(name) for name in NAME.findall(text)]


def due(of: OrgOf, name: str, minutes: float, **fields: str) -> UUID:
    at = (utc_now() + timedelta(minutes=minutes)).isoformat()
    return factories.job(of, name=name, schedule={"type": "once", "at": at}, **fields).id


def test_the_nearest_stands_first_then_the_name_and_what_is_never_due_stands_last(
    operator: Visitor, org: OrgOf
) -> None:
    now = utc_now()
    same = {"type": "once", "at": (now + timedelta(hours=1)).isoformat()}
    factories.job(org, name="By hand")
    factories.job(org, name="Beta", schedule=same)
    factories.job(org, name="Alpha", schedule=same)
    due(org, "Soon", 5)
    due(org, "Late", 600)
    assert names(operator.get("/").text) == ["Soon", "Alpha", "Beta", "Late", "By hand"]


def test_paging_walks_every_job_once_even_when_one_comes_between(operator: Visitor, org: OrgOf) -> None:
    schedule = {"type": "once", "at": (utc_now() + timedelta(hours=1)).isoformat()}
    made = [factories.job(org, name=f"Job {n % 7}", schedule=schedule).id for n in range(120)]
    seen, path, pages = [], "/", 0
    while path:
        answer = operator.get(path)
        assert answer.status_code == 200
        assert "120 jobs" in words(answer) or pages > 0
        seen += re.findall(r'<tbody id="job-([0-9a-f-]{36})"', answer.text)
        found = NEXT.search(answer.text)
        path, pages = (unescape(found[1]) if found else ""), pages + 1
        if pages == 1:
            due(org, "Came before", 1)
            behind = due(org, "Comes behind", 600)
    assert pages == 3
    assert seen.count(str(behind)) == 1
    assert sorted(seen) == sorted([*map(str, made), str(behind)])


def test_a_next_page_keeps_the_filters(operator: Visitor, org: OrgOf) -> None:
    for number in range(51):
        factories.job(org, name=f"Wanted {number:02}")
    factories.job(org, name="Other")
    first = operator.get("/?q=wanted&kind=manual")
    found = NEXT.search(first.text)
    assert found is not None
    assert names(operator.get(unescape(found[1])).text) == ["Wanted 50"]


@pytest.mark.parametrize(
    "q",
    [
        "load-in mail",
        "LOAD-IN",
        "ask_crew",
        "tests.tasks.needs",
        "Friday",
        "crew@north.example",
        "  friday  ",
    ],
)
def test_search_finds_by_name_key_task_subject_and_recipient(operator: Visitor, org: OrgOf, q: str) -> None:
    fields = {"key": "ask_crew", "subject": "Gig on Friday", "recipient": "Crew@north.example"}
    factories.job(org, "tests.tasks.needs_recipient", name="Load-in mail", **fields)
    factories.job(org, name="Other")
    answer = operator.get("/", query_string={"q": q})
    assert names(answer.text) == ["Load-in mail"]
    assert f'value="{q.strip()}"' in answer.text


@pytest.mark.parametrize(
    "name", ["100% sure", "a_b c", 'it\'s "so"', "back\\slash", "<b>bold</b>", "ünïcode 🎭"]
)
def test_signs_of_patterns_and_markup_are_plain_letters(operator: Visitor, org: OrgOf, name: str) -> None:
    factories.job(org, name=name, key="first")
    factories.job(org, name="1000 sure axb c its so backslash bold", key="second")
    for q in (name, name[1:-1]):
        assert names(operator.get("/", query_string={"q": q}).text) == [name]


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", '"'])
def test_a_single_sign_of_a_pattern_matches_itself_alone(operator: Visitor, org: OrgOf, q: str) -> None:
    factories.job(org, name="plain", key="plain")
    assert names(operator.get("/", query_string={"q": q}).text) == []
    factories.job(org, name=f"with {q} in it", key="marked")
    assert names(operator.get("/", query_string={"q": q}).text) == [f"with {q} in it"]


def test_the_status_filter_shows_that_status_alone(operator: Visitor, org: OrgOf) -> None:
    for status in JobStatus:
        job = factories.job(org, name=f"Is {status}")
        change("UPDATE jobs SET status = :status WHERE id = :id", status=status, id=job.id)
    for status in JobStatus:
        answer = operator.get(f"/?status={status}")
        assert names(answer.text) == [f"Is {status}"]
        assert f'<option value="{status}" selected>' in answer.text


def test_kind_and_category_filter_too_and_all_of_them_together(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, name="Manual test")
    factories.job(org, "count_slowly", name="Manual example")
    factories.job(org, name="Hourly test", schedule={"type": "interval", "every_seconds": 3600})
    assert names(operator.get("/?kind=manual&category=Tests").text) == ["Manual test"]
    assert names(operator.get("/?category=Tests&kind=interval").text) == ["Hourly test"]
    assert names(operator.get("/?category=Examples").text) == ["Manual example"]
    assert names(operator.get("/?category=Examples&q=hourly").text) == []


@pytest.mark.parametrize("address", ["/", "/fragments/jobs/table"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "nonsense"),
        ("kind", "weekly"),
        ("cursor", "garbage"),
        ("cursor", "WyJhIiwgImIiLCAiYyJd"),
        ("cursor", "x" * 1001),
        ("q", "x" * 201),
        ("q", "a\x00b"),
        ("category", "x" * 201),
    ],
)
def test_what_cannot_be_asked_for_is_named(operator: Visitor, address: str, field: str, value: str) -> None:
    answer = operator.get(address, query_string={field: value})
    assert answer.status_code == 422
    assert f"{field}:" in words(answer)


@pytest.mark.parametrize(("field", "value"), [("state", "done"), ("trigger", "cron"), ("cursor", "garbage")])
def test_the_list_of_runs_names_it_too(operator: Visitor, field: str, value: str) -> None:
    answer = operator.get("/runs", query_string={field: value})
    assert answer.status_code == 422
    assert f"{field}:" in words(answer)


def test_an_empty_table_teaches_and_a_search_without_a_find_leads_back(operator: Visitor, org: OrgOf) -> None:
    empty = words(operator.get("/"))
    assert "No jobs yet" in empty and "python -m console job run my_task" in empty and "0 jobs" in empty
    factories.job(org)
    searched = operator.get("/?q=nothing-like-it")
    assert "Nothing matches" in words(searched) and "Clear search and filters" in words(searched)


def test_names_subjects_and_notes_are_text_and_never_markup(operator: Visitor, org: OrgOf) -> None:
    evil = "<script>alert(1)</script>"
    job = factories.job(org, name=evil, subject=evil)
    change("UPDATE jobs SET recipient = :address", address=f"{evil}@x.example")
    edits.set_paused(org.admin, job.id, True, note=evil, now=utc_now())
    for path in ("/", f"/jobs/{job.id}", f"/jobs/{job.id}/send-now"):
        answer = operator.get(path)
        assert "<script>alert" not in answer.text
        assert evil in words(answer)


def test_a_deleted_job_is_gone_from_every_page(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Short-lived")
    jobs.delete(org.admin, job.id, now=utc_now())
    assert "Short-lived" not in operator.get("/").text
    assert operator.get(f"/jobs/{job.id}").status_code == 404


def test_times_are_shown_in_the_zone_of_the_org(app: APIFlask) -> None:
    bangkok = factories.org(timezone="Asia/Bangkok")
    factories.job(
        bangkok, name="Noon", schedule={"type": "once", "at": "2099-05-04T12:00:00+00:00"}, timezone="UTC"
    )
    row = operator_row(visit(app, factories.person(bangkok)))
    assert "Mon 4 May 2099 19:00" in words(row)
    assert "19:00:00.000 (Asia/Bangkok, UTC+07:00)" in row


def operator_row(visitor: Visitor) -> str:
    found = re.search(r'<tbody id="job-.*?</tbody>', visitor.get("/").text, re.DOTALL)
    assert found is not None
    return found[0]


def test_saved_is_not_applied_until_the_scheduler_says_so(operator: Visitor, org: OrgOf) -> None:
    factories.live_scheduler()
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 3600})
    assert "saved r1, scheduler on r0" in words(operator_row(operator))
    change("UPDATE jobs SET applied_revision = 1 WHERE id = :id", id=job.id)
    assert "scheduler on" not in words(operator_row(operator))
    assert "r1 in force" in words(operator.get(f"/jobs/{job.id}"))


def test_another_orgs_things_are_nowhere(
    app: APIFlask, org: OrgOf, stranger: Visitor, things: Things
) -> None:
    asked, admin = 0, visit(app, factories.person(org, Role.ADMIN))
    for rule in rules(app, "GET"):
        path = things.fill(rule)
        theirs, unknown = stranger.get(path), stranger.get(NOTHING.fill(rule))
        assert "Confidential" not in theirs.text and "Sweep the stage" not in theirs.text, path
        if rule.arguments - {"message_type", "name"}:  # every org has each type, and each queue
            asked += 1
            assert theirs.status_code == unknown.status_code == 404, path
            assert admin.get(path).status_code == 200, path
    assert asked >= 7
    assert names(stranger.get("/").text) == []
    assert stranger.get("/?q=Sweep").status_code == 200


def test_another_orgs_job_is_not_sent(stranger: Visitor, things: Things) -> None:
    answer = stranger.post(f"/jobs/{things.job_id}/send-now")
    assert answer.status_code == 404
    assert one("SELECT count(*) FROM runs") == 1


def test_another_orgs_cursor_shows_ones_own_jobs(operator: Visitor, stranger: Visitor, org: OrgOf) -> None:
    for number in range(51):
        factories.job(org, name=f"Mine {number:02}")
    found = NEXT.search(operator.get("/").text)
    assert found is not None
    answer = stranger.get(unescape(found[1]))
    assert answer.status_code == 200
    assert names(answer.text) == []


def test_a_viewer_sees_why_the_button_is_disabled_and_cannot_press_it(viewer: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    for path in ("/", f"/jobs/{job.id}"):
        button = send_button(viewer.get(path).text, job.id)
        assert "disabled" in button and f'aria-describedby="job-{job.id}-why"' in button
        assert "needs the role operator" in words(viewer.get(path))
    for path in (f"/jobs/{job.id}/send-now", f"/fragments/jobs/{job.id}/send-now"):
        assert viewer.get(path).status_code == 403
    for htmx in (False, True):
        answer = viewer.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "k"}, htmx=htmx)
        assert answer.status_code == 403
        assert "FORBIDDEN" in words(answer) and "operator" in words(answer)
    assert one("SELECT count(*) FROM runs") == 0
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:requested'") == 0


def send_button(text: str, job_id: UUID) -> str:
    found = re.search(rf'<button[^>]*id="job-{job_id}-send"[^>]*>', text)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_operators_and_admins_have_the_button(app: APIFlask, org: OrgOf, role: Role) -> None:
    job = factories.job(org)
    assert "disabled" not in send_button(visit(app, factories.person(org, role)).get("/").text, job.id)


def test_a_task_that_no_live_worker_offers_disables_its_button_and_says_so(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org)
    factories.live_worker(tasks=["tests.tasks.explode"])
    page = operator.get("/")
    assert "disabled" in send_button(page.text, job.id)
    assert "No live worker offers this task." in words(part(page, f"job-{job.id}"))
    assert "no live worker offers it" in words(operator.get(f"/jobs/{job.id}"))
    factories.live_worker("worker-2")
    assert "disabled" not in send_button(operator.get("/").text, job.id)


@pytest.mark.usefixtures("_still")
def test_the_heartbeat_says_what_lives_and_when_it_was_asked(operator: Visitor) -> None:
    nothing = words(part(operator.get("/"), "pulse"))
    assert "No scheduler" in nothing and "No worker" in nothing
    factories.live_scheduler()
    factories.live_worker()
    factories.live_worker("worker-2")
    factories.live_watcher()
    alive = words(part(operator.get("/"), "pulse"))
    assert re.search(r"Scheduler \d s ago 2 workers as of \d\d:\d\d:\d\d", alive)


def test_redis_down_is_said_on_every_page_and_none_of_them_fails(
    app: APIFlask, org: OrgOf, things: Things, no_redis: None
) -> None:
    admin = visit(app, factories.person(org, Role.ADMIN))
    for rule in rules(app, "GET"):
        if rule.rule in ("/readyz", "/healthz", "/sign-in") or rule.rule.startswith("/fragments/"):
            continue
        answer = admin.get(things.fill(rule))
        assert answer.status_code == 200, rule
        if answer.mimetype == "text/html":
            assert "Redis can't be reached: runs wait in Postgres" in words(answer)


def test_without_a_session_nothing_is_shown(client: FlaskClient, things: Things) -> None:
    assert client.get(f"/jobs/{things.job_id}").status_code == 302
