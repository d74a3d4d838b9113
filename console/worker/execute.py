"""`execute(run_id)`: claim → prepare → call → record, over one run."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from flask import Flask
from pydantic import ValidationError
from rq.timeouts import BaseTimeoutException, UnixSignalDeathPenalty

from console.core import rehearsal
from console.core.clock import utc_now
from console.core.errors import ConsoleError, OutcomeUnknown, Unavailable
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import RunState
from console.core.task import Check, LogLimitExceeded, Result, Run, Task
from console.core.texts import NotJson, as_json, storable
from console.services import claims, execution, mail, rehearsals
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.worker.voice import Voice

TRACEBACK_LIMIT = 64 * 1024
MESSAGE_LIMIT = 4 * 1024
TRY_AGAIN_AFTER = 1.0
log = structlog.get_logger()

Announce = Callable[[Claim, int], None]


class TaskTimeout(BaseTimeoutException):
    """The task took longer than it may."""


class TaskExited(Exception):
    """The task called exit."""


def execute(
    app: Flask,
    run_id: UUID,
    *,
    worker: str,
    announce: Announce = lambda claim, timeout: None,
    returned: Callable[[], None] = lambda: None,
    clock: Callable[[], datetime] = utc_now,
) -> RunState | None:
    """Executes one run to its end and answers its state; None when it was not to be had.

    `announce` is told of the claim and the task's timeout in seconds before the task is called,
    `returned` when it has returned: from then on there is no deadline.
    However long Postgres is away, it waits.
    """
    claim = _claim(app, run_id, worker, clock)
    task = registry.get(claim.task) if claim else None
    if claim is None or task is None:
        log.info("a ticket without a queued run was dropped", action="run.dropped", run_id=str(run_id))
        return None
    announce(claim, _seconds(task, claim))
    voice = Voice(app, claim, clock)
    outcome = _told(task, claim, _call(app, task, claim, voice, clock()))
    returned()
    voice.close()
    return _record(app, claim, outcome, clock)


def _claim(app: Flask, run_id: UUID, worker: str, clock: Callable[[], datetime]) -> Claim | None:
    """Claims the run; a claim that Postgres committed while the connection broke is found again."""
    since, is_first = clock(), True
    while True:
        try:
            with app.app_context():
                found = execution.claim(run_id, worker=worker, offered=registry.offered(), now=clock())
                return found or (None if is_first else claims.regain(run_id, worker=worker, since=since))
        except Unavailable:
            is_first = False
            log.warning("a claim waits for Postgres", action="run.wait", run_id=str(run_id))
            time.sleep(TRY_AGAIN_AFTER)


def _call(app: Flask, task: Task, claim: Claim, voice: Voice, now: datetime) -> Outcome:
    """Calls the task's function and turns whatever comes of it into an outcome."""
    try:
        with app.app_context(), _performing(task, claim, voice):
            refusal = _refusal(task, claim, now)
            if refusal is not None:
                return Outcome(RunState.SKIPPED, refusal.reason, refusal.sentence)
            answer = task.function(_run(task, claim, voice, now))
        return Outcome(RunState.SUCCEEDED, result=_result(answer), changes=voice.changes)
    except (TaskTimeout, BaseTimeoutException) as error:
        return _failed(Reason.TIMEOUT, _too_long(task, claim), error, voice)
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        return _failed(Reason.EXCEPTION, f"The task called exit ({error}).", TaskExited(str(error)), voice)
    except NotJson as error:
        return _failed(Reason.EXCEPTION, f"{error}.", error, voice)
    except LogLimitExceeded as error:
        return _failed(Reason.EXCEPTION, str(error), error, voice)
    except ConsoleError as error:
        return _known(error, voice, is_dry=claim.dry_run)
    except BaseException as error:
        return _failed(Reason.EXCEPTION, f"{type(error).__name__}: {error}", error, voice)


@contextmanager
def _performing(task: Task, claim: Claim, voice: Voice) -> Iterator[None]:
    """What stands around the task's own code: its deadline, and for a dry run the rehearsal."""
    seconds = _seconds(task, claim)
    with rehearsals.performing(voice, dry_run=claim.dry_run, seconds=seconds):
        with UnixSignalDeathPenalty(seconds, TaskTimeout):
            yield


