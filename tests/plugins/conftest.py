"""What the tests of the plugins share: mail servers, and jobs executed by a real worker."""

import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from console import plugins
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.settings import Settings
from console.services import jobs, mail, runs
from console.services.run_views import RunView
from console.services.views import JobView
from console.worker import RunWorker
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf
from tests.processes import ROOT, eventually, process

SENDER = "console@north.example"


class Refuse:
    """A mail server's handler that takes no recipient; run by aiosmtpd's own command."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return f"550 5.1.1 <{address}>: no such mailbox here"


class RefuseLate(Refuse):
    """Takes every recipient and then refuses the message itself."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "554 5.7.1 this message looks like a test"


class RefuseSome(Refuse):
    """Takes everybody but those whose address begins with `gone`."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("gone"):
            return await super().handle_RCPT(server, session, envelope, address, options)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 OK"


def free_port() -> int:
    with reserved_port() as port:
        return port


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given until the end of the block; a server that is told it may listen there.

    Whoever connects before that is refused. Linux gives a port to a server although this socket has it, for
    both say SO_REUSEADDR and this one does not listen.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def greets(port: int) -> bool:
    with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=2) as server:
        return server.noop()[0] == 250
    return False


@contextmanager
def refusing(handler: str, port: int) -> Iterator[None]:
    """aiosmtpd with this class as its handler, in a process of its own: the worker forks from this one."""
    command = [
        sys.executable,
        "-m",
        "aiosmtpd",
        "-n",
        "-l",
        f"127.0.0.1:{port}",
        "-c",
        f"{__name__}.{handler}",
    ]
    started = subprocess.Popen(command, cwd=ROOT)
    try:
        eventually(lambda: greets(port))
        yield
    finally:
        started.terminate()
        started.wait(60)


@contextmanager
def mailing(port: int, settings: Settings) -> Iterator[int]:
    """Mail goes to this port."""
    mail.configure(f"smtp://127.0.0.1:{port}", SENDER)
    yield port
    mail.configure(settings.smtp_url, settings.from_email)


@contextmanager
def catching(port: int, servers: Servers) -> Iterator[int]:
    """The product's own catcher on the port."""
    with process(servers.environment, "catcher", "--port", str(port)):
        eventually(lambda: greets(port))
        yield port


@pytest.fixture
def port(app: object, settings: Settings) -> Iterator[int]:
    """The port to which mail goes; nobody listens there yet."""
    with reserved_port() as free, mailing(free, settings) as chosen:
        yield chosen


@pytest.fixture(scope="session")
def one_catcher(one_app: object, servers: Servers) -> Iterator[int]:
    with reserved_port() as free, catching(free, servers) as chosen:
        yield chosen


@pytest.fixture
def catcher(app: object, settings: Settings, one_catcher: int) -> Iterator[int]:
    """The port of the product's own catcher, to which mail goes."""
    with mailing(one_catcher, settings) as chosen:
        yield chosen


def demo_job(of: OrgOf, task: str, **args: Any) -> JobView:
    """The job as the seed makes it, with other arguments."""
    (wanted,) = [job for job in plugins.demo_jobs() if job.task == task]
    fields = {"schedule": wanted.schedule, "timezone": wanted.timezone, "args": args}
    return factories.job(of, wanted.task, key=None, **fields)


def execute(of: OrgOf, worker: RunWorker, task: str, actor: Actor | None = None, **args: Any) -> RunView:
    """Presses the button and answers the run that a worker has executed."""
    run = factories.run(of, demo_job(of, task, **args), actor=actor)
    worker.work(burst=True)
    return runs.get(of.admin, run.id, now=utc_now())


def note_of(of: OrgOf, run: RunView) -> str | None:
    """What the job's row says of its last run."""
    last = jobs.get(of.admin, run.job_id, now=utc_now()).last_run
    assert last is not None and (last.id, last.state) == (run.id, run.state)
    return last.note


def lines(of: OrgOf, run: RunView) -> list[str]:
    return [line.message for line in runs.log(of.admin, run.id)]
