"""Real workers and a real mail server: each of its answers, and workers killed while it has the message."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from console.core.clock import utc_now
from console.core.settings import Settings
from console.services import claims, dispatch, jobs, mail, resolving, runs
from console.services.claims import LEASE
from console.services.mail import Message, SendDeferred, SendFailed
from console.services.run_views import RunView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.plugins.conftest import free_port, greets
from tests.processes import ROOT, eventually, is_alive, process
from tests.smtp import DROP, HANG, Received, Reply, Smtp, Stage

BUSY = "451 4.3.2 too much to do"
TIMES = 20


def post(org: OrgOf, *to: str, **args: Any) -> RunView:
    """A queued run of a message that goes out once."""
    at = utc_now() + timedelta(days=1)
    job = factories.job(
        org, "tests.tasks.post", schedule={"type": "once", "at": at}, args={"to": list(to), **args}
    )
    return factories.run(org, job)


def now_of(org: OrgOf, run: RunView) -> RunView:
    return runs.get(org.admin, run.id, now=utc_now())


def ended(org: OrgOf, run: RunView) -> tuple[str, str | None, int, str]:
    """How the run ended: state, reason code, attempts, and the status of its job."""
    seen = now_of(org, run)
    return seen.state, seen.reason_code, seen.attempt, jobs.get(org.admin, run.job_id, now=utc_now()).status


def waiting_for_another() -> list[Any]:
    """The runs that are to be tried again."""
    return rows("SELECT reason_code, reason FROM runs WHERE state = 'retrying'")


def test_every_answer_of_a_mail_server_ends_where_it_should(org: OrgOf, smtp: Smtp, servers: Servers) -> None:
    at_message: dict[str, list[Reply]] = {
        "refused@x.example": ["554 5.6.0 not this one"],
        "busy@x.example": [BUSY],
        "closed@x.example": [BUSY, BUSY, BUSY],
        "dropped@x.example": [DROP],
        "silent@x.example": [HANG],
    }

    def answer(came: Received) -> Reply:
        waiting = at_message.get(came.recipients[0])
        return waiting.pop(0) if waiting else None

    smtp.answers.always(Stage.MESSAGE, answer)
    smtp.answers.to("gone@x.example", "550 5.1.1 no such mailbox")
    environment = {**servers.environment, "SMTP_URL": f"{smtp.url}?timeout=4"}
    with process(environment, "worker"), process(environment, "worker"):
        factories.live_worker()
        made = {
            name: post(org, f"{name}@x.example") for name in ("good", "gone", "refused", "busy", "closed")
        }
        made |= {name: post(org, f"{name}@x.example") for name in ("dropped", "silent")}
        made["some"] = post(org, "gone@x.example", "good@x.example")
        made["after"] = post(org, "good@x.example", fails_after=True)
        # No scheduler is there yet who would queue the next attempts.
        eventually(lambda: len(waiting_for_another()) == 2)
        shown, _ = waiting_for_another()
        assert shown.reason_code == "SEND_FAILED" and BUSY in shown.reason
        with process(environment, "scheduler"):
            eventually(lambda: one("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL") == len(made))
    assert {name: ended(org, run) for name, run in made.items()} == {
        "good": ("succeeded", None, 1, "sent"),
        "gone": ("failed", "SEND_FAILED", 1, "scheduled"),
        "refused": ("failed", "SEND_FAILED", 1, "scheduled"),
        "busy": ("succeeded", None, 2, "sent"),
        "closed": ("failed", "SEND_FAILED", 3, "scheduled"),
        "dropped": ("unknown", "OUTCOME_UNKNOWN", 1, "failed"),
        "silent": ("unknown", "OUTCOME_UNKNOWN", 1, "failed"),
        "some": ("succeeded", None, 1, "sent"),
        "after": ("failed", "EXCEPTION", 1, "scheduled"),
    }
    said = {name: now_of(org, run).reason or "" for name, run in made.items()}
    assert "550 5.1.1 no such mailbox" in said["gone"] and "554 5.6.0 not this one" in said["refused"]
    assert BUSY in said["closed"] and mail.message_id(str(made["dropped"].id)) in said["dropped"]
    assert "the ink is spilt" in said["after"] and "not tried again" in said["after"]
    assert now_of(org, made["some"]).result["refused"] == {"gone@x.example": "550 5.1.1 no such mailbox"}
    taken = Counter(str(message["Message-ID"]) for message in smtp.messages)
    names = ("good", "busy", "dropped", "silent", "some", "after")
    assert taken == {mail.message_id(str(made[name].id)): 1 for name in names}
    assert smtp.attempts.count(mail.message_id(str(made["closed"].id))) == 3


def test_a_server_that_can_t_be_reached_is_tried_again_until_it_is_back(
    org: OrgOf, smtp: Smtp, servers: Servers
) -> None:
    smtp.answers.queue(Stage.CONNECT, DROP)
    environment = smtp.environment(servers.environment)
    run = post(org, "crew@x.example")
    with process(environment, "scheduler"), process(environment, "worker"):
        eventually(lambda: now_of(org, run).state.is_terminal)
    assert ended(org, run) == ("succeeded", None, 2, "sent")
    assert len(smtp.messages) == 1


@contextmanager
def fleet(environment: dict[str, str], count: int) -> Iterator[None]:
    """So many workers at once."""
    command = [sys.executable, "-m", "tests.fleet", str(count)]
    started = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        yield
    finally:
        started.kill()
        started.wait()


def killing_senders(killed: list[int]) -> Callable[[Received], Reply]:
    """Kills the worker that sent a message, while the server has it and has not answered yet."""

    def answer(came: Received) -> Reply:
        worker = int(came.message.get_content().split()[-1])
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not is_alive(worker))
        killed.append(worker)
        return None

    return answer


def test_twenty_workers_killed_while_the_server_has_the_message_make_twenty_unknown_runs_and_no_second_mail(
    org: OrgOf, smtp: Smtp, servers: Servers
) -> None:
    environment = smtp.environment(servers.environment)
    killed: list[int] = []
    smtp.answers.queue(Stage.MESSAGE, *[killing_senders(killed)] * TIMES)
    made = {post(org, "crew@x.example").id for _ in range(TIMES)}
    with fleet(environment, TIMES):
        eventually(lambda: len(killed) == len(smtp.messages) == TIMES)
        # Nobody prolongs their leases any more, so they are over after 20 s: seen from then, all are lost.
        after = utc_now() + LEASE * 2
        assert {found.run_id for found in claims.overdue(now=after)} == made
        assert dispatch.recover(now=after) == TIMES
    with process(environment, "scheduler"), process(environment, "worker"):
        good = post(org, "good@x.example")
        eventually(lambda: now_of(org, good).state.is_terminal)
    assert rows("SELECT state, reason_code, attempt, count(*) FROM runs GROUP BY 1, 2, 3 ORDER BY 1") == [
        ("succeeded", None, 1, 1),
        ("unknown", "OUTCOME_UNKNOWN", 1, TIMES),
    ]
    sent = Counter(str(message["Message-ID"]) for message in smtp.messages)
    assert sent == {mail.message_id(str(run_id)): 1 for run_id in {*made, good.id}}
    _a_person_decides(org, made.pop())


def _a_person_decides(org: OrgOf, run_id: UUID) -> None:
    """The page asks with the Message-ID by which the mail is found, and the answer stands."""
    lost = runs.get(org.admin, run_id, now=utc_now())
    (line,) = runs.log(org.admin, run_id)
    asked = resolving.question(lost, line)
    assert asked and asked.message_id == mail.message_id(str(run_id))
    resolving.resolve(org.admin, run_id, succeeded=True, note=None, now=utc_now())
    assert jobs.get(org.admin, lost.job_id, now=utc_now()).status == "sent"


def test_the_catcher_refuses_by_address_so_that_each_outcome_can_be_seen(
    org: OrgOf, servers: Servers, settings: Settings
) -> None:
    port = free_port()
    run = factories.run(org, factories.job(org))
    mail.configure(f"smtp://127.0.0.1:{port}", "console@x.example")
    try:
        with process(servers.environment, "catcher", "--port", str(port)):
            eventually(lambda: greets(port))
            with pytest.raises(SendFailed, match="no such mailbox"):
                mail.send(Message(str(run.id), ("ada@bounce.example",), "No", "x"))
            with pytest.raises(SendDeferred, match="try again later"):
                mail.send(Message(str(run.id), ("ada@BUSY.example",), "Later", "x"))
            to = ("ada@bounce.example", "ada@x.example")
            assert list(mail.deliver(Message(str(run.id), to, "Yes", "x")).refused) == ["ada@bounce.example"]
    finally:
        mail.configure(settings.smtp_url, settings.from_email)
    assert rows("SELECT subject, recipients FROM caught_mails") == [("Yes", ["ada@x.example"])]
