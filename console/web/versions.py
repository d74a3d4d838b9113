"""The version of what a page shows: a poll that brings the newest one gets 204 and nothing else."""

from collections.abc import Iterable
from hashlib import sha256

from console.services import jobs
from console.services.views import JobView, MailPage, RunPage
from console.web.identity import actor, moment, zone
from console.web.queries import PAGE, JobQuery


def of_jobs(query: JobQuery) -> str:
    """The job table's version, without reading all of it."""
    return jobs.page_version(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())


def of_runs(page: RunPage) -> str:
    return _hashed([*(f"{run.id}{run.version}" for run in page.runs), page.next_cursor or ""])


def of_job(job: JobView, page: RunPage) -> str:
    return _hashed([job.version, of_runs(page)])


def of_mails(page: MailPage) -> str:
    return _hashed([*(str(mail.id) for mail in page.mails), page.next_cursor or ""])


def _hashed(parts: Iterable[str]) -> str:
    return sha256(" ".join(parts).encode()).hexdigest()[:20]
