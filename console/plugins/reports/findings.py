"""What the inventory check looks at, one finding for each: how bad it is, and what to do about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from console.core.states import Beating, Light
from console.plugins.reports.document import Cell, Tone
from console.plugins.reports.words import (
    GRACE,
    NONE_OVERDUE,
    clock,
    counted,
    first_of,
    job_cell,
    listing,
    sentence,
    span,
    why,
)
from console.services.job_lists import LISTED
from console.services.process_views import Component
from console.services.report_views import Capped, Inventory, JobLine
from console.services.workers import is_live


class Severity(StrEnum):
    """How bad a finding is; a note asks for nothing, so it counts as ok."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


TONES = {
    Severity.OK: Tone.GOOD,
    Severity.NOTE: Tone.QUIET,
    Severity.WARNING: Tone.WARN,
    Severity.PROBLEM: Tone.BAD,
}


@dataclass(frozen=True)
class Finding:
    """What one check came to; `rows` are what it is about, and `note` says how many of them are left out."""

    name: str
    severity: Severity
    text: str
    advice: str = ""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    note: str = ""


Say = Callable[[JobLine, ZoneInfo, datetime], str]


def _next(job: JobLine, zone: ZoneInfo, now: datetime) -> str:
    return f"due {clock(job.next_run_at, zone, now)}" if job.next_run_at else "no next run"


def _made(job: JobLine, zone: ZoneInfo, now: datetime) -> str:
    return f"made {clock(job.created_at, zone, now)}, {_next(job, zone, now)}"


def _revisions(job: JobLine, zone: ZoneInfo, now: datetime) -> str:
    return f"saved r{job.revision}, scheduler on r{job.applied_revision}"


def _reason(job: JobLine, zone: ZoneInfo, now: datetime) -> str:
    return why(job)


@dataclass(frozen=True)
class JobCheck:
    """A list of jobs that should be empty: `fine` is said when it is, `found` follows their number."""

    name: str
    jobs: Callable[[Inventory], Capped[JobLine]]
    severity: Severity
    fine: str
    found: str
    advice: str
    say: Say = _next


WHETHER_SCHEDULER = "See whether a scheduler runs: python -m console doctor."
CHECKS = (
    JobCheck(
        "Jobs with an unknown task",
        lambda found: found.unknown,
        Severity.PROBLEM,
        "Every job's task is registered.",
        "whose task nobody has registered",
        "Name the task's module in CONSOLE_TASKS, or delete the job.",
    ),
    JobCheck(
        "Jobs that no worker can execute",
        lambda found: found.unoffered,
        Severity.PROBLEM,
        "Live workers offer the task of every job.",
        "whose task no live worker offers",
        "Start a worker whose CONSOLE_TASKS lists the task's module.",
    ),
    JobCheck(
        "Blocked jobs",
        lambda found: found.blocked,
        Severity.PROBLEM,
        "No job is blocked.",
        "blocked",
        "Open the job, remove what blocks it, then resume it.",
        _reason,
    ),
    JobCheck(
        "Failed jobs",
        lambda found: found.failed,
        Severity.WARNING,
        "No job ended as failed.",
        "that ended as failed",
        "Open its last run, mend the cause, then run the job again.",
        _reason,
    ),
    JobCheck(
        "Edits not in force",
        lambda found: found.unapplied,
        Severity.WARNING,
        f"No edit has waited for more than {GRACE}.",
        "whose newest revision the scheduler has not taken over",
        WHETHER_SCHEDULER,
        _revisions,
    ),
    JobCheck(
        "Schedules without a next run",
        lambda found: found.unplanned,
        Severity.PROBLEM,
        "Every recurring job has a next run.",
        "with a schedule and without a next run",
        "Open the job and save its schedule again.",
    ),
    JobCheck(
        "Overdue jobs",
        lambda found: found.overdue,
        Severity.PROBLEM,
        NONE_OVERDUE,
        f"due for more than {GRACE}, with nothing decided",
        WHETHER_SCHEDULER,
    ),
    JobCheck(
        "Jobs that never ran",
        lambda found: found.never_run,
        Severity.NOTE,
        "Every older job has run.",
        "that never ran",
        "Run it once to see that it can, or delete it.",
        _made,
    ),
)


def findings(found: Inventory, zone: ZoneInfo, now: datetime) -> list[Finding]:
    """Every check, whatever it came to: first the processes, then the tasks, then the jobs."""
    jobs = [_jobs(check, check.jobs(found), zone, now) for check in CHECKS]
    return [_schedulers(found, zone, now), _workers(found, zone, now), _queues(found), _tasks(found), *jobs]


