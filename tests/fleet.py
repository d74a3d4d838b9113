"""`python -m tests.fleet N`: N worker processes, forked from one that has read the program once.

Twenty times the start of an interpreter would be most of a test that kills twenty workers. Each is a
worker as `python -m console worker` makes it, with a horse of its own; they die with this process.
"""

import os
import signal
import sys

from console import worker
from console.app import create_app
from console.core.process import die_with_parent


def main(count: int) -> None:
    app = create_app()
    for number in range(count):
        if os.fork() == 0:
            die_with_parent()
            worker.main(app, name=f"fleet-{number}")
            os._exit(0)
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
