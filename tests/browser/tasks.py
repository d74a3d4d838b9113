"""A task whose every step the test decides."""

import time
from pathlib import Path

from console import Params, Result, Run, task


class Script(Params):
    """The file to read from, and how many lines there will be."""

    path: str
    total: int


@task(title="Read aloud", category="Tests", params=Script, timeout=120)
def read_aloud(run: Run) -> Result:
    """Says each line that is added to a file, until all of them are said."""
    said = 0
    while said < run.args.total:
        lines = Path(run.args.path).read_text().splitlines()
        for line in lines[said:]:
            run.log(line)
            said += 1
            run.progress(said, run.args.total, f"said {line}")
        time.sleep(0.02)
    return Result(f"said {said} lines")
