"""Messages at the shell: sent by name, refused with the reason, and sent again when that is said."""

from apiflask import APIFlask

from console.core.clock import utc_now
from console.worker.execute import execute
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import event, message
from tests.smtp import Smtp

from .conftest import Console


def test_a_sent_message_goes_out_again_only_with_the_option(
    app: APIFlask, console: Console, org: OrgOf, smtp: Smtp
) -> None:
    job = message(org, event(org))
    assert "queued" in console("job", "run", job.key).out
    assert console("job", "run", job.key, "--again").failed(1, "[OVERLAP]", "on its way already")
    execute(app, one("SELECT id FROM runs"), worker="tester", clock=utc_now)
    assert console("job", "run", job.key).failed(1, "[ALREADY_SENT]", "was already sent")
    assert "queued" in console("job", "run", job.key, "--again").out
    assert rows("SELECT state, trigger FROM runs ORDER BY id") == [("succeeded", "cli"), ("queued", "cli")]
