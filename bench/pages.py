"""The job table with 1,000,000 jobs beside 100, and a poll that finds nothing beside the full fragment."""

import sys
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from statistics import median
from typing import TypeVar

from sqlalchemy import select, text

from bench.stage import Stage, insert_jobs, stage, timed, verdict
from console.core.clock import utc_now
from console.core.states import JobStatus, Kind, MessageType, Role
from console.db.jobs import Job
from console.db.session import db
from console.services import job_filters, jobs, orgs, people
from console.services.views import JobFilter

MANY, FEW, ROUNDS = 1_000_000, 100, 60
PASSWORD = "a long enough password"
EXPLAINED = {
    "first page": JobFilter(),
    "by status": JobFilter(status=JobStatus.FAILED),
    "by kind": JobFilter(kind=Kind.INTERVAL),
    "by category": JobFilter(category="Bench"),
    "search": JobFilter(q="00999999"),
    "messages of a type": JobFilter(message_type=MessageType.INIT),
    "tasks": JobFilter(tasks_only=True),
}


T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """Works outside of the stage's app context, so that each request has its own."""
    return Context().run(work)


def browser(on: Stage, email: str):  # type: ignore[no-untyped-def]
    """A signed-in test client."""
    client = on.app.test_client()
    page = apart(lambda: client.get("/sign-in")).get_data(as_text=True)
    token = page.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    form = {"email": email, "password": PASSWORD, "csrf_token": token}
    answer = apart(lambda: client.post("/sign-in", data=form))
    assert answer.status_code == 303, answer.status
    return client


def seconds(client, path: str, status: int) -> float:  # type: ignore[no-untyped-def]
    """The median time of a page."""

    def ask() -> None:
        assert apart(lambda: client.get(path)).status_code == status

    for _ in range(5):
        ask()
    return median(timed(ask) for _ in range(ROUNDS))


def polls(on: Stage, client, email: str) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    actor = on.actor
    version = jobs.page_version(actor, JobFilter(), cursor=None, limit=50, now=utc_now())
    full = seconds(client, "/fragments/jobs/table", 200)
    nothing = seconds(client, f"/fragments/jobs/table?version={version}", 204)
    return nothing, full


def explain(actor) -> None:  # type: ignore[no-untyped-def]
    for name, wanted in EXPLAINED.items():
        query = job_filters.filtered(select(Job), actor, wanted)
        query = query.order_by(jobs.Job.sort_at, jobs.Job.name, jobs.Job.id).limit(51)
        sql = str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = db.session.execute(text("EXPLAIN (ANALYZE, COSTS OFF, SUMMARY ON) " + sql.replace(":", "\\:")))
        print(f"-- {name}\n" + "\n".join(f"   {row[0]}" for row in plan), flush=True)


def main() -> None:
    with stage() as on:
        people.create_user(on.actor, "few@example.com", Role.ADMIN, password=PASSWORD, now=utc_now())
        insert_jobs(on.actor.org_id, FEW, first=utc_now() + timedelta(hours=1), apart="1 min")
        client = browser(on, "few@example.com")
        few = seconds(client, "/", 200)
        nothing, full = polls(on, client, "few@example.com")
        other = orgs.create_org("Many", "many", "UTC")
        actor = jobs.Actor(on.actor.kind, other, "Many", "UTC", Role.ADMIN, "bench")
        people.create_user(actor, "many@example.com", Role.ADMIN, password=PASSWORD, now=utc_now())
        insert_jobs(other, MANY, first=utc_now() + timedelta(hours=1), apart="1 s", prefix="many_")
        many = seconds(browser(on, "many@example.com"), "/", 200)
        if "--explain" in sys.argv:
            explain(actor)
    print(f"job table: {few * 1000:.1f} ms with {FEW} jobs, {many * 1000:.1f} ms with {MANY:,}")
    verdict("times the page of a hundred jobs", many / few, 1.5, at_least=False)
    print(f"poll: {nothing * 1000:.1f} ms when nothing is new, {full * 1000:.1f} ms for the full fragment")
    verdict("of the full fragment", nothing / full, 0.1, at_least=False)


if __name__ == "__main__":
    main()
