"""What becomes of each slot that has come due: run it, skip it or let it go, always with the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from console.core.reasons import Reason
from console.core.schedule import Schedule, next_slot
from console.core.states import CatchUp, Overlap, RunState

LATE_AFTER = timedelta(seconds=60)
SLOTS_PER_PASS = 200


@dataclass(frozen=True)
class DueJob:
    """What the decision depends on; `slot` is the first undecided one."""

    schedule: Schedule
    zone: ZoneInfo
    slot: datetime
    is_paused: bool
    has_active_run: bool
    overlap: Overlap
    catch_up: CatchUp
    catch_up_window: timedelta | None


@dataclass(frozen=True)
class Decision:
    """The word on one slot; `state` is queued, skipped or missed."""

    slot: datetime
    state: RunState
    reason: Reason | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Decided:
    """All slots of one pass in their order, and the first slot that is left (due or not)."""

    decisions: tuple[Decision, ...]
    next_run_at: datetime | None


def decide(job: DueJob, now: datetime) -> Decided:
    """Decides up to `SLOTS_PER_PASS` due slots; what is left over comes with the next pass."""
    due, following = _slots(job, now)
    is_last_pass = following is None or following > now
    decisions: list[Decision] = []
    busy = job.has_active_run
    for index, slot in enumerate(due):
        is_latest = is_last_pass and index == len(due) - 1
        decision = _decide_slot(job, slot, now, is_latest=is_latest, busy=busy)
        busy = busy or decision.state is RunState.QUEUED
        decisions.append(decision)
    return Decided(tuple(decisions), following)


def _slots(job: DueJob, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The due slots of one pass, and the slot that follows them."""
    found: list[datetime] = []
    slot: datetime | None = job.slot
    while slot is not None and slot <= now and len(found) < SLOTS_PER_PASS:
        found.append(slot)
        slot = next_slot(job.schedule, job.zone, slot)
    return found, slot


def _decide_slot(job: DueJob, slot: datetime, now: datetime, *, is_latest: bool, busy: bool) -> Decision:
    if job.is_paused:
        return Decision(slot, RunState.SKIPPED, Reason.PAUSED)
    if not _is_caught_up(job, slot, now, is_latest):
        detail = f"Due while nothing could act; catch-up is “{job.catch_up}”{_window(job)}."
        return Decision(slot, RunState.MISSED, Reason.OUTSIDE_CATCHUP_WINDOW, detail)
    if busy and job.overlap is Overlap.SKIP:
        return Decision(slot, RunState.SKIPPED, Reason.OVERLAP)
    return Decision(slot, RunState.QUEUED)


def _is_caught_up(job: DueJob, slot: datetime, now: datetime, is_latest: bool) -> bool:
    lateness = now - slot
    if lateness <= LATE_AFTER:
        return True
    if job.catch_up is CatchUp.NONE or (job.catch_up_window is not None and lateness > job.catch_up_window):
        return False
    return job.catch_up is CatchUp.ALL or is_latest


def _window(job: DueJob) -> str:
    return f" within {int(job.catch_up_window.total_seconds())} s" if job.catch_up_window else ""
