"""The watcher as a process: it beats, stops in time, outlives Postgres, and tells of a dead scheduler."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from apiflask import APIFlask

from console.core.alerts import AlertOn
from console.core.clock import utc_now
from console.core.states import RunState
from console.embedded import start_postgres
from console.services import watching
from console.watcher import Watcher
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, process
from tests.receiver import Receiver, receiving
from tests.services.alerting import ended, mail_channel, private_addresses, rule, webhook
from tests.smtp import Smtp
from tests.web.conftest import change

LIVE = "SELECT count(*) FROM heartbeats WHERE kind = 'watcher' AND stopped_at IS NULL"
GONE = "SELECT count(*) FROM heartbeats WHERE kind = 'watcher' AND stopped_at IS NOT NULL"


@pytest.fixture
def receiver(app: APIFlask) -> Iterator[Receiver]:
    with receiving() as told, private_addresses():
        yield told


def test_a_killed_scheduler_is_told_by_the_watcher_and_so_is_its_return(
    org: OrgOf, servers: Servers, smtp: Smtp
) -> None:
    environment = smtp.environment(servers.environment)
    rule(org, AlertOn.SCHEDULER_RED, mail_channel(org), now=utc_now(), throttle=0)
    alive = "SELECT count(*) FROM heartbeats WHERE kind = 'scheduler' AND stopped_at IS NULL"
    with process(environment, "watcher"):
        with process(environment, "scheduler") as scheduler:
            eventually(lambda: one(alive), 60)
            scheduler.kill()
            scheduler.wait()
        # As if it had died three minutes ago: nobody has to sit through the time until it counts as silent.
        change("UPDATE heartbeats SET beat_at = beat_at - interval '3 min' WHERE kind = 'scheduler'")
        eventually(lambda: smtp.messages, 60)
        with process(environment, "scheduler"):
            eventually(lambda: len(smtp.messages) == 2, 60)
    assert [mail["Subject"] for mail in smtp.messages] == [
        "Callboard: The scheduler is silent",
        "Callboard: The scheduler is alive again",
    ]
    assert "SCHEDULER_DOWN" in smtp.messages[0].get_content()


def test_a_failure_reaches_its_receiver_and_a_slow_one_does_not_hold_up_the_end(
    org: OrgOf, servers: Servers, receiver: Receiver
) -> None:
    environment = {**servers.environment, "CONSOLE_ALLOW_PRIVATE_WEBHOOKS": "1"}
    rule(org, AlertOn.FAILED, webhook(org, receiver), now=utc_now(), throttle=0)
    job = factories.job(org, name="Nightly")
    with process(environment, "watcher") as watcher:
        eventually(lambda: one(LIVE), 60)
        ended(org, job, RunState.FAILED, at=utc_now())
        eventually(lambda: rows("SELECT id FROM alert_deliveries WHERE state = 'sent'"))
        assert receiver.posts[0].json["title"] == "Nightly failed"
        receiver.drip = True
        ended(org, job, RunState.FAILED, at=utc_now())
        eventually(lambda: len(receiver.posts) == 2)
        watcher.terminate()
        assert watcher.wait(30) == 0, "the slow one takes almost two minutes"
    assert one(GONE) == 1
    # Nobody waited for the slow one: how its attempt ended is not known.
    assert rows("SELECT state, answer IS NULL FROM alert_deliveries ORDER BY id") == [
        ("sent", False),
        ("pending", True),
    ]


def beaten_since(url: str, moment: datetime) -> bool:
    """Whether the watcher on that Postgres has said since then that it lives."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        query = "SELECT count(*) FROM heartbeats WHERE kind = 'watcher' AND beat_at > %s"
        found = connection.execute(query, [moment]).fetchone()
    return bool(found and found[0])


def test_it_goes_on_when_postgres_comes_back(app: APIFlask, tmp_path: Path, servers: Servers) -> None:
    """On a Postgres of its own, which is stopped and started."""
    home = Path(tempfile.mkdtemp(prefix="callboard-watcher-"))
    home.chmod(0o755)
    postgres = start_postgres(home)
    environment = {**servers.environment, "DATABASE_URL": postgres.url}
    log = tmp_path / "log"
    try:
        migrate = [sys.executable, "-m", "console", "migrate"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        with log.open("wb") as output, process(environment, "watcher", output=output) as watcher:
            eventually(lambda: b"the watcher begins" in log.read_bytes(), 60)
            postgres.stop()
            gone_at = utc_now()
            eventually(lambda: b"Postgres can't be reached" in log.read_bytes(), 60)
            postgres = start_postgres(home)
            eventually(lambda: beaten_since(postgres.url, gone_at), 60)
            watcher.terminate()
            assert watcher.wait(30) == 0
    finally:
        postgres.stop()
        shutil.rmtree(home)


def test_a_step_that_breaks_keeps_no_other_from_being_done(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def breaks(now: object) -> int:
        raise ValueError("broken")

    def works(now: object) -> int:
        done.append("works")
        return 1

    monkeypatch.setattr(watching, "STEPS", (("breaks", breaks), ("works", works)))
    assert Watcher(app, "watcher-1").step() == 1
    assert (done, one(LIVE)) == (["works"], 1)
