"""The note that a running `up` leaves in CONSOLE_HOME so that other commands find its servers."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from console.core.process import started_at


@dataclass(frozen=True)
class Running:
    """One `up`: its process, and where its servers are. The URLs hold passwords."""

    pid: int
    started: int
    database_url: str
    redis_url: str
    smtp_url: str
    task_modules: str = ""
    """What its CONSOLE_TASKS named, so that other commands know the same tasks."""
    base_url: str = ""
    """How browsers reach it."""


def path_in(home: Path) -> Path:
    return home / "run.json"


def read(home: Path) -> Running | None:
    """What is running on this home; None when there is no note or its process is gone."""
    try:
        running = Running(**json.loads(path_in(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if started_at(running.pid) == running.started else None


def write(
    home: Path, database_url: str, redis_url: str, smtp_url: str, task_modules: str = "", base_url: str = ""
) -> None:
    """Leave the note for this process, readable by its owner only, whole or not at all."""
    pid = os.getpid()
    note = Running(pid, started_at(pid) or 0, database_url, redis_url, smtp_url, task_modules, base_url)
    draft = path_in(home).with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(note), file)
    draft.replace(path_in(home))


def remove(home: Path) -> None:
    path_in(home).unlink(missing_ok=True)
