"""What becomes of each slot that has come due: run, hold, skip it or let it go, always with the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.jitter import start_of
from console.core.reasons import Reason, Refusal
from console.core.schedule import Schedule, next_slot
from console.core.spans import instant_text, span_text
from console.core.states import CatchUp, Hold, Overlap, RunState

LATE_AFTER = timedelta(seconds=60)
SLOTS_PER_PASS = 200


@dataclass(frozen=True)
class DueJob:
    """What the decision depends on; `slot` is the first undecided one.

    `has_waiting_run` says that one of its runs is held until another one ends, `refusal` what the
    task's own rules say of a run now, `revised_at` when the definition was made that is in force.
    `tick_grace` is how long after its time a slot may be found by an external cron that ticks as it
    should; None when a scheduler decides.
    """

    id: UUID
    schedule: Schedule
    zone: ZoneInfo
    slot: datetime
    is_paused: bool
    has_active_run: bool
    has_waiting_run: bool
    overlap: Overlap
    catch_up: CatchUp
    catch_up_window: timedelta | None
    jitter: timedelta | None
    refusal: Refusal | None
    revised_at: datetime | None
    tick_grace: timedelta | None = None


@dataclass(frozen=True)
class Decision:
    """The word on one slot; `state` is queued, skipped, missed or failed.

    `reason` and `detail` say why it is not run or, of a queued one, what a policy made of it.
    A queued one with `held_by` is not pushed yet: not before `start_after`, if that is given, and
    not before the runs that it waits for have ended.
    """

    slot: datetime
    state: RunState
    reason: Reason | None = None
    detail: str | None = None
    held_by: Hold | None = None
    start_after: datetime | None = None


@dataclass(frozen=True)
class Decided:
    """All slots of one pass in their order, and the first slot that is left (due or not)."""

    decisions: tuple[Decision, ...]
    next_run_at: datetime | None


def decide(job: DueJob, now: datetime) -> Decided:
    """Decides up to `SLOTS_PER_PASS` due slots; what is left over comes with the next pass."""
    due, following = _slots(job, now)
    found = _Pass(job, now, due, is_last=following is None or following > now)
    return Decided(tuple(_decide_slot(found, slot) for slot in due), following)


@dataclass
class _Pass:
    """The slots of one pass, and what the ones before have come to."""

    job: DueJob
    now: datetime
    due: list[datetime]
    is_last: bool

    def __post_init__(self) -> None:
        self.is_busy = self.job.has_active_run
        self.is_waiting = self.job.has_waiting_run

    def is_latest(self, slot: datetime) -> bool:
        return self.is_last and slot == self.due[-1]

    def is_within_tick(self, slot: datetime) -> bool:
        """Whether no external cron could be expected to find it sooner."""
        return self.job.tick_grace is not None and self.now - slot <= self.job.tick_grace


def _slots(job: DueJob, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The due slots of one pass, and the slot that follows them."""
    found: list[datetime] = []
    slot: datetime | None = job.slot
    while slot is not None and slot <= now and len(found) < SLOTS_PER_PASS:
        found.append(slot)
        slot = next_slot(job.schedule, job.zone, slot)
    return found, slot


def _decide_slot(found: _Pass, slot: datetime) -> Decision:
    job = found.job
    if job.is_paused:
        return Decision(slot, RunState.SKIPPED, Reason.PAUSED)
    missed = _missed(found, slot)
    if missed is not None:
        return Decision(slot, RunState.MISSED, Reason.OUTSIDE_CATCHUP_WINDOW, missed)
    if job.refusal is not None:
        state = RunState.FAILED if job.refusal.reason is Reason.EXCEPTION else RunState.SKIPPED
        return Decision(slot, state, job.refusal.reason, job.refusal.sentence)
    return _overlapped(found, slot)


def _missed(found: _Pass, slot: datetime) -> str | None:
    """Why a slot that was found late is let go; None when it is run."""
    job, lateness = found.job, found.now - slot
    if lateness <= LATE_AFTER:
        return None
    policy, window = f"(catch-up {job.catch_up})", job.catch_up_window
    begun = f"Found {span_text(lateness)} after its time, for {_cause(found, slot)[1]};"
    is_expected = found.is_within_tick(slot) and found.is_latest(slot)
    if job.catch_up is CatchUp.NONE and not is_expected:
        return f"{begun} late slots are let go {policy}."
    if window is not None and lateness > window:
        return f"{begun} slots later than {span_text(window)} are let go {policy}."
    if job.catch_up is CatchUp.LATEST and not found.is_latest(slot):
        return f"{begun} a late slot is run only when none is due after it {policy}."
    return None


