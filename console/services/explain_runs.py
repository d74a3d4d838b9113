"""What a run says of a minute: how it ended or what it waits for, who asked for it, and its way."""

from collections.abc import Iterator, Mapping

from console.core.explaining import Clocks, Evidence, Link, ended, lower, sentence, when
from console.core.reasons import Reason
from console.core.spans import span_text
from console.core.states import RunState, Trigger
from console.services.run_views import RunView

ENDS = {
    RunState.FAILED: "The run failed",
    RunState.STOPPED: "The run was stopped",
    RunState.SKIPPED: "It was skipped",
    RunState.MISSED: "It was missed",
    RunState.UNKNOWN: "Nobody knows whether the run took effect",
}


def source_of(run: RunView) -> str:
    return f"run {run.id}"


def link_of(run: RunView) -> Link:
    return Link("runs.show", {"run_id": run.id})


def evidence_of(run: RunView, clocks: Clocks) -> list[Evidence]:
    """All that is recorded of one run, the decisive piece first."""
    return [outcome_of(run, clocks), *_more(run, clocks)]


def outcome_of(run: RunView, clocks: Clocks) -> Evidence:
    """How it ended, or why it has not ended yet."""
    at = run.finished_at or run.started_at or run.queued_at or run.requested_at
    code, text = _outcome(run, clocks)
    dry = "As a dry run, which changes nothing: " if run.dry_run else ""
    return Evidence(sentence(f"{dry}{lower(text) if dry else text}"), source_of(run), code, at, link_of(run))


def _outcome(run: RunView, clocks: Clocks) -> tuple[Reason | None, str]:
    if not run.state.is_terminal:
        return _active(run, clocks)
    if run.state is RunState.SUCCEEDED:
        took = f" in {span_text(run.duration)}" if run.duration is not None else ""
        return run.reason_code, f"The run succeeded{took}{_summary(run)}"
    said = run.reason or (run.reason_code.text if run.reason_code else "")
    message = str(run.error.get("message") or "") if isinstance(run.error, Mapping) else ""
    more = f" ({message})" if message and message not in said else ""
    if run.state in (RunState.SKIPPED, RunState.MISSED):
        said = lower(said)  # the console's own sentence; an error keeps its letters
    return run.reason_code, f"{ENDS[run.state]}: {said}{more}" if said else ENDS[run.state]


def _summary(run: RunView) -> str:
    found = run.result.get("summary") if isinstance(run.result, Mapping) else None
    return f": {found}" if found else ""


def _active(run: RunView, clocks: Clocks) -> tuple[Reason | None, str]:
    """What an active run waits for; a hop that is silent says why."""
    since = when(run.started_at or run.queued_at or run.requested_at, clocks)
    code = run.silence.reason if run.silence else run.reason_code
    silent = f": {run.silence.sentence}" if run.silence else ""
    if run.stop_requested_at is not None:
        return (
            code,
            f"A run is on its way and was told to stop on {when(run.stop_requested_at, clocks)}{silent}",
        )
    if run.held_by is not None:
        until = f" ({when(run.start_after, clocks)})" if run.start_after else ""
        return code or run.decision_code, f"A run is held: it {run.waits_for}{until}{silent}"
    if run.state is RunState.RUNNING:
        return code, f"A run is going on since {since} on {run.worker or 'a worker'}{silent}"
    if run.state is RunState.RETRYING:
        again = f"; the next attempt is due on {when(run.retry_at, clocks)}" if run.retry_at else ""
        said = f" ({run.reason})" if run.reason else ""
        return code, f"Attempt {run.attempt} of {run.max_attempts} failed{said}{again}{silent}"
    return code, f"A run is queued since {since}{silent or ' and waits for a worker to take it'}"


def _more(run: RunView, clocks: Clocks) -> Iterator[Evidence]:
    source, link = source_of(run), link_of(run)
    if run.decision:
        yield Evidence(sentence(run.decision), source, run.decision_code, run.requested_at, link)
    yield Evidence(ended(_asked(run, clocks)), source, None, run.requested_at, link)
    if run.resolved:
        note = f": {run.resolved.note}" if run.resolved.note else ""
        said = f"{run.resolved.by} settled it on {when(run.resolved.at, clocks)} as {run.state}{note}"
        yield Evidence(ended(said), source, None, run.resolved.at, link)
    if run.started_at is not None:
        yield Evidence(way_of(run, clocks), source, None, run.started_at, link)


def _asked(run: RunView, clocks: Clocks) -> str:
    """What asked for it; of a slot, who decided it."""
    by = run.executed_by
    if run.slot is not None:
        return f"Its slot of {when(run.slot, clocks)} was decided by {by} on {when(run.requested_at, clocks)}"
    agreed = f", approved by {run.approved_by}" if run.approved_by else ""
    at = when(run.requested_at, clocks)
    if run.trigger is Trigger.RETRY:
        return f"{by} asked on {at} for run {run.cause_id} to be tried again{agreed}"
    if run.trigger is Trigger.CHAIN:
        return f"It followed run {run.cause_id} in a chain on {at}{agreed}"
    return f"{by} asked for it on {at} ({run.trigger}){agreed}"


def way_of(run: RunView, clocks: Clocks) -> str:
    """Each hop with its duration; a slow one is called so."""
    parts = []
    for hop in run.hops:
        if hop.at is None or hop.name == "seen":
            continue
        slow = " (slow)" if hop.is_slow else ""
        span = f" +{hop.seconds:.2f} s" if hop.seconds is not None else f" {when(hop.at, clocks)}"
        parts.append(f"{hop.name}{span}{slow}")
    return f"Its way: {', '.join(parts)}."
