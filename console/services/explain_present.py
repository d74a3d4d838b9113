"""What would happen if a job came due now, what stands in the way, and what is planned for later."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.core.actor import Actor
from console.core.due import Decision, DueJob, decide
from console.core.explaining import (
    Evidence,
    Explanation,
    Verdict,
    lower,
    minute_of,
    when,
    when_named,
)
from console.core.hops import Clock
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.spans import span_text
from console.core.states import CatchUp, Hold, JobStatus, Kind, RunState
from console.services import (
    explain_facts,
    explain_obstacles,
    explain_revisions,
    explain_runs,
    rules,
    runs,
)
from console.services.explain_obstacles import Present
from console.services.orgs import zone

SETTLES = timedelta(seconds=10)
"""How long a slot may be due before it is called late: a live scheduler takes less than one."""
ACTIVE_SHOWN = 3
AT_REST = (
    Reason.PAUSED,
    Reason.DELETED,
    Reason.SCHEDULER_DOWN,
    Reason.INVALID_SCHEDULE,
    Reason.ALREADY_SENT,
    Reason.OUTCOME_UNKNOWN,
)
"""What lets no slot come; other reasons skip the slot when it does."""


def explain(actor: Actor, found: Present) -> Explanation:
    """The answer for this moment, inside the caller's transaction."""
    obstacles = list(explain_obstacles.all_of(found))
    active = _active(actor, found)
    late = _late(found)
    outcome = _outcome(found)
    if active:
        verdict, first, summary = Verdict.WAITING, active, active[0].text
    elif late is not None:
        verdict, first = Verdict.LATE, [late]
        summary = " ".join((late.text, *(item.text for item in obstacles[:1])))
    elif obstacles:
        verdict, first, summary = Verdict.BLOCKED, [], _blocked(found, obstacles)
    else:
        verdict, first, summary = Verdict.NOT_DUE, [], f"Nothing stands in the way. {_planned(found)}"
    rest = [item for item in obstacles if item.link not in [other.link for other in active]]
    standing = _standing(found, is_clear=verdict is Verdict.NOT_DUE)
    evidence = [*first, *(rest if active else obstacles), *outcome, *standing]
    return Explanation(found.job.id, found.now, verdict, summary, evidence, found.now, is_present=True)


def _active(actor: Actor, found: Present) -> list[Evidence]:
    """What its runs on their way wait for."""
    views = [runs.load_view(actor, row.id, found.now, found.seen) for row in found.active[:ACTIVE_SHOWN]]
    return [explain_runs.outcome_of(view, found.clocks) for view in views]


def _late(found: Present) -> Evidence | None:
    """That a slot is due and nobody has decided it, though somebody should have."""
    job, now = found.job, found.now
    is_at_rest = job.status == JobStatus.PAUSED and job.kind == Kind.ONCE
    slot = job.next_run_at
    if slot is None or now - slot < SETTLES or job.deleted_at is not None or is_at_rest:
        return None
    text = (
        f"Its slot of {when(slot, found.clocks)} is not decided yet, {span_text(now - slot)} after its time."
    )
    return Evidence(text, "jobs", None, slot, found.job_link)


def _blocked(found: Present, obstacles: Sequence[Evidence]) -> str:
    more = len(obstacles) - 1
    also = f" {more} more thing{'s' if more > 1 else ''} would stand in the way." if more else ""
    return f"{_head(found, obstacles[0])}: {lower(obstacles[0].text)}{also}"


def _head(found: Present, first: Evidence) -> str:
    """What the first obstacle would make of a slot that came now."""
    if first.reason_code in (Reason.NOT_REGISTERED, Reason.NO_LIVE_WORKER, Reason.QUEUE_PAUSED, None):
        return "A run would be recorded now and would wait"
    if found.is_by_hand:
        return "A click would not run it"
    if first.reason_code in AT_REST:
        return "Nothing would run by itself now"
    return "If it came due now, it would be skipped"


