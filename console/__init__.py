"""Callboard: the operations console for scheduled work on RQ that can always say why."""

from console.core.reasons import Reason, Refusal
from console.core.registry import task
from console.core.task import Backoff, Check, Params, Result, Run

__all__ = ["Backoff", "Check", "Params", "Reason", "Refusal", "Result", "Run", "task"]
