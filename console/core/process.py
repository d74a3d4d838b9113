"""What Linux knows about processes: who lives, since when, and whose death ends whom."""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(sign: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send `sign` to this process when the thread that started it ends.

    The wish survives exec and is lost by fork and by a change of user, so it is made last of all.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, int(sign), 0, 0, 0)


def dying_with_parent(sign: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` for `Popen`; a parent that died in between ends the child at once."""
    parent = os.getpid()

    def before_exec() -> None:
        die_with_parent(sign)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def started_at(pid: int) -> int | None:
    """Clock ticks after boot at which the process began, None when it is gone or a zombie.

    A pid comes round again; pid and this number together do not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
