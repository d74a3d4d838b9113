"""Runs whose end is unknown: what is known of them, and a person's word on what happened."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.states import RunState
from console.core.tags import Tag
from console.core.texts import storable
from console.db import resolutions
from console.db.session import transaction
from console.services import audit, following, mail, pushing, runs
from console.services.run_views import LogLine, RunView

LONGEST_NOTE = 500
JOB_NOTE = 200


@dataclass(frozen=True)
class Question:
    """What the page asks about a run: whether the message arrived, or whether it happened.

    `message_id` is what to search for, None for a task that sends nothing.
    """

    text: str
    yes: str
    no: str
    message_id: str | None
    last_line: LogLine | None


def question(run: RunView, last_line: LogLine | None) -> Question | None:
    """What is to be asked about the run, and what is known of it; None unless its end is unknown."""
    if run.state is not RunState.UNKNOWN:
        return None
    if is_message(run):
        words = ("Did the message arrive?", "Yes, it arrived", "No, it did not")
        return Question(*words, mail.message_id(str(run.id)), last_line)
    return Question("Did it happen?", "Yes, it happened", "No, it did not", None, last_line)


def said(run: RunView) -> str:
    """What a person has said of the run, and what that means for its job; empty for a run like any other."""
    if run.resolved is None:
        return ""
    verb = "Send now" if is_message(run) else "Run now"
    if run.state is RunState.SUCCEEDED:
        return f"Settled: it {_word(True, is_message(run))}."
    return f"Settled: it {_word(False, is_message(run))}. {verb} is free again."


def _word(succeeded: bool, is_message: bool) -> str:
    if is_message:
        return "arrived" if succeeded else "did not arrive"
    return "happened" if succeeded else "did not happen"


def is_message(run: RunView) -> bool:
    """Whether the run's task sends."""
    task = registry.get(run.task)
    return task is not None and task.sends


def resolve(actor: Actor, run_id: UUID, *, succeeded: bool, note: str | None, now: datetime) -> RunView:
    """Settles a run whose end is unknown, by what a person has found out; the role operator may.

    Raises `NotFound`, `Invalid` for a note of more than 500 characters, and `Refused` for a run that is
    not unknown: of two people who settle it at once, the second is told what the first has said.
    """
    actor.require(Permission.RESOLVE_RUNS)
    note = _checked(note)
    with transaction():
        before = runs.load_view(actor, run_id, now)
        wanted = _settlement(actor, before, succeeded, note)
        followers = following.settle(wanted, before.job_id, is_dry=before.dry_run, now=now)
        if followers is None:
            raise _refusal(runs.load_view(actor, run_id, now))
        after = runs.load_view(actor, run_id, now)
        subject = audit.Subject("run", run_id)
        old = {"state": before.state, "reason_code": before.reason_code}
        new = {"state": after.state, "job_id": str(after.job_id)}
        audit.add(actor, Tag.RUN_RESOLVED, subject, now=now, old=old, new=new, reason=note)
    pushing.push_if_any(followers, now=now)
    return after


def _checked(note: str | None) -> str | None:
    given = (note or "").strip()
    if len(given) > LONGEST_NOTE:
        text = f"at most {LONGEST_NOTE} characters; there are {len(given)}"
        raise Invalid(f"The note may have {text}. Nothing was changed.", fields={"note": [text]})
    return storable(given, LONGEST_NOTE) or None


def _settlement(actor: Actor, run: RunView, succeeded: bool, note: str | None) -> resolutions.Settlement:
    job_note = f"{_word(succeeded, is_message(run))}, says {actor.name}" + (f": {note}" if note else "")
    return resolutions.Settlement(
        run_id=run.id,
        org_id=actor.org_id,
        state=RunState.SUCCEEDED if succeeded else RunState.FAILED,
        is_good=succeeded,
        resolved_by=actor.name,
        note=note,
        job_note=storable(job_note, JOB_NOTE),
    )


def _refusal(run: RunView) -> Refused:
    if run.resolved:
        said = f"{run.resolved.by} has settled this run already: it is {run.state}."
    elif run.state.is_terminal:
        said = f"This run is {run.state}, so there is nothing to settle."
    else:
        said = f"This run is {run.state}; it can be settled only if it ends as unknown."
    return Refused(f"{said} Nothing was changed.")
