"""The version of what a page shows: a poll that brings the newest one gets 204 and nothing else."""

from collections.abc import Callable, Iterable
from hashlib import sha256

from console.core.hops import Clock
from console.services import jobs
from console.services.outbox import MailPage
from console.services.process_views import Pulse
from console.services.run_views import RunPage
from console.services.views import JobView
from console.web.identity import actor, moment, zone
from console.web.job_queries import JobQuery, ScheduleQuery
from console.web.queries import PAGE

WAITS = "."


def of_jobs(query: JobQuery, pulse: Pulse | None = None) -> str:
    """The job table's version, without reading all of it; a table that waits also shows the `pulse`."""
    shown = jobs.page_version(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())
    return waiting_version(shown, pulse) if pulse else shown


def waiting_version(shown: str, pulse: Pulse) -> str:
    """The version of a table with an edit that is not in force: it also says whether that can come true."""
    return f"{shown}{WAITS}{pulse.clock}"


def is_waiting(version: str) -> bool:
    """Whether what has this version shows an edit that was not in force."""
    return WAITS in version


def of_schedules(query: ScheduleQuery, pulse: Pulse) -> str:
    """The version of the list of schedules, which also says whether an edit can come true just now."""
    shown = jobs.page_version(actor(), query.filter, cursor=query.cursor, limit=PAGE, now=moment())
    return schedules_version(shown, pulse)


def schedules_version(shown: str, pulse: Pulse) -> str:
    return _hashed([shown, pulse.clock if pulse.clock in (Clock.DOWN, Clock.EXTERNAL_CRON) else ""])


def of_runs(page: RunPage) -> str:
    return _hashed([*(f"{run.id}{run.version}" for run in page.runs), page.next_cursor or ""])


def of_job(job: JobView, page: RunPage, pulse: Callable[[], Pulse]) -> str:
    """The version of a job's page; while an edit is not in force, the page also shows the pulse."""
    clock = "" if job.applied_revision == job.revision else pulse().clock
    return _hashed([job.version, of_runs(page), clock])


def of_mails(page: MailPage) -> str:
    return _hashed([*(str(mail.id) for mail in page.mails), page.next_cursor or ""])


def _hashed(parts: Iterable[str]) -> str:
    return sha256(" ".join(parts).encode()).hexdigest()[:20]
