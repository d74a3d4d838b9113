"""Callboard: the operations console for scheduled work on RQ that can always say why."""

from console.core.errors import OutcomeUnknown
from console.core.reasons import Reason, Refusal
from console.core.registry import task
from console.core.task import About, Backoff, Check, Params, Preview, Result, Run

__all__ = [
    "About",
    "Backoff",
    "Check",
    "OutcomeUnknown",
    "Params",
    "Preview",
    "Reason",
    "Refusal",
    "Result",
    "Run",
    "task",
]
