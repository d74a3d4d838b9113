"""Asks a task's own `requires` and `rules`, which are its author's code and may fail."""

from collections.abc import Iterable
from datetime import datetime

import structlog

from console.core.errors import Refused, Unavailable
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.task import Check, Preview, Task, TaskCheck
from console.db.jobs import Job
from console.db.session import db

log = structlog.get_logger()


def refusal_of(rules: Iterable[TaskCheck | None], check: Check) -> Refusal | None:
    """The first refusal, inside the caller's transaction; a rule that raises refuses with `EXCEPTION`.

    Each rule has a savepoint, so that a statement of its own that fails spoils nothing else.
    """
    for rule in rules:
        refusal = _ask(rule, check) if rule else None
        if refusal is not None:
            return refusal
    return None


def foretold(job: Job, at: datetime) -> Refusal | None:
    """What the rules of the job's task would say, as things stand, of a run by itself `at` that instant."""
    task = registry.get(job.task)
    if task is None or task.rules is None:
        return None
    return refusal_of((task.rules,), Check(str(job.org_id), job.args, job.recipient, at, str(job.id)))


def preview_of(task: Task, check: Check) -> tuple[Preview | None, Refusal | None]:
    """The message that a run would send; one that can't be made refuses with `EXCEPTION`.

    A preview that raises `Refused` itself gives its own reason.
    """
    if task.preview is None:
        return None, None
    try:
        with db.session.begin_nested():
            return task.preview(check), None
    except Unavailable:
        raise
    except Refused as error:
        return None, Refusal(error.reason or Reason.EXCEPTION, error.detail)
    except Exception as error:
        log.info("a message can't be made", action="preview.failed", task=task.path, error=str(error)[:500])
        return None, Refusal(Reason.EXCEPTION, f"The message can't be made: {error}"[:500])


def _ask(rule: TaskCheck, check: Check) -> Refusal | None:
    try:
        with db.session.begin_nested():
            return rule(check)
    except Unavailable:
        raise
    except Exception as error:
        log.exception("a rule of a task failed", action="rule.failed", rule=rule.__qualname__)
        detail = f"The task's rule {rule.__name__} failed: {type(error).__name__}: {error}"[:500]
        return Refusal(Reason.EXCEPTION, detail)
