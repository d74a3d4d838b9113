"""How an attempt of a run ended, also one that was cut off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import RunState

CUT_OFF = "It was cut off and may have been sending; find out whether it was sent, then settle it."


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `error` is {type, message, traceback}. Without `may_retry` a failure is final."""

    state: RunState
    reason: Reason | None = None
    detail: str | None = None
    result: Any = None
    error: Mapping[str, str] | None = None
    changes: Sequence[Mapping[str, Any]] = ()
    may_retry: bool = True


def stopped(code: str, sentence: str, task: str, is_dry: bool) -> Outcome:
    """How an attempt ends that is cut off: where it may have sent, nobody knows whether it has."""
    if leaves_doubt(task, is_dry=is_dry):
        return Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, f"{sentence.rstrip('.')}. {CUT_OFF}")
    return Outcome(RunState.STOPPED, Reason(code), sentence)


def leaves_doubt(task_path: str, *, is_dry: bool) -> bool:
    """Whether a run of the task that is cut off may have sent something that must not be sent twice."""
    task = registry.get(task_path)
    return task is not None and task.sends and not task.idempotent and not is_dry
