"""Where a run's own code is performed: a real one as it is, a dry one in a rehearsal that leaves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.core import rehearsal
from console.core.task import Recorder
from console.db.rehearsing import rehearsing


@contextmanager
def performing(recorder: Recorder, *, dry_run: bool, seconds: int) -> Iterator[None]:
    """Around the call of a task, which may take `seconds`; raises as `db.rehearsing.rehearsing`."""
    with rehearsal.performing(recorder, is_rehearsal=dry_run):
        if not dry_run:
            yield
            return
        with rehearsing(seconds=seconds):
            yield
