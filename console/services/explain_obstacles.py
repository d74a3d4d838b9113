"""What stands in the way of a job's next run just now: each obstacle with its inputs and its remedy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import select

from console.core.actor import Actor
from console.core.explaining import Clocks, Evidence, Link, ended, sentence, when
from console.core.hops import Clock
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import ACTIVE, ApprovalState, Hold, JobStatus, Kind, Overlap
from console.core.task import Check, Task
from console.db.approvals import Approval
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import explain_clock, explain_revisions, repeats, rules
from console.services.workers import Fleet

MOST_RUNS = 20
NAMED = 3
OVERLAPS = {
    Overlap.SKIP: "the next is skipped",
    Overlap.BUFFER_ONE: "one waits until it has ended, any more are skipped",
    Overlap.ALLOW_ALL: "the next starts beside it",
    Overlap.CANCEL_OTHER: "it is stopped, then the next starts",
}


@dataclass(frozen=True)
class Present:
    """A job at this moment, and what is read of it once; `active` are its real runs on their way."""

    actor: Actor
    job: Job
    task: Task | None
    clocks: Clocks
    seen: Fleet
    now: datetime
    active: Sequence[Any]

    @property
    def queue(self) -> str:
        return self.task.queue if self.task else "default"

    @property
    def job_link(self) -> Link:
        name = "jobs.show" if self.job.deleted_at is None else "explain.show"
        return Link(name, {"job_id": self.job.id})

    @property
    def is_by_hand(self) -> bool:
        return self.job.kind == Kind.MANUAL

    @property
    def title(self) -> str:
        return self.task.title if self.task else self.job.task

    def check(self, at: datetime) -> Check:
        """What the rules are asked about, of a run then: by itself, or of a manual job by a click."""
        job = self.job
        clicks = self.is_by_hand and not job.message_type
        whom = job.recipient or (self.actor.email if clicks else None)
        return Check(str(job.org_id), job.args, whom, at, str(job.id))

    @cached_property
    def lacks(self) -> Refusal | None:
        """What any run now would lack."""
        return rules.refusal_of((self.task.requires,), self.check(self.now)) if self.task else None

    @cached_property
    def ruled(self) -> Refusal | None:
        """What the task's rules have against a run by itself now; a click passes over them."""
        if self.task is None or self.is_by_hand:
            return None
        return rules.refusal_of((self.task.rules,), self.check(self.now))

    @property
    def overlap(self) -> Overlap:
        """The job's policy; a message that goes out once never goes out beside its own run."""
        once = self.job.kind == Kind.ONCE and self.task is not None and self.task.sends
        return Overlap.SKIP if once else Overlap(self.job.overlap)

    @property
    def in_the_way(self) -> list[Any]:
        """The active runs a slot would meet; one that waits for its time or turn is in nobody's way."""
        return [row for row in self.active if row.held_by not in (Hold.LATER, Hold.SEQUENCE)]


def read(actor: Actor, job: Job, clocks: Clocks, seen: Fleet, now: datetime) -> Present:
    """What is to be known of the job, inside the caller's transaction."""
    columns = (Run.id, Run.state, Run.held_by, Run.start_after, Run.started_at, Run.requested_at)
    query = select(*columns).where(Run.job_id == job.id, Run.state.in_(ACTIVE), Run.dry_run.is_(False))
    active = db.session.execute(query.order_by(Run.requested_at.desc()).limit(MOST_RUNS)).all()
    return Present(actor, job, registry.get(job.task), clocks, seen, now, active)


def all_of(found: Present) -> Iterator[Evidence]:
    """Every obstacle, the one that comes first first; nothing when the job would simply run."""
    if found.job.deleted_at is not None:
        yield explain_revisions.deletion_of(found.job, found.clocks)
        return
    for obstacle in (
        _paused,
        _broken,
        _over,
        _not_registered,
        _no_worker,
        _queue_paused,
        _approval,
        _clock,
        _redis,
        _overlap,
        _refused,
    ):
        yield from obstacle(found)


def _paused(found: Present) -> Iterator[Evidence]:
    """A pause takes a job out of its schedule; a click passes over it, and is all that a manual job has."""
    if found.job.status == JobStatus.PAUSED and not found.is_by_hand:
        yield pause_of(found)


def pause_of(found: Present, *, also: str = "") -> Evidence:
    """Who paused the job, when and why, and a sentence more."""
    row = explain_revisions.last_switch(found.job, enabled=False)
    by = f" by {row.actor} on {when(row.created_at, found.clocks)}" if row else ""
    note = f": “{found.job.status_note}”" if found.job.status_note else ""
    source = f"revision r{row.revision}" if row else "jobs"
    at = row.created_at if row else None
    return Evidence(f"The job was paused{by}{note}.{also}", source, Reason.PAUSED, at, found.job_link)


def _broken(found: Present) -> Iterator[Evidence]:
    """A schedule that could not be followed blocks the job until somebody edits it."""
    job = found.job
    if job.status == JobStatus.BLOCKED and job.status_reason == Reason.INVALID_SCHEDULE:
        text = f"Its schedule can't be followed: {job.last_run_note or Reason.INVALID_SCHEDULE.text}"
        source = f"schedule of r{job.revision}"
        yield Evidence(sentence(text), source, Reason.INVALID_SCHEDULE, job.last_run_at, found.job_link)