def _planned(found: Present) -> str:
    """When it comes due next."""
    job = found.job
    if found.is_by_hand:
        return "It is never due by itself; it runs when somebody asks."
    if job.next_run_at is None:
        return "It runs once, and that is over: nothing is to come by its schedule."
    return f"It is due next on {when_named(job.next_run_at, found.clocks)}."


def _outcome(found: Present) -> list[Evidence]:
    """What the scheduler would make of a slot, by the very rule that it follows."""
    job = found.job
    is_over = job.kind == Kind.ONCE and job.next_run_at is None and not found.active
    if found.is_by_hand or is_over or job.deleted_at is not None or job.status == JobStatus.BLOCKED:
        return []
    decision = _decision(found)
    if decision is None:
        return []
    overdue = job.next_run_at is not None and job.next_run_at < found.now - SETTLES
    about = f"As things stand, its slot of {when(decision.slot, found.clocks)}" if overdue else "Due now, it"
    source = f"policies of r{job.revision}"
    return [Evidence(f"{about} {_becomes(decision)}", source, decision.reason, None, found.job_link)]


def _becomes(decision: Decision) -> str:
    """`would run at once.`, `would be skipped: …`, with the policy's own sentence."""
    said = f": {lower(decision.detail)}" if decision.detail else "."
    if decision.state is not RunState.QUEUED:
        why = said if decision.detail else f": {lower(decision.reason.text)}" if decision.reason else "."
        return f"would be {decision.state}{why}"
    if decision.held_by in (Hold.BUFFER_ONE, Hold.CANCEL_OTHER):
        return f"would be held{said}"
    return f"would run{said}" if decision.detail else "would run at once."


def _decision(found: Present) -> Decision | None:
    """The scheduler's word on the last slot of a pass made now; None when it would not look at the job."""
    job, now = found.job, found.now
    if job.status == JobStatus.PAUSED and job.kind == Kind.ONCE:
        return None
    overdue = job.next_run_at is not None and job.next_run_at <= now
    slot = job.next_run_at if overdue and job.next_run_at is not None else now
    held = explain_revisions.newest(job)
    due = DueJob(
        id=job.id,
        schedule=parse(job.schedule),
        zone=zone(job.timezone),
        slot=slot,
        is_paused=job.status == JobStatus.PAUSED,
        has_active_run=bool(found.in_the_way),
        has_waiting_run=any(row.held_by in (Hold.BUFFER_ONE, Hold.CANCEL_OTHER) for row in found.in_the_way),
        overlap=found.overlap,
        catch_up=CatchUp(job.catch_up),
        catch_up_window=_span(job.catch_up_window_seconds),
        jitter=_span(job.jitter_seconds),
        refusal=found.lacks or found.ruled,
        revised_at=held.since,
    )
    decisions = decide(due, now).decisions
    return decisions[-1] if decisions else None


