"""A task that shows progress and log; CONSOLE_TASKS names this module unless it is set."""

import time

from pydantic import Field

from console import Params, Result, Run, task


class Count(Params):
    """How far to count, and how long to wait after each number."""

    to: int = Field(default=10, ge=1, le=1000)
    pause_seconds: float = Field(default=1.0, ge=0, le=10)


@task(title="Count slowly", category="Examples", timeout=600, params=Count, dry_run=True)
def count_slowly(run: Run) -> Result:
    """Counts, ten numbers at one a second unless told otherwise, and says each one aloud."""
    for number in range(1, run.args.to + 1):
        run.log(f"{number}")
        run.progress(number, run.args.to, f"at {number}")
        time.sleep(run.args.pause_seconds)
    return Result(f"counted to {run.args.to}", {"counted": run.args.to})