def _over(found: Present) -> Iterator[Evidence]:
    """A message that went out, or may have, does not go out by itself again."""
    job = found.job
    if found.task is None or job.active_run_id is not None:
        return
    refusal = repeats.refusal_of(job, found.task)
    if refusal is not None:
        is_run = job.last_run_id is not None and not job.closed_by
        link = Link("runs.show", {"run_id": job.last_run_id}) if is_run else found.job_link
        source = f"run {job.last_run_id}" if is_run else f"revision r{job.revision}"
        yield Evidence(refusal.sentence, source, refusal.reason, job.last_run_at, link)


def _not_registered(found: Present) -> Iterator[Evidence]:
    path = found.job.task
    if found.task is None:
        text = f"The console itself does not know {path}; its CONSOLE_TASKS must list the module too."
        yield Evidence(text, "CONSOLE_TASKS", Reason.NOT_REGISTERED, None, explain_clock.WORKERS)
        return
    if found.seen.offers(path) or not found.seen.redis_is_up:
        return
    live = [worker.name for worker in found.seen.live_workers]
    text = f"No live worker offers {path}; alive {'is' if len(live) == 1 else 'are'} {_listed(live)}."
    yield Evidence(text, "heartbeats of workers", Reason.NOT_REGISTERED, None, explain_clock.WORKERS)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _no_worker(found: Present) -> Iterator[Evidence]:
    seen, queue = found.seen, found.queue
    if seen.serves(queue) or not seen.redis_is_up:
        return
    live = [worker.name for worker in seen.live_workers]
    among = (
        f"; alive {'is' if len(live) == 1 else 'are'} {_listed(live)}" if live else "; none is alive at all"
    )
    text = f"No live worker serves queue {queue}{among}."
    yield Evidence(text, "heartbeats of workers", Reason.NO_LIVE_WORKER, None, explain_clock.WORKERS)


def _queue_paused(found: Present) -> Iterator[Evidence]:
    said = found.seen.pause_of(found.job.org_id, found.queue)
    if said is not None:
        row = found.seen.pauses[(found.job.org_id, found.queue)]
        yield Evidence(
            sentence(said), "queue pauses", Reason.QUEUE_PAUSED, row.paused_at, explain_clock.WORKERS
        )


def _approval(found: Present) -> Iterator[Evidence]:
    """A second person is asked for by each click; a schedule that was set needs none."""
    job, task = found.job, found.task
    if not found.is_by_hand or not (job.needs_approval or (task is not None and task.critical)):
        return
    pending = select(Approval.requester, Approval.requested_at, Approval.expires_at).where(
        Approval.job_id == job.id, Approval.state == ApprovalState.PENDING, Approval.expires_at > found.now
    )
    row = db.session.execute(pending.order_by(Approval.requested_at.desc()).limit(1)).first()
    why = "An admin wants a second person for this job" if job.needs_approval else "The task is critical"
    link = found.job_link
    if row is None:
        text, at = (
            f"{why}: a click asks for the approval of a second person, and runs nothing before it.",
            None,
        )
    else:
        asked = when(row.requested_at, found.clocks)
        until = when(row.expires_at, found.clocks)
        text = f"{why}; {row.requester} asked on {asked}, and it waits for a decision until {until}."
        at, link = row.requested_at, Link("approvals.index")
    yield Evidence(text, "approvals", Reason.APPROVAL_REQUIRED, at, link)


def _clock(found: Present) -> Iterator[Evidence]:
    """Without a clock no slot is decided; a click needs none."""
    if found.is_by_hand or found.seen.clock not in (Clock.DOWN, Clock.SILENT):
        return
    yield explain_clock.evidence_of(found.seen, found.clocks, found.now)


def _redis(found: Present) -> Iterator[Evidence]:
    """Without Redis a worker may hang on it and beat no more: its silence proves nothing."""
    if found.seen.redis_is_up:
        return
    text = (
        "Redis can't be reached. A run is queued when Redis is back; "
        "until then it can't be known which workers are alive. Start Redis, or correct REDIS_URL."
    )
    yield Evidence(text, "Redis", None, found.now, explain_clock.WORKERS)


def _overlap(found: Present) -> Iterator[Evidence]:
    """Runs that are on their way; held ones are told apart, for they have not begun."""
    if found.is_by_hand or found.overlap is Overlap.ALLOW_ALL:
        return
    for row in found.in_the_way[:NAMED]:
        begun = when(row.started_at or row.requested_at, found.clocks)
        text = f"Run {row.id} is {row.state} since {begun}; by the overlap policy {found.overlap} "
        text += f"{OVERLAPS[found.overlap]}."
        link = Link("runs.show", {"run_id": row.id})
        yield Evidence(text, f"run {row.id}", Reason.OVERLAP, row.started_at or row.requested_at, link)


def _refused(found: Present) -> Iterator[Evidence]:
    """What the task requires of any run, and its rules for one that comes by itself."""
    if found.lacks is not None:
        yield rule_evidence(found, found.lacks, f"what {found.title} requires")
    if found.ruled is not None:
        yield rule_evidence(found, found.ruled, f"rules of {found.title}")


def rule_evidence(found: Present, refusal: Refusal, source: str) -> Evidence:
    """A rule's word, with the page where its inputs are changed."""
    job, pages = found.job, registry.subject_pages
    link = registry.mends.get(refusal.reason)
    place = Link(link) if link else found.job_link
    is_about = refusal.reason in (Reason.MISSING_RECIPIENT, Reason.HAS_LOAD_IN_TIME, Reason.DELETED)
    if is_about and pages is not None and job.subject_id is not None:
        place = Link(pages.edit, {pages.argument: job.subject_id})
    return Evidence(ended(refusal.sentence), source, refusal.reason, found.now, place)
