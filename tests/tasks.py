"""Tasks that behave well and badly."""

import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path

from pydantic import Field
from sqlalchemy import text

from console import Backoff, Check, Params, Reason, Refusal, Result, Run, task
from console.db.session import db, transaction
from console.services import mail


@task(category="Tests", dry_run=True)
def succeed(run: Run) -> Result:
    """Does nothing, well."""
    return Result("all is well", {"attempt": run.attempt})


class Mark(Params):
    path: str
    seconds: float = 0.0


@task(category="Tests", params=Mark, timeout=60)
def mark(run: Run) -> None:
    """Leaves a line in a file for each time that it is called, then takes its time."""
    with Path(run.args.path).open("a") as file:
        file.write(f"{run.id} {run.attempt}\n")
    time.sleep(run.args.seconds)


@task(category="Tests", params=Mark, timeout=60)
def mark_until_told(run: Run) -> None:
    """As mark, and ends when a second file stands beside the first, called as it is and `.end`."""
    mark(run)
    while not Path(f"{run.args.path}.end").exists():
        time.sleep(0.02)


@task(category="Tests", params=Mark, timeout=60, idempotent=True)
def mark_idempotent(run: Run) -> None:
    """As mark, and may be repeated; from the second attempt on it is quick.

    The first one also ends when a second file stands beside the first, called as it is and `.end`.
    """
    with Path(run.args.path).open("a") as file:
        file.write(f"{run.id} {run.attempt}\n")
    ends_at = time.monotonic() + run.args.seconds
    while run.attempt == 1 and time.monotonic() < ends_at and not Path(f"{run.args.path}.end").exists():
        time.sleep(0.02)


@task(category="Tests", params=Mark, timeout=60)
def with_a_child(run: Run) -> None:
    """Starts a process that outlasts it by far, writes its id to a file, and waits for it."""
    with subprocess.Popen(["sleep", "600"]) as child:
        Path(run.args.path).write_text(str(child.pid))


@task(category="Tests")
def explode(run: Run) -> None:
    """Raises."""
    raise ValueError("<b>boom</b>")


class Code(Params):
    code: int = 3


@task(category="Tests", params=Code)
def leave(run: Run) -> None:
    """Ends the process behind Python's back."""
    os._exit(run.args.code)


@task(category="Tests")
def exit_politely(run: Run) -> None:
    """Calls sys.exit."""
    raise SystemExit(4)


@task(category="Tests")
def die(run: Run) -> None:
    """Is killed by a signal in the middle."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(category="Tests", timeout=1)
def never_end(run: Run) -> None:
    """Sleeps for ever."""
    time.sleep(3600)


@task(category="Tests", timeout=1)
def never_end_whatever(run: Run) -> None:
    """Sleeps for ever and swallows what it is told."""
    while True:
        try:
            time.sleep(3600)
        except Exception:  # noqa: S110
            pass


@task(category="Tests", timeout=60)
def ask_for_ever(run: Run) -> None:
    """Waits in a statement that Postgres would work on for an hour."""
    with transaction():
        db.session.execute(text(f"SELECT pg_sleep(3600) /* {run.id} */"))


@task(category="Tests", timeout=1)
def ask_too_long(run: Run) -> None:
    """As ask_for_ever, and may take a second."""
    ask_for_ever(run)


@task(category="Tests")
def return_an_object(run: Run) -> Result:
    """Returns what JSON can't hold."""
    return Result("", {"object": object()})


@task(category="Tests")
def return_nul(run: Run) -> Result:
    """Returns text that Postgres can't hold as it is."""
    return Result("a\x00b", {"lone": "\ud800"})


class Size(Params):
    size: int = Field(default=1_000_000)
    lines: int = 1