def _overlapped(found: _Pass, slot: datetime) -> Decision:
    """What the overlap policy makes of a slot that is to be run."""
    overlap = found.job.overlap
    if overlap is Overlap.CANCEL_OTHER and not found.is_latest(slot):
        detail = f"A later slot took its place {_policy(overlap)}."
        return Decision(slot, RunState.SKIPPED, Reason.OVERLAP, detail)
    if not found.is_busy or overlap is Overlap.ALLOW_ALL:
        found.is_busy = True
        return _queued(found, slot, None)
    if overlap is Overlap.SKIP:
        detail = f"The run before it was still active {_policy(overlap)}."
        return Decision(slot, RunState.SKIPPED, Reason.OVERLAP, detail)
    if overlap is Overlap.BUFFER_ONE and found.is_waiting:
        detail = f"The run before it was still active, and one slot waited already {_policy(overlap)}."
        return Decision(slot, RunState.SKIPPED, Reason.OVERLAP, detail)
    found.is_waiting = True
    return _queued(found, slot, Hold(overlap))


def _queued(found: _Pass, slot: datetime, held_by: Hold | None) -> Decision:
    """A slot that is run: at once, at its own time, or when other runs have ended."""
    if held_by is None and not found.job.jitter and found.now - slot <= LATE_AFTER:
        return Decision(slot, RunState.QUEUED)  # as most are; what follows says why one is not so
    start = start_of(found.job.id, slot, found.job.jitter)
    start_after = start if start > found.now else None
    if start_after is not None and held_by is None:
        held_by = Hold.JITTER
    words = _words(found, slot, held_by, start_after)
    code = next((code for code, _ in words if code), None)
    text = " ".join(text for _, text in words) or None
    return Decision(slot, RunState.QUEUED, code, text, held_by, start_after)


def _words(
    found: _Pass, slot: datetime, held_by: Hold | None, start_after: datetime | None
) -> list[tuple[Reason | None, str]]:
    """What there is to say of a slot that is not simply run on time."""
    words: list[tuple[Reason | None, str]] = []
    if found.now - slot > LATE_AFTER:
        words.append(_late(found, slot))
    if held_by is Hold.BUFFER_ONE:
        words.append((Reason.OVERLAP, f"Waited for the run before it to end {_policy(held_by)}."))
    if held_by is Hold.CANCEL_OTHER:
        words.append(
            (Reason.OVERLAP, f"Earlier runs that were still active were told to stop {_policy(held_by)}.")
        )
    if start_after is not None:
        limit = span_text(found.job.jitter or timedelta(0))
        words.append((None, f"Starts {span_text(start_after - slot)} after its slot (jitter up to {limit})."))
    return words


def _late(found: _Pass, slot: datetime) -> tuple[Reason | None, str]:
    job, count = found.job, len(found.due)
    code, cause = _cause(found, slot)
    begun = f"Decided {span_text(found.now - slot)} late, for {cause}"
    if job.catch_up is CatchUp.LATEST and count > 1:
        among = f"the latest of {count} slots that were still undecided"
        return code, f"{begun}: {among} (catch-up {job.catch_up})."
    return code, f"{begun} (catch-up {job.catch_up})."


def _cause(found: _Pass, slot: datetime) -> tuple[Reason | None, str]:
    """Why a slot was found late, in words that are true of a scheduler that was away and of a busy one.

    A message that was paused at its time, or was moved to one that had passed, waited for no scheduler.
    """
    job = found.job
    if job.revised_at is not None and job.revised_at > slot:
        return None, "its job was resumed or edited after that"
    if job.tick_grace is None:
        return Reason.SCHEDULER_DOWN, "no scheduler came to it sooner"
    code = None if found.is_within_tick(slot) else Reason.SCHEDULER_DOWN
    return code, "no tick of the external cron came to it sooner"


def took_place(slot: datetime, zone: ZoneInfo) -> str:
    """What is said of a run that a later slot replaced."""
    return f"The slot of {instant_text(slot, zone)} took its place {_policy(Overlap.CANCEL_OTHER)}."


def _policy(overlap: Overlap | Hold) -> str:
    return f"(overlap {overlap})"
