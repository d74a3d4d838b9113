"""The worker: an RQ worker class, its persistent work horse, and `execute(run_id)`."""

from console.worker.execute import execute
from console.worker.process import RunWorker, main

__all__ = ["RunWorker", "execute", "main"]
