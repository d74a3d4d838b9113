"""What became of a job in one minute, out of what is recorded; where nothing is, it says so."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from console.core.actor import Actor
from console.core.due import LATE_AFTER
from console.core.explaining import (
    NO_RECORD,
    Clocks,
    Evidence,
    Explanation,
    Link,
    Verdict,
    ended,
    lower,
    when,
)
from console.core.hops import Clock
from console.core.reasons import Reason
from console.core.schedule import Schedule
from console.core.spans import span_text
from console.core.states import Kind
from console.db.jobs import Deletion, Job
from console.db.session import db
from console.services import explain_clock, explain_facts, explain_revisions, explain_runs, runs
from console.services.explain_facts import Facts
from console.services.explain_revisions import Held
from console.services.run_views import RunView
from console.services.workers import Fleet

SHOWN = 3
UNDONE_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Answer:
    """The verdict with its sentence, and the evidence that decided it."""

    verdict: Verdict
    summary: str
    evidence: Sequence[Evidence] = ()


def explain(actor: Actor, facts: Facts, seen: Fleet) -> Explanation:
    """The answer for a minute that has begun, inside the caller's transaction."""
    views = [runs.load_view(actor, row.id, facts.now, seen) for row in facts.leads[:SHOWN]]
    if facts.due:
        answer = _of_slots(facts, views)
    elif views:
        answer = _of_requests(facts, views)
    else:
        answer = _without_run(actor, facts, seen)
    evidence = [*answer.evidence, *_around(actor, facts, seen)]
    return Explanation(facts.job.id, facts.at, answer.verdict, answer.summary, evidence, facts.now)


# With runs -----------------------------------------------------------------------------------------


def _of_slots(facts: Facts, views: Sequence[RunView]) -> Answer:
    """Slots of the minute have their runs, which say all."""
    lead = views[0]
    verdict = explain_facts.verdict_of(facts.leads[0])
    evidence = [item for view in views for item in explain_runs.evidence_of(view, facts.clocks)]
    return Answer(verdict, _said(verdict, lead, facts), [*evidence, *_rest(facts)])


def _said(verdict: Verdict, run: RunView, facts: Facts) -> str:
    outcome = explain_runs.outcome_of(run, facts.clocks).text
    slot = when(run.slot, facts.clocks) if run.slot else ""
    if verdict is Verdict.RAN:
        return f"Its slot of {slot} came due, and it ran. {outcome}"
    if verdict is Verdict.LATE:
        by = f" {span_text(run.lateness)}" if run.lateness else ""
        why = run.decision or "It was queued in time and started late; its way says where the time went."
        return f"It ran{by} late, for its slot of {slot}. {why}"
    return outcome


def _of_requests(facts: Facts, views: Sequence[RunView]) -> Answer:
    """No slot was due; what ran all the same was asked for, or came late."""
    lead = views[0]
    evidence = [item for view in views for item in explain_runs.evidence_of(view, facts.clocks)]
    verdict = explain_facts.verdict_of(facts.leads[0])
    if lead.slot is not None:
        summary = _said(verdict, lead, facts)
    else:
        outcome = explain_runs.outcome_of(lead, facts.clocks).text
        summary = f"It was not due; {lead.executed_by} asked for it ({lead.trigger}). {outcome}"
    return Answer(verdict, summary, [*evidence, *_rest(facts)])


def _rest(facts: Facts) -> Iterator[Evidence]:
    left = facts.leads[SHOWN:]
    if left:
        counts = Counter(row.state for row in left)
        said = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        yield Evidence(f"More runs of this minute: {said}.", "runs", None, facts.start, _job_link(facts.job))


# Without a run -------------------------------------------------------------------------------------