@task(category="Tests", params=Size)
def log_much(run: Run) -> None:
    """Logs so many characters in so many lines."""
    for _ in range(run.args.lines):
        run.log("x" * (run.args.size // run.args.lines))


@task(category="Tests", params=Mark)
def talk(run: Run) -> Result:
    """Says something while it runs; takes its time, or ends when `.end` stands beside the file."""
    run.log("first")
    run.progress(1, 2, "halfway")
    ends_at = time.monotonic() + run.args.seconds
    while time.monotonic() < ends_at and not Path(f"{run.args.path}.end").exists():
        time.sleep(0.02)
    run.log("second")
    run.progress(2, 2)
    run.changed("light", "off", "on")
    return Result("said it")


@task(category="Tests", dry_run=True)
def rearrange(run: Run) -> Result:
    """Says what it changes."""
    run.changed("chair", "left", "right")
    run.changed("lamp", None, "on")
    return Result("moved it")


class FailUntil(Params):
    attempt: int = 2


@task(category="Tests", params=FailUntil, retries=Backoff(max=2, base_seconds=0.1))
def flaky(run: Run) -> None:
    """Fails until the given attempt."""
    if run.attempt < run.args.attempt:
        raise RuntimeError(f"not yet at {run.attempt}")


class Letter(Params):
    to: tuple[str, ...] = ("crew@example.com",)
    fails_after: bool = False


# The second attempt follows after a tenth of a second, the third after two.
@task(category="Tests", params=Letter, sends=True, timeout=30, retries=Backoff(max=2, base_seconds=-1.9))
def post(run: Run) -> Result:
    """Sends a mail that names the worker's process, and may fail afterwards."""
    run.log(f"Posting to {', '.join(run.args.to)}.")
    sent = mail.deliver(mail.Message(run.id, run.args.to, "Post", f"worker {os.getppid()}"))
    if run.args.fails_after:
        raise RuntimeError("the ink is spilt")
    return Result("posted", {"message_id": sent.message_id, "refused": dict(sent.refused)})


def weekend(check: Check) -> Refusal | None:
    return Refusal(Reason.WEEKEND) if check.now.weekday() >= 5 else None


def recipient(check: Check) -> Refusal | None:
    return None if check.recipient else Refusal(Reason.MISSING_RECIPIENT)


@task(category="Tests", rules=weekend)
def weekdays_only(run: Run) -> None:
    """Is skipped on weekends when a schedule asks."""


@task(category="Tests", requires=recipient, sends=True)
def needs_recipient(run: Run) -> None:
    """Needs somebody to send to."""


@task(category="Tests", critical=True)
def critical(run: Run) -> None:
    """Needs a second person."""


@task(category="Tests", queue="elsewhere")
def on_another_queue(run: Run) -> None:
    """Waits on a queue of its own."""


@task(category="Tests", aliases=("tests.tasks.old_name",))
def new_name(run: Run) -> None:
    """Was called otherwise before."""


def broken_rule(check: Check) -> Refusal | None:
    raise KeyError("no such thing")


def reading_rule(check: Check) -> Refusal | None:
    """A rule that asks a service, as the rules of plugins do."""
    from console.services.orgs import find_org

    return Refusal(Reason.DISABLED_GLOBAL) if find_org(None) is None else None


@task(category="Tests", rules=broken_rule)
def has_a_broken_rule(run: Run) -> None:
    """Its rule raises."""


@task(category="Tests", requires=broken_rule)
def has_a_broken_requirement(run: Run) -> None:
    """Its requirement raises."""


@task(category="Tests", rules=reading_rule)
def has_a_reading_rule(run: Run) -> None:
    """Its rule reads the database."""


@task(category="Tests")
def change_oddly(run: Run) -> Result:
    """Records changes that JSON can't hold as they are."""
    run.changed("price", Decimal("1.5"), 2)  # type: ignore[arg-type]
    run.changed("nul", "a\x00", None)
    return Result("C:\\u0000x is no escape")


@task(category="Tests", retries=Backoff(max=2))
def return_too_much(run: Run) -> Result:
    """Returns more than is kept."""
    return Result("", {"much": "x" * 3_000_000})


@task(category="Tests", timeout=1)
def quick(run: Run) -> None:
    """Ends at once, within a short timeout."""
