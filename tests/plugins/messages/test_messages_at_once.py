"""However many press at once, one mail goes out; the others are told why theirs did not."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.errors import Refused
from console.core.states import JobStatus, RunState, Trigger
from console.services import runs, triggers
from console.services.run_requests import Request
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import event, executed, message, read
from tests.processes import eventually
from tests.smtp import Smtp

CLICKS = 100


@pytest.mark.parametrize("key", ["one-form", None])
def test_a_hundred_clicks_on_one_message_send_one_mail(
    app: APIFlask, org: OrgOf, smtp: Smtp, key: str | None
) -> None:
    job = message(org, event(org))

    def click(_: int) -> str:
        with app.app_context():
            try:
                return str(
                    triggers.send_now(org.admin, job.id, Request(Trigger.MANUAL, key), now=utc_now()).id
                )
            except Refused as refusal:
                return str(refusal.reason)

    with ThreadPoolExecutor(16) as pool:
        clicks = [pool.submit(click, number) for number in range(CLICKS)]
        eventually(lambda: rows("SELECT id FROM runs") != [])
        run_id = one("SELECT id FROM runs")
        run = executed(app, org, runs.get(org.admin, run_id, now=utc_now()))  # while the others still press
        answers = Counter(done.result() for done in clicks)
    assert run.state is RunState.SUCCEEDED
    assert rows("SELECT state FROM runs") == [("succeeded",)]
    assert len(smtp.messages) == 1 and read(org, job).status is JobStatus.SENT
    if key:
        assert answers == {str(run_id): CLICKS}
    else:
        assert answers.pop(str(run_id)) == 1
        assert set(answers) <= {"OVERLAP", "ALREADY_SENT"} and answers.total() == CLICKS - 1
        assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:refused'") == CLICKS - 1
