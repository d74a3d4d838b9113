"""Is everything there? One line for each part, and what to do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from console.core.errors import Unavailable
from console.core.hops import Clock
from console.core.spans import span_text
from console.core.states import Light
from console.db.session import db, reading
from console.queue import QueueUnavailable, queues
from console.services import alert_history, audit_state, mail, migrations, workers
from console.services.process_views import Pulse


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
    processes = [_scheduler(pulse), _workers(pulse), _queues(pulse), _watcher(pulse)]
    return [*checks, *processes, _mail(), _alerts(now), _trail(now)]


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


def _watcher(pulse: Pulse) -> Check:
    """Whether anything seals the audit trail, ends what has expired, and sends alerts."""
    is_fine = pulse.watcher is not Light.RED
    advice = "" if is_fine else "Run `python -m console watcher`; without it no alert goes out."
    return Check("watcher", is_fine, "is alive" if is_fine else "none is alive", advice)


def _alerts(now: datetime) -> Check:
    """Whether all that was to be sent in the last day was taken."""
    failed = alert_history.failed_since(since=now - timedelta(days=1))
    if not failed:
        return Check("alerts", True, "nothing was given up in the last day")
    text_ = f"{failed} message{'' if failed == 1 else 's'} of the last day reached nobody"
    return Check("alerts", False, text_, "See /settings/alerts/history, and test their channels.")


def _mail() -> Check:
    is_set = mail.is_configured()
    return Check(
        "mail", is_set, "a server is set" if is_set else "no server is set", "" if is_set else "Set SMTP_URL."
    )


def _trail(now: datetime) -> Check:
    """Whether the audit trail is being sealed, and was whole when it was last verified."""
    found = audit_state.state()
    if found.broken:
        name, sentence = next(iter(found.broken.items()))
        advice = f"Keep a copy of database and logs, then run `python -m console audit verify` for {name}."
        return Check("audit", False, f"the trail of {name} is broken: {sentence}", advice)
    if found.is_late(now):
        age = span_text(now - (found.waiting_since or now))
        return Check("audit", False, f"entries wait {age} for their seal", "Run `python -m console watcher`.")
    trails = "the trail of 1 org is" if found.orgs == 1 else f"the trails of {found.orgs} orgs are"
    when = f", last {span_text(now - found.sealed_at)} ago" if found.sealed_at else ""
    return Check("audit", True, f"{trails} sealed{when}")