def _jobs(check: JobCheck, jobs: Capped[JobLine], zone: ZoneInfo, now: datetime) -> Finding:
    if not jobs.items:
        return Finding(check.name, Severity.OK, check.fine)
    rows = [
        (
            job_cell(job.id, job.name, sentence(job.task)),
            Cell(job.status),
            Cell(check.say(job, zone, now)),
        )
        for job in jobs.items
    ]
    text = f"{counted(jobs.total, 'job', is_capped=jobs.is_capped)} {check.found}."
    heads = ("Job", "Status", "Detail")
    return Finding(check.name, check.severity, text, check.advice, heads, rows, listing(jobs))


def _schedulers(found: Inventory, zone: ZoneInfo, now: datetime) -> Finding:
    """Without a live one nothing comes due, however short the silence; beside one it is worth a look."""
    name = "Schedulers"
    running = [
        item for item in found.components if item.kind is Beating.SCHEDULER and item.stopped_at is None
    ]
    live = [item for item in running if item.light is Light.GREEN]
    silent = [item for item in running if item.light is not Light.GREEN]
    crons = [item for item in found.components if item.kind is Beating.EXTERNAL_CRON]
    if not live and any(item.light is not Light.RED for item in crons):
        ago = span(min(item.age for item in crons))
        return Finding(name, Severity.OK, f"None is alive; the external cron ticked {ago} ago.")
    if not live:
        text, advice = "No scheduler is alive; nothing comes due.", "Start one: python -m console scheduler."
        return _silent(name, Severity.PROBLEM, text, advice, silent, zone, now)
    lost = [item for item in silent if not _is_replaced(item, live)]
    if lost:
        text = f"{counted(len(lost), 'scheduler')} of {len(live) + len(lost)} fell silent."
        return _silent(name, Severity.WARNING, text, "Look after its machine.", lost, zone, now)
    return Finding(name, Severity.OK, f"{counted(len(live), 'scheduler')} alive.")


def _is_replaced(silent: Component, live: Sequence[Component]) -> bool:
    """Whether a live process began on the same machine after the silent one was last heard."""
    return any(item.host == silent.host and item.started_at > silent.last_seen for item in live)


def _workers(found: Inventory, zone: ZoneInfo, now: datetime) -> Finding:
    name, advice = "Workers", "Start one: python -m console worker."
    workers = [item for item in found.components if item.kind is Beating.WORKER and item.stopped_at is None]
    silent = [item for item in workers if not is_live(item)]
    live = len(workers) - len(silent)
    if not live:
        return _silent(name, Severity.PROBLEM, "No worker is alive.", advice, silent, zone, now)
    if silent:
        text = f"{counted(len(silent), 'worker')} of {len(workers)} fell silent in the last day."
        return _silent(name, Severity.WARNING, text, "Look after its machine.", silent, zone, now)
    return Finding(name, Severity.OK, f"{counted(live, 'worker')} alive.")


def _silent(
    name: str,
    severity: Severity,
    text: str,
    advice: str,
    silent: Sequence[Component],
    zone: ZoneInfo,
    now: datetime,
) -> Finding:
    rows = [
        (
            Cell(sentence(item.name), path="/workers"),
            Cell(sentence(item.host)),
            Cell(f"silent for {span(item.age)}", f"last heard {clock(item.last_seen, zone, now)}"),
        )
        for item in silent
    ]
    return Finding(name, severity, text, advice, ("Process", "Machine", "Detail"), rows)


def _queues(found: Inventory) -> Finding:
    name = "Queues"
    unserved = [queue for queue in found.queues if not queue.is_served]
    if not unserved:
        return Finding(name, Severity.OK, "Each is served by a live worker.")
    needed = [queue for queue in unserved if queue.is_needed]
    names = ",".join(queue.name for queue in unserved)
    rows = [
        (Cell(queue.name), Cell("jobs wait for it" if queue.is_needed else "no job needs it"))
        for queue in unserved
    ]
    text = f"{counted(len(unserved), 'queue')} without a live worker."
    severity = Severity.PROBLEM if needed else Severity.WARNING
    advice = f"Start a worker for it: python -m console worker --queues {names}."
    return Finding(name, severity, text, advice, ("Queue", "Detail"), rows)


def _tasks(found: Inventory) -> Finding:
    name = "Tasks without a job"
    if not found.tasks_without_job:
        return Finding(name, Severity.OK, "Every registered task has a job.")
    text = f"{counted(len(found.tasks_without_job), 'registered task')} without a job."
    rows = [(Cell(key), Cell("no job")) for key in found.tasks_without_job[:LISTED]]
    advice = "Nothing to do, or make a job: running a task by its name makes one."
    note = first_of(len(rows), len(found.tasks_without_job))
    return Finding(name, Severity.NOTE, text, advice, ("Task", "Detail"), rows, note)