def _without_run(actor: Actor, facts: Facts, seen: Fleet) -> Answer:
    job, held = facts.job, facts.held
    if held is None:
        return _before_it_was_made(facts)
    gone = _deleted_then(actor, facts)
    if gone is not None:
        return gone
    early = over_before(job, facts.start, facts.clocks)
    if early is not None:
        return Answer(Verdict.NOT_DUE, early.text, [early])
    if facts.open_slots:
        return _undecided(facts, facts.open_slots[0], seen)
    if held.is_paused and held.schedule.kind is Kind.ONCE and _names(held.schedule, facts):
        return _paused_once(facts, held)
    closed = held.definition.closed
    if closed:
        text = f"It was over: {held.actor} marked it as {closed['status']} in r{held.number}."
        return Answer(Verdict.NOT_DUE, text, [_closed(held, text)])
    if facts.slots:
        text = f"Its slot of {when(facts.slots[0], facts.clocks)} is still to come."
        return Answer(Verdict.NOT_DUE, text)
    return Answer(Verdict.NOT_DUE, f"It was not due: {_schedule_then(held, facts.clocks)}.")


def over_before(job: Job, minute: datetime, clocks: Clocks) -> Evidence | None:
    """That a job that runs once had run before the minute, by a click or at an earlier time."""
    if job.kind != Kind.ONCE or job.next_run_at is not None:
        return None
    found = explain_facts.over_by(job, minute)
    if found is None:
        return None
    text = f"It was over before: its run ended on {when(found[1], clocks)}, and it runs once."
    return Evidence(text, f"run {found[0]}", None, found[1], Link("runs.show", {"run_id": found[0]}))


def _names(schedule: Schedule, facts: Facts) -> bool:
    return schedule.at is not None and facts.start <= schedule.at < facts.end


def _closed(held: Held, text: str) -> Evidence:
    code = (held.definition.closed or {}).get("reason_code")
    return Evidence(text, held.source, Reason(code) if code else None, held.since, held.link)


def _schedule_then(held: Held, clocks: Clocks) -> str:
    if held.schedule.kind is Kind.MANUAL:
        return f"r{held.number} was in force, by which it runs only by hand"
    return f"r{held.number} was in force, {held.text(clocks)}, which has no slot in this minute"


def _before_it_was_made(facts: Facts) -> Answer:
    """Nothing is recorded of the time before the first revision."""
    job = facts.job
    first = explain_revisions.first(job)
    by = f" by {first.actor}" if first else ""
    at = first.created_at if first else job.created_at
    text = f"The job did not exist yet; it was made{by} on {when(at, facts.clocks)}."
    evidence = Evidence(text, "revision r1", None, at, explain_revisions.revision_link(job, 1))
    return Answer(Verdict.UNKNOWN, f"{NO_RECORD}: {lower(text)}", [evidence])


def _paused_once(facts: Facts, held: Held) -> Answer:
    """A message that is paused at its time leaves no run until it is resumed."""
    note = f": “{held.definition.note}”" if held.definition.note else ""
    text = f"It was paused when its time came, and waits to be resumed (r{held.number}){note}."
    evidence = Evidence(text, held.source, Reason.PAUSED, held.since, held.link)
    return Answer(Verdict.BLOCKED, text, [evidence])


def _undecided(facts: Facts, slot: datetime, seen: Fleet) -> Answer:
    """A slot that came without a run: the clock has not come to it yet, or its run is not kept."""
    job, clocks = facts.job, facts.clocks
    named = f"Its slot of {when(slot, clocks)}"
    if job.next_run_at is None or job.next_run_at > slot or job.deleted_at is not None:
        return _no_record(facts, named)
    overdue = facts.now - slot
    clock = explain_clock.evidence_of(seen, clocks, facts.now)
    if seen.clock in (Clock.DOWN, Clock.SILENT):
        text = f"{named} is not decided yet, {span_text(overdue)} after its time: {lower(clock.text)}"
        return Answer(Verdict.WAITING, text, [clock])
    text = f"{named} is not decided yet, {span_text(overdue)} after its time. {clock.text}"
    verdict = Verdict.LATE if overdue > LATE_AFTER else Verdict.WAITING
    found = Evidence(f"{named} is not decided yet.", "jobs", None, slot, _job_link(job))
    return Answer(verdict, text, [found, clock])