def _seconds(task: Task, claim: Claim) -> int:
    return rehearsal.seconds_of(task.timeout, is_rehearsal=claim.dry_run)


def _too_long(task: Task, claim: Claim) -> str:
    seconds = _seconds(task, claim)
    if seconds == task.timeout:
        return f"The task took longer than its {task.timeout} s."
    return f"The dry run took longer than {seconds} s, and it may hold up others for no longer."


def _known(error: ConsoleError, voice: Voice, *, is_dry: bool) -> Outcome:
    """One that says itself whether another attempt is of use, or that nobody knows whether it took effect.

    Of a dry run everybody knows that it took none.
    """
    outcome = _failed(error.reason or Reason.EXCEPTION, error.detail, error, voice)
    state = RunState.UNKNOWN if isinstance(error, OutcomeUnknown) and not is_dry else RunState.FAILED
    return replace(outcome, state=state, may_retry=not error.is_final)


def _told(task: Task, claim: Claim, outcome: Outcome) -> Outcome:
    """One that failed after its mail was taken is not tried again: another attempt would send a second."""
    if outcome.state is not RunState.FAILED or task.idempotent or not mail.was_taken(str(claim.run_id)):
        return outcome
    detail = f"{outcome.detail} Its mail had gone out before, so it is not tried again."
    return replace(outcome, detail=storable(detail, MESSAGE_LIMIT), may_retry=False)


def _refusal(task: Task, claim: Claim, now: datetime) -> Refusal | None:
    check = Check(str(claim.org_id), claim.args, claim.recipient, now, str(claim.job_id))
    return task.requires(check) if task.requires else None


def _run(task: Task, claim: Claim, voice: Voice, now: datetime) -> Run:
    try:
        args = task.params.model_validate(dict(claim.args))
    except ValidationError as error:
        raise ConsoleError(f"The arguments are not what the task takes: {error}") from error
    return Run(
        id=str(claim.run_id),
        org_id=str(claim.org_id),
        job_id=str(claim.job_id),
        attempt=claim.attempt,
        now=now,
        dry_run=claim.dry_run,
        args=args,
        recipient=claim.recipient,
        recorder=voice,
    )


def _result(answer: object) -> Any:
    if isinstance(answer, Result):
        answer = {"summary": answer.summary, **answer.data} if answer.summary else dict(answer.data)
    if answer is not None and not isinstance(answer, Mapping):
        answer = {"value": answer}
    return as_json(answer)


def _failed(reason: Reason, detail: str, error: BaseException, voice: Voice) -> Outcome:
    lines = "".join(traceback.format_exception(error))
    described = {
        "type": type(error).__name__,
        "message": storable(str(error), MESSAGE_LIMIT),
        "traceback": storable(lines, TRACEBACK_LIMIT),
    }
    sentence = storable(detail, MESSAGE_LIMIT)
    return Outcome(RunState.FAILED, reason, sentence, error=described, changes=voice.changes)


def _record(app: Flask, claim: Claim, outcome: Outcome, clock: Callable[[], datetime]) -> RunState | None:
    """Records the outcome, however long Postgres is away; the task has run, so it must not be forgotten."""
    while True:
        try:
            with app.app_context():
                state = execution.finish(claim, outcome, now=clock())
        except Unavailable:
            log.warning("an outcome waits for Postgres", action="run.wait", run_id=str(claim.run_id))
            time.sleep(TRY_AGAIN_AFTER)
            continue
        except Exception as error:
            if outcome.reason is Reason.EXCEPTION and outcome.error is None:
                raise  # not even the bare outcome can be stored
            log.exception("an outcome can't be stored", action="run.unstorable", run_id=str(claim.run_id))
            outcome = _bare(error)
            continue
        log.info(
            "a run has ended", action="run.end", run_id=str(claim.run_id), state=state, attempt=claim.attempt
        )
        return state


def _bare(error: Exception) -> Outcome:
    """What is recorded in the place of an outcome that Postgres refuses; what has run is not repeated."""
    detail = f"The task ended, and its outcome could not be stored: {type(error).__name__}"
    return Outcome(RunState.FAILED, Reason.EXCEPTION, detail, may_retry=False)
