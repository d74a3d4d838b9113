"""A fragment is a piece of its page, has a version, and says nothing when nothing is new."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.hops import SILENT_AFTER
from console.core.states import Beating
from console.services import edits, heartbeats, jobs
from console.services.changes import Change
from tests import factories
from tests.factories import OrgOf, one
from tests.web.conftest import Things, Visitor, catch, change, part, rules, words

KEY = "0123456789abcdef0123456789abcdef"
PAGES = {
    "deletions.confirm_fragment": "/deletions/new",
    "deletions.count": "/deletions/new",
    "jobs.table": "/",
    "jobs.job": "/jobs/{job_id}",
    "chains.chain": "/jobs/{job_id}",
    "chains.edit_fragment": "/jobs/{job_id}/chain",
    "chains.options": "/jobs/{job_id}/chain",
    "jobs.confirm_fragment": "/jobs/{job_id}/send-now",
    "details.fragment": "/jobs/{job_id}/details",
    "editor.fragment": "/jobs/{job_id}/schedule",
    "row_edits.time_fragment": "/jobs/{job_id}/time",
    "row_edits.status_fragment": "/jobs/{job_id}/status",
    "editor.preview": "/jobs/{job_id}/schedule",
    "schedules.listing": "/schedules",
    "schedules.timeline": "/schedules",
    "runs.table": "/runs",
    "runs.run": "/runs/{run_id}",
    "rehearsals.poll": "/runs/{run_id}/rehearsal",
    "chains.place": "/runs/{run_id}",
    "run_log.lines": "/runs/{run_id}",
    "run_control.confirm_stop_fragment": "/runs/{run_id}/stop",
    "run_control.confirm_retry_fragment": "/runs/{run_id}/retry",
    "queues.confirm_fragment": "/queues/{name}/pause",
    "run_figures.figures": "/runs/figures",
    "workers.fleet": "/workers",
    "alerts.recent": "/settings/alerts",
    "audit.table": "/audit",
    "approvals.table": "/approvals",
    "approvals.approval": "/approvals/{approval_id}",
    "approvals.confirm_approve_fragment": "/approvals/{approval_id}/approve",
    "approvals.confirm_reject_fragment": "/approvals/{approval_id}/reject",
    "approvals.waiting": "/help",
    "tasks.listing": "/tasks",
    "outbox.table": "/outbox",
    "pulse.pulse": "/help",
    "events.table": "/events",
    "events.event": "/events/{event_id}",
    "events.confirm_fragment": "/events/{event_id}/delete",
}
VERSIONED = (
    "alerts.recent",
    "approvals.table",
    "approvals.approval",
    "jobs.table",
    "jobs.job",
    "chains.chain",
    "chains.place",
    "schedules.listing",
    "runs.table",
    "runs.run",
    "rehearsals.poll",
    "outbox.table",
    "events.table",
    "events.event",
)
POLL = re.compile(r'hx-get="([^"]+)"')


def page_of(endpoint: str, things: Things) -> str:
    return PAGES[endpoint].format(**vars(things))


def fragment_of(app: APIFlask, endpoint: str, things: Things) -> str:
    (rule,) = app.url_map.iter_rules(endpoint)
    return things.fill(rule)


def poll_of(text: str) -> str:
    """The address that the fragment asks next time, with the version that it has."""
    found = POLL.search(text)
    assert found is not None
    return unescape(found[1])


def test_each_fragment_has_its_page(app: APIFlask) -> None:
    found = {rule.endpoint for rule in rules(app, "GET") if rule.rule.startswith("/fragments/")}
    assert found == set(PAGES)


@pytest.mark.parametrize("endpoint", PAGES)
@pytest.mark.usefixtures("_still")
def test_a_fragment_stands_letter_for_letter_in_its_page(
    app: APIFlask, operator: Visitor, things: Things, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("preflights", "run_control"):
        monkeypatch.setattr(f"console.services.{service}.uuid4", lambda: UUID(KEY))
    factories.live_worker()
    factories.live_scheduler()
    operator.get(page_of(endpoint, things))  # whatever a first look changes has happened now
    fragment = operator.get(fragment_of(app, endpoint, things))
    page = operator.get(page_of(endpoint, things))
    assert (fragment.status_code, page.status_code) == (200, 200)
    assert fragment.text.strip() in page.text
    assert "<html" not in fragment.text


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("query", ["?q=sweep&kind=manual", "?status=failed"])
def test_a_filtered_table_is_its_fragment_too(operator: Visitor, things: Things, query: str) -> None:
    fragment, page = operator.get(f"/fragments/jobs/table{query}"), operator.get(f"/{query}")
    assert fragment.text.strip() in page.text
    assert "q=sweep" in poll_of(fragment.text) or "status=failed" in poll_of(fragment.text)


class _Roots(HTMLParser):
    """Finds the outermost elements and their ids."""

    VOID = ("input", "img", "wbr", "br", "meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.roots: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0:
            self.roots.append(dict(attrs).get("id"))
        if tag not in self.VOID:
            self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1


@pytest.mark.parametrize("endpoint", PAGES)
def test_a_fragment_has_exactly_one_root_with_a_lasting_id(
    app: APIFlask, operator: Visitor, things: Things, endpoint: str
) -> None:
    path = fragment_of(app, endpoint, things)
    found = []
    for _ in range(2):
        parser = _Roots()
        parser.feed(operator.get(path).text)
        found.append(parser.roots)
    (before,), (after,) = found
    assert before and before == after


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("endpoint", VERSIONED)
def test_a_poll_that_has_the_newest_gets_nothing(
    app: APIFlask, operator: Visitor, things: Things, endpoint: str
) -> None:
    fragment = operator.get(fragment_of(app, endpoint, things))
    again = operator.get(poll_of(fragment.text))
    assert (again.status_code, again.data) == (204, b"")
    begin = f"{fragment_of(app, endpoint, things)}?version="
    polls = map(unescape, POLL.findall(operator.get(page_of(endpoint, things)).text))
    (poll,) = [address for address in polls if address.startswith(begin)]
    assert operator.get(poll).status_code == 204
    other = operator.get(re.sub("version=[^&]*", "version=other", poll_of(fragment.text)))
    assert other.status_code == 200


def new_run(of: OrgOf, things: Things) -> None:
    factories.run(of, jobs.get(of.admin, things.job_id, now=utc_now()))


def state_becomes(state: str) -> Callable[[OrgOf, Things], None]:
    def become(of: OrgOf, things: Things) -> None:
        change("UPDATE runs SET state = :state, started_at = now()", state=state)

    return become


def progress_is_made(of: OrgOf, things: Things) -> None:
    change('UPDATE runs SET progress = \'{"done": 1, "total": 2}\'')


def line_is_logged(of: OrgOf, things: Things) -> None:
    change(
        "INSERT INTO run_logs (run_id, attempt, at, message) VALUES (:id, 1, now(), 'hello')",
        id=things.run_id,
    )


def job_is_paused(of: OrgOf, things: Things) -> None:
    # A moment later than the job was made, as ever outside of a clock that stands still.
    edits.set_paused(of.admin, things.job_id, True, note=None, now=utc_now() + timedelta(seconds=1))


def job_moves_elsewhere(of: OrgOf, things: Things) -> None:
    wanted = Change(name="Elsewhere", timezone="Asia/Tokyo")
    edits.edit(of.admin, things.job_id, wanted, now=utc_now() + timedelta(seconds=1))


def task_is_withdrawn(of: OrgOf, things: Things) -> None:
    factories.live_worker(tasks=[])


def revision_is_applied(of: OrgOf, things: Things) -> None:
    change("UPDATE jobs SET applied_revision = applied_revision + 1")


def mail_arrives(of: OrgOf, things: Things) -> None:
    catch(of)


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize(
    ("endpoint", "happening"),
    [
        ("jobs.table", state_becomes("running")),
        ("jobs.table", progress_is_made),
        ("jobs.table", job_is_paused),
        ("jobs.table", task_is_withdrawn),
        ("jobs.table", revision_is_applied),
        ("jobs.job", state_becomes("running")),
        ("jobs.job", job_is_paused),
        ("jobs.job", new_run),
        ("runs.table", state_becomes("running")),
        ("runs.table", new_run),
        ("runs.run", state_becomes("running")),
        ("runs.run", progress_is_made),
        ("runs.table", job_moves_elsewhere),
        ("runs.run", job_moves_elsewhere),
        ("run_log.lines", line_is_logged),
        ("outbox.table", mail_arrives),
    ],
)
def test_a_poll_hears_of_what_changed(
    app: APIFlask,
    operator: Visitor,
    org: OrgOf,
    things: Things,
    endpoint: str,
    happening: Callable[[OrgOf, Things], None],
) -> None:
    poll = poll_of(operator.get(fragment_of(app, endpoint, things)).text)
    assert operator.get(poll).status_code == 204
    happening(org, things)
    heard = operator.get(poll)
    assert heard.status_code == 200
    assert poll_of(heard.text) != poll
    assert operator.get(poll_of(heard.text)).status_code == 204


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("endpoint", ["jobs.table", "jobs.job", "runs.table", "runs.run"])
def test_a_poll_hears_that_a_hop_fell_silent_though_nothing_was_written(
    app: APIFlask, operator: Visitor, things: Things, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = poll_of(operator.get(fragment_of(app, endpoint, things)).text)
    assert operator.get(poll).status_code == 204
    monkeypatch.setattr("console.web.identity.utc_now", lambda: utc_now() + timedelta(seconds=11))
    heard = operator.get(poll)
    assert heard.status_code == 200
    assert "no worker is alive" in words(heard)


@pytest.mark.usefixtures("_still")
def test_another_orgs_change_is_not_heard(operator: Visitor, stranger: Visitor, things: Things) -> None:
    poll = poll_of(stranger.get("/fragments/jobs/table").text)
    change("UPDATE jobs SET name = 'Renamed'")
    assert stranger.get(poll).status_code == 204


@pytest.mark.parametrize("endpoint", PAGES)
def test_an_expired_session_gets_401_and_a_way_back(
    app: APIFlask, operator: Visitor, things: Things, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.web.identity.utc_now", lambda: utc_now() + timedelta(days=15))
    answer = operator.get(fragment_of(app, endpoint, things))
    assert answer.status_code == 401
    assert "Your session has ended; what you see here stays. Sign in" in words(answer)


def test_a_page_that_rests_polls_no_more_and_one_with_a_run_does(operator: Visitor, things: Things) -> None:
    assert "every 1s" in operator.get("/fragments/jobs/table").text
    assert "every 1s" in operator.get(f"/fragments/runs/{things.run_id}").text
    change("UPDATE runs SET state = 'succeeded', finished_at = now()")
    change("UPDATE jobs SET active_run_id = NULL")
    for path in ("/fragments/jobs/table", f"/fragments/runs/{things.run_id}", "/fragments/runs/table"):
        assert "every" not in "".join(re.findall('hx-trigger="[^"]*"', operator.get(path).text)), path


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize(
    ("address", "watched"),
    [("/", "jobs"), ("/jobs/{job_id}", "job"), ("/runs", "runs")],
    ids=["jobs", "job", "runs"],
)
def test_the_heartbeat_tells_a_resting_page_when_what_it_shows_has_changed(
    operator: Visitor, org: OrgOf, things: Things, address: str, watched: str
) -> None:
    shown = operator.get(address.format(job_id=things.job_id)).text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', part_of_watch(shown)))
    assert fields["watch"] == watched
    assert "HX-Trigger" not in operator.get("/fragments/pulse", query_string=fields).headers
    new_run(org, things)
    assert operator.get("/fragments/pulse", query_string=fields).headers["HX-Trigger"] == "jobs-changed"


def part_of_watch(text: str) -> str:
    found = re.search(r'<div id="watch" hidden>(.*?)</div>', text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "watch=jobs",
        "watch=nothing&version=1",
        "watch=job&job=x&version=1",
        "watch=jobs&status=x&version=1",
    ],
)
def test_the_heartbeat_answers_whatever_it_is_asked_to_watch(operator: Visitor, query: str) -> None:
    answer = operator.get(f"/fragments/pulse?{query}")
    assert (answer.status_code, "HX-Trigger" in answer.headers) == (200, False)


def no_worker() -> None:
    factories.live_scheduler()


def worker_of_other_queues() -> None:
    factories.live_worker(queues=["messages"])


def worker_without_the_task() -> None:
    factories.live_worker(tasks=["tests.tasks.explode"])


def busy_worker() -> None:
    factories.live_worker()


def worker_that_died() -> None:
    factories.live_worker(now=utc_now() - timedelta(seconds=20))


QUEUED = "enqueued_at = requested_at"
UNPUSHED = "enqueued_at = NULL"
RUNNING = (
    "state = 'running', started_at = requested_at, worker = 'worker-1', beat_at = :now - interval '12.5 s'"
)
RETRYING = "state = 'retrying', attempt = 1, retry_at = :now - interval '11 s'"
SILENCES = [
    (no_worker, QUEUED, "NO_LIVE_WORKER", "no worker is alive; nothing is there to execute it"),
    (worker_that_died, QUEUED, "NO_LIVE_WORKER", "no worker is alive; nothing is there to execute it"),
    (worker_of_other_queues, QUEUED, "NO_LIVE_WORKER", "no live worker serves queue default"),
    (worker_without_the_task, QUEUED, "NOT_REGISTERED", "no live worker offers succeed"),
    (busy_worker, QUEUED, "", "waiting for a free worker on queue default"),
    (busy_worker, UNPUSHED, "SCHEDULER_DOWN", "not in Redis yet; the scheduler is down"),
    (no_worker, UNPUSHED, "", "not in Redis yet; Redis can't be reached, it goes there when Redis is back"),
    (busy_worker, RUNNING, "WORKER_LOST", "worker-1 has been silent for 12 s"),
    (no_worker, RETRYING, "", "not in Redis yet; Redis can't be reached"),
    (busy_worker, RETRYING, "SCHEDULER_DOWN", "not in Redis yet; the scheduler is down"),
]


@pytest.mark.parametrize(("fleet", "values", "reason", "sentence"), SILENCES)
def test_a_hop_that_is_silent_for_ten_seconds_is_named_with_its_cause(
    operator: Visitor,
    org: OrgOf,
    fleet: Callable[[], None],
    values: str,
    reason: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = factories.job(org)
    run = factories.run(org, job)
    fleet()
    now = utc_now()
    monkeypatch.setattr("console.web.identity.utc_now", lambda: now)
    change("UPDATE runs SET requested_at = :now - interval '11 s'", now=now)
    change(f"UPDATE runs SET {values}", now=now)  # noqa: S608
    row = words(part(operator.get("/"), f"job-{job.id}"))
    page = words(operator.get(f"/runs/{run.id}"))
    for shown in (row, page, words(operator.get("/runs")), words(operator.get(f"/jobs/{job.id}"))):
        assert sentence in shown
        assert reason in shown
    assert one("SELECT count(*) FROM runs WHERE state IN ('queued', 'running', 'retrying')") == 1


def test_before_ten_seconds_nothing_is_said(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(org)
    factories.run(org, job)
    queued_at: datetime = one("SELECT enqueued_at FROM runs")
    for age, is_silent in ((SILENT_AFTER - timedelta(milliseconds=1), False), (SILENT_AFTER, True)):
        monkeypatch.setattr("console.web.identity.utc_now", lambda age=age: queued_at + age)
        row = words(part(operator.get("/"), f"job-{job.id}"))
        assert ("no worker is alive" in row) is is_silent


def test_a_worker_that_left_in_good_order_is_not_alive(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(org)
    factories.live_worker()
    factories.run(org, job)
    heartbeats.stopped(Beating.WORKER, "worker-1", now=utc_now())
    monkeypatch.setattr("console.web.identity.utc_now", lambda: utc_now() + timedelta(seconds=11))
    assert "no worker is alive" in words(part(operator.get("/"), f"job-{job.id}"))