def _no_record(facts: Facts, named: str) -> Answer:
    text = f"{named} came by the schedule in force, and no run of it is kept."
    found = [Evidence(text, "runs", None, facts.start, _job_link(facts.job))]
    oldest = explain_facts.first_kept(facts.job)
    if oldest is None or oldest > facts.end:
        since = f"the oldest is of {when(oldest, facts.clocks)}" if oldest else "none is left"
        word = f"Old runs are cleaned up: {since}."
        found.append(Evidence(word, "runs", None, oldest, _job_link(facts.job)))
    return Answer(Verdict.UNKNOWN, f"{NO_RECORD}: {lower(text)}", found)


# Deleted then --------------------------------------------------------------------------------------


def _deleted_then(actor: Actor, facts: Facts) -> Answer | None:
    """That it was deleted in this minute; for a job that came back, as far as that is recorded."""
    job = facts.job
    if job.deleted_at is not None and job.deleted_at < facts.end:
        evidence = explain_revisions.deletion_of(job, facts.clocks)
        return Answer(Verdict.BLOCKED, evidence.text, [evidence])
    for row in _undone(actor, facts):
        undone = _undone_evidence(row, facts)
        if row.filter.get("job") == job.key:
            return Answer(Verdict.BLOCKED, undone.text, [undone])
        if facts.open_slots:
            text = f"{NO_RECORD}: whether this job was among those that were deleted then is not kept."
            return Answer(Verdict.UNKNOWN, text, [undone])
    return None


def _undone(actor: Actor, facts: Facts) -> Sequence[Deletion]:
    """Deletions of that day which were taken back after this minute."""
    query = select(Deletion).where(
        Deletion.org_id == actor.org_id,
        Deletion.at > facts.start - UNDONE_WITHIN,
        Deletion.at <= facts.start,
        Deletion.undone_at >= facts.start,
    )
    return db.session.scalars(query.order_by(Deletion.at.desc()).limit(SHOWN)).all()


def _undone_evidence(row: Deletion, facts: Facts) -> Evidence:
    clocks = facts.clocks
    is_it = row.filter.get("job") == facts.job.key
    what, back = ("it", "it") if is_it else (f"{row.deleted} jobs", "them")
    said = f"{row.actor} deleted {what} on {when(row.at, clocks)}"
    if row.undone_at is not None:
        said += f", and {row.undone_by} brought {back} back on {when(row.undone_at, clocks)}"
    said += "; slots that passed meanwhile are not run"
    return Evidence(ended(said), "deletions", Reason.DELETED, row.at, Link("deletions.index"))


# Around it -----------------------------------------------------------------------------------------


def _around(actor: Actor, facts: Facts, seen: Fleet) -> Iterator[Evidence]:
    """The revision in force, the slots beside the minute, and what else was on its way."""
    for row in facts.beside[:SHOWN]:
        view = runs.load_view(actor, row.id, facts.now, seen)
        outcome = explain_runs.outcome_of(view, facts.clocks)
        asked = when(view.requested_at, facts.clocks)
        text = f"On its way in this minute: a run asked for on {asked}. {outcome.text}"
        yield Evidence(text, outcome.source, None, view.requested_at, outcome.link)
    for held in facts.revisions:
        yield held.evidence(facts.clocks, "was")
        if held.is_paused:
            note = f": “{held.definition.note}”" if held.definition.note else ""
            yield Evidence(
                f"By r{held.number} it was paused{note}.", held.source, Reason.PAUSED, held.since, held.link
            )
    if facts.held is not None:
        yield from _slots_beside(facts, facts.held)


def _slots_beside(facts: Facts, held: Held) -> Iterator[Evidence]:
    """The slots before and after, in words that know of daylight saving."""
    if held.schedule.kind is Kind.MANUAL:
        return
    spell = held.spell()
    for slot in facts.slots[:1]:
        note = spell.marked(slot).note
        if note:
            yield Evidence(note, f"schedule of r{held.number}", None, slot, held.link)
    yield from held.beside(facts.start, facts.clocks)


def _job_link(job: Job) -> Link:
    name = "explain.show" if job.deleted_at is not None else "jobs.show"
    return Link(name, {"job_id": job.id})