def _span(seconds: int | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds is not None else None


def _verb(found: Present) -> str:
    """Of a deleted job nothing is in force any more."""
    return "was" if found.job.deleted_at else "is"


def _standing(found: Present, *, is_clear: bool) -> list[Evidence]:
    """What holds besides: the revision in force, and the next slot, which will run if the way `is_clear`."""
    job, clocks = found.job, found.clocks
    held = explain_revisions.newest(job)
    evidence = [held.evidence(clocks, _verb(found))]
    if found.is_by_hand and job.status == JobStatus.PAUSED and job.deleted_at is None:
        also = " A click runs it all the same; as a job that follows another one it is skipped."
        evidence.insert(0, explain_obstacles.pause_of(found, also=also))
    if job.applied_revision != job.revision and not found.is_by_hand:
        text = f"Saved r{job.revision}; the scheduler was last seen on r{job.applied_revision}."
        code = Reason.SCHEDULER_DOWN if found.seen.clock is Clock.DOWN else None
        evidence.append(Evidence(text, "jobs", code, held.since, found.job_link))
    if job.next_run_at is not None and job.next_run_at > found.now and job.deleted_at is None:
        text = _planned(found) if is_clear else f"The next slot: {when(job.next_run_at, clocks)}."
        evidence.append(Evidence(text, f"schedule of r{job.revision}", None, job.next_run_at, found.job_link))
    return evidence


# A minute to come ----------------------------------------------------------------------------------


def explain_future(actor: Actor, found: Present, at: datetime) -> Explanation:
    """What is planned for the minute that holds `at`, as things stand, inside the caller's transaction."""
    job, clocks = found.job, found.clocks
    held = explain_revisions.newest(job)
    facts = explain_facts.of_minute(job, at, clocks, found.now)
    is_over = job.kind == Kind.ONCE and job.next_run_at is None
    slots = [slot for slot in facts.slots if slot > found.now and not is_over]
    evidence: list[Evidence] = []
    verdict = Verdict.NOT_DUE
    if job.deleted_at is not None:
        evidence.append(explain_revisions.deletion_of(job, clocks))
        verdict, summary = Verdict.BLOCKED, evidence[0].text
    elif job.status == JobStatus.PAUSED and (slots or facts.held is None or _was_for(facts)):
        evidence += [item for item in explain_obstacles.all_of(found) if item.reason_code is Reason.PAUSED]
        verdict, summary = Verdict.BLOCKED, f"It would not run then: {lower(evidence[0].text)}"
    elif slots:
        summary = f"Not due yet; its slot of {when_named(slots[0], clocks)} is to come."
        evidence += _foreseen(found, slots[0])
        said = next((item for item in evidence if item.reason_code is not None), None)
        if said is not None:
            summary += f" As things stand it would be skipped then: {said.text}"
    else:
        summary = _not_due(found, held)
    evidence += _held_until(actor, found, at)
    evidence.append(held.evidence(clocks, _verb(found)))
    evidence += [] if job.deleted_at else held.beside(minute_of(at), clocks)
    return Explanation(job.id, at, verdict, summary, evidence, found.now)


def _not_due(found: Present, held: explain_revisions.Held) -> str:
    """Why nothing is to come in a minute."""
    job = found.job
    if job.kind == Kind.ONCE and job.next_run_at is None:
        by = f", marked so by {job.closed_by}" if job.closed_by else ""
        return f"It will not be due then: it is {job.status}{by}, and nothing is to come."
    return f"It will not be due then: by r{held.number} it runs {held.text(found.clocks)}."


def _was_for(facts: explain_facts.Facts) -> bool:
    """Whether a paused message would have gone out in this minute."""
    at = facts.held.schedule.at if facts.held else None
    return at is not None and facts.start <= at < facts.end


def _foreseen(found: Present, slot: datetime) -> list[Evidence]:
    """The slot, what daylight saving does to it, and what the rules would say at its time."""
    held = explain_revisions.newest(found.job)
    marked = held.spell().marked(slot)
    text = f"Its slot: {when(slot, found.clocks)}.{f' {marked.note}' if marked.note else ''}"
    evidence = [Evidence(text, f"schedule of r{held.number}", None, slot, found.job_link)]
    if found.task is None:
        return evidence
    lacks = rules.refusal_of((found.task.requires, found.task.rules), found.check(slot))
    if lacks is not None:
        evidence.insert(0, explain_obstacles.rule_evidence(found, lacks, f"rules of {found.title}"))
    return evidence


def _held_until(actor: Actor, found: Present, at: datetime) -> list[Evidence]:
    """Runs that are held until a time in that minute."""
    start = minute_of(at)
    held = [row for row in found.active if row.held_by and row.start_after]
    mine = [row for row in held if minute_of(row.start_after) == start][:ACTIVE_SHOWN]
    views = [runs.load_view(actor, row.id, found.now, found.seen) for row in mine]
    return [explain_runs.outcome_of(view, found.clocks) for view in views]
