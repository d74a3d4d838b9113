"""What every figure needs: fresh servers, an app, an org, and jobs in bulk."""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.app import create_app
from console.core.actor import Actor
from console.core.states import ActorKind, Role
from console.db.session import db
from console.embedded import start_postgres, start_valkey
from console.services import migrations, orgs

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stage:
    """A running set of servers with an empty database and one org."""

    app: APIFlask
    redis: Redis
    actor: Actor

    def command(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A process of the product on these servers."""
        return subprocess.Popen(
            [sys.executable, "-m", "console", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL
        )


@contextmanager
def stage() -> Iterator[Stage]:
    """Fresh servers in a folder that goes afterwards; log lines below warnings are left out."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres, valkey = start_postgres(home), start_valkey(home)
        os.environ |= {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "SMTP_URL": "smtp://127.0.0.1:1",
            "CONSOLE_HOME": str(home),
            "CONSOLE_TASKS": "bench.tasks",
            "LOG_FORMAT": "text",
        }
        try:
            yield from _ready()
        finally:
            valkey.stop()
            postgres.stop()


def _ready() -> Iterator[Stage]:
    app = create_app()
    with app.app_context():
        migrations.upgrade()
        org_id = orgs.create_org("Bench", "bench", "UTC")
        actor = Actor(ActorKind.SYSTEM, org_id, "Bench", "UTC", Role.ADMIN, "bench")
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            yield Stage(app, redis, actor)
        db.session.remove()
        db.engine.dispose()


INSERT = """
    INSERT INTO jobs (org_id, key, name, task, category, kind, schedule, timezone, next_run_at,
                      applied_revision)
    SELECT :org, :prefix || number, 'Job ' || lpad(number::text, 8, '0'), 'bench.tasks.nothing', 'Bench',
           'interval', jsonb_build_object('type', 'interval', 'every_seconds', 86400), 'UTC',
           CAST(:first AS timestamptz) + number * CAST(:apart AS interval), 1
    FROM generate_series(1, :count) AS number
"""


def insert_jobs(
    org_id: UUID, count: int, *, first: datetime, apart: str = "0 s", prefix: str = "job_"
) -> None:
    """`count` daily jobs, the first of which comes due `apart` after `first`."""
    values = {"org": org_id, "count": count, "first": first, "apart": apart, "prefix": prefix}
    db.session.execute(text(INSERT), values)
    db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))


def timed(work: Callable[[], object]) -> float:
    """How many seconds the work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def verdict(name: str, ratio: float, bar: float, *, at_least: bool) -> None:
    """Prints a ratio beside its bar, and whether it is met."""
    is_met = ratio >= bar if at_least else ratio <= bar
    word = "at least" if at_least else "at most"
    print(f"{name}: {ratio:.2f} ({word} {bar:g}: {'met' if is_met else 'NOT MET'})", flush=True)
