"""A web process, a worker, and a cron that calls from outside: no scheduler runs."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from console.core.clock import utc_now
from console.core.states import Light
from console.services import workers
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, free_port, process

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}


def post(port: int, token: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/api/v1/scheduler/tick", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_eight_ticks_at_once_run_what_is_due_once_without_a_scheduler(org: OrgOf, servers: Servers) -> None:
    due = utc_now() - timedelta(hours=1)
    for number in range(40):
        factories.job(org, key=f"due_{number}", schedule=EVERY_HOUR, now=due)
    token, port = factories.token(org), free_port()
    with (
        process(servers.environment, "web", "--port", str(port)),
        process(servers.environment, "worker"),
        ThreadPoolExecutor(8) as pool,
    ):
        eventually(lambda: answers(port))
        told = list(pool.map(lambda _: post(port, token), range(8)))
        assert [status for status, _ in told] == [200] * 8
        assert sum(answer["due"] for _, answer in told) == 40
        eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == 40)
        seen = workers.pulse(now=utc_now())
        assert (seen.cron, seen.status, seen.is_cron_alone) == (Light.GREEN, Light.GREEN, True)
    assert rows("SELECT DISTINCT trigger, requested_by, attempt FROM runs") == [("tick", "external cron", 1)]
    assert one("SELECT count(DISTINCT job_id) FROM runs") == 40
    assert one("SELECT count(*) FROM jobs WHERE applied_revision <> revision") == 0
