"""`Prefer: wait=N`: the answer is held back until the run has ended, or N seconds are over."""

import re
from http import HTTPStatus
from threading import BoundedSemaphore

from console.core.actor import Actor
from console.core.clock import utc_now
from console.services import runs
from console.services.run_views import RunView

LONGEST_SECONDS = 30
WAITERS = BoundedSemaphore(4)
"""Of a web process' eight threads, half stay free for those who don't wait."""

WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(;.*)?', re.IGNORECASE)


def wished(prefer: str | None) -> int | None:
    """The seconds of the first `wait` preference, at most 30; None without a readable one (RFC 7240)."""
    for preference in (prefer or "").split(","):
        found = WAIT.fullmatch(preference)
        if found:
            return min(int(found[1]), LONGEST_SECONDS)
    return None


def outcome(actor: Actor, run: RunView, prefer: str | None) -> tuple[RunView, int, dict[str, str]]:
    """The run, its status (200 once it has ended, 202 before) and headers; waits as the caller prefers.

    When four others wait already, the preference is not applied, which the RFC allows.
    """
    headers = {"Location": f"/api/v1/runs/{run.id}"}
    seconds = wished(prefer)
    if seconds is None:
        return run, HTTPStatus.ACCEPTED, headers
    if not run.state.is_terminal:
        if not WAITERS.acquire(blocking=False):
            return run, HTTPStatus.ACCEPTED, headers
        try:
            run = runs.wait(actor, run.id, seconds=seconds, clock=utc_now)
        finally:
            WAITERS.release()
    headers["Preference-Applied"] = f"wait={seconds}"
    return run, HTTPStatus.OK if run.state.is_terminal else HTTPStatus.ACCEPTED, headers
