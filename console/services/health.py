"""Is everything there? One line for each part, and what to do about it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from console.core.errors import Unavailable
from console.core.hops import Clock
from console.core.spans import span_text
from console.db.session import db, reading
from console.queue import QueueUnavailable, queues
from console.services import mail, migrations, workers
from console.services.views import Pulse


@dataclass(frozen=True)
class Check:
    """One finding; `advice` says what to do when it is not ok."""

    name: str
    ok: bool
    text: str
    advice: str = ""


def readiness() -> list[Check]:
    """Postgres, its migrations, and Redis: what a page needs to be served."""
    postgres = _postgres()
    checks = [postgres]
    if postgres.ok:
        checks.append(_migrations())
    return [*checks, _redis()]


def _postgres() -> Check:
    try:
        with reading():
            version = db.session.scalar(text("SHOW server_version"))
    except Unavailable:
        return Check("postgres", False, "can't be reached", "Start Postgres, or correct DATABASE_URL.")
    return Check("postgres", True, f"answers, version {version}")


def _migrations() -> Check:
    current, head = migrations.current(), migrations.head()
    if current == head:
        return Check("migrations", True, f"current at {current}")
    return Check(
        "migrations", False, f"at {current or 'none'}, not at {head}", "Run `python -m console migrate`."
    )


def _redis() -> Check:
    try:
        queues.ping()
    except QueueUnavailable as error:
        advice = "Start Redis, or correct REDIS_URL; runs wait in Postgres meanwhile."
        return Check("redis", False, f"can't be reached: {error}", advice)
    return Check("redis", True, "answers")


def doctor(*, now: datetime) -> list[Check]:
    """Everything: the above, the scheduler, the workers and the mail server's address."""
    checks = readiness()
    if not all(check.ok for check in checks[:2]):
        return checks
    pulse = workers.pulse(now=now)
    return [*checks, _scheduler(pulse), _workers(pulse), _queues(pulse), _mail()]


def _scheduler(pulse: Pulse) -> Check:
    """Whether a clock is there: a scheduler, or an external cron that ticks."""
    if pulse.clock is Clock.EXTERNAL_CRON:
        return Check("scheduler", True, _words_on_cron(pulse))
    advice = "Run `python -m console scheduler`."
    if pulse.cron is not None:
        advice += " Or see why the external cron no longer calls POST /api/v1/scheduler/tick."
    if pulse.age is None:
        return Check("scheduler", False, _words_on_cron(pulse) if pulse.cron else "was never heard", advice)
    text_ = f"heard {int(pulse.age.total_seconds())} s ago"
    is_fine = pulse.clock is Clock.SCHEDULER
    return Check("scheduler", is_fine, text_, "" if is_fine else advice)


def _words_on_cron(pulse: Pulse) -> str:
    age = pulse.as_of - (pulse.ticked_at or pulse.as_of)
    return f"none is alive; the external cron ticked {span_text(age)} ago"


def _workers(pulse: Pulse) -> Check:
    advice = "" if pulse.live_workers else "Run `python -m console worker`."
    return Check("workers", pulse.live_workers > 0, f"{pulse.live_workers} alive", advice)


def _queues(pulse: Pulse) -> Check:
    unserved = workers.unserved_queues(pulse)
    if not unserved:
        return Check("queues", True, "each is served by a live worker")
    names = ",".join(unserved)
    return Check(
        "queues", False, f"nobody serves {names}", f"Run `python -m console worker --queues {names}`."
    )


def _mail() -> Check:
    is_set = mail.is_configured()
    return Check(
        "mail", is_set, "a server is set" if is_set else "no server is set", "" if is_set else "Set SMTP_URL."
    )
