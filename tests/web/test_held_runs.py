"""What the pages say of runs that are held, late, missed, or told to stop."""

from datetime import timedelta

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.db.session import transaction
from console.services import claims, dispatch, execution, stopping
from console.services.stopping import Stop
from tests import factories
from tests.factories import OrgOf, one
from tests.web.conftest import Visitor, part, words

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
SIX_HOURS = timedelta(hours=6, minutes=10)


def decide(org: OrgOf, late: timedelta, **fields: object) -> None:
    """An hourly job whose slots are decided `late` after it was made."""
    now = utc_now()
    factories.job(org, schedule=EVERY_HOUR, now=now - late, name="Sweep the stage", **fields)
    dispatch.dispatch(scheduler="s", now=now)


def test_a_jittered_run_says_when_it_starts_on_every_page(operator: Visitor, org: OrgOf) -> None:
    decide(org, timedelta(hours=1), jitter_seconds=3600)
    run_id, job_id = one("SELECT id FROM runs"), one("SELECT id FROM jobs")
    shown = words(part(operator.get(f"/runs/{run_id}"), "run"))
    assert "Queued starts in" in shown
    assert "It is held on purpose: it starts at" in shown
    assert "waiting for" not in shown
    for page in ("/", f"/jobs/{job_id}"):
        text = words(operator.get(page))
        assert "(jitter)" in text
        assert "waiting for the queue" not in text
        assert "a run is on its way" not in text


def test_a_run_that_waits_for_another_one_says_so(operator: Visitor, org: OrgOf) -> None:
    decide(org, timedelta(hours=2), overlap="buffer_one", catch_up="all")
    job_id = one("SELECT id FROM jobs")
    row = part(operator.get("/"), f"job-{job_id}")
    assert "waits for the run before it to end" in words(row)
    assert "a run is on its way" in words(row)


def test_after_six_hours_the_job_shows_what_was_run_late_and_what_was_missed_and_why(
    operator: Visitor, org: OrgOf
) -> None:
    decide(org, SIX_HOURS)
    job_id = one("SELECT id FROM jobs")
    shown = words(operator.get(f"/jobs/{job_id}"))
    assert "Decided 10 min late, for no scheduler came to it sooner" in shown
    for hours in (1, 2, 3, 4, 5):
        assert f"Found {hours} h 10 min after its time" in shown
    late = one("SELECT id FROM runs WHERE state = 'queued'")
    assert "the latest of 6 slots that were still undecided (catch-up latest). SCHEDULER_DOWN" in words(
        part(operator.get(f"/runs/{late}"), "run")
    )


def test_a_run_that_was_told_to_stop_says_so_until_it_has_ended(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now())
    wanted = Stop(run.id, Reason.STOPPED_BY_OPERATOR, "Ada stopped it.")
    with transaction():
        stopping.request_stop([wanted], now=utc_now())
    shown = words(part(operator.get(f"/runs/{run.id}"), "run"))
    assert "It was told to stop at" in shown and "Ada stopped it." in shown
    asked = claims.stop_asked(run.id, 1)
    claim = claims.held(run.id, 1)
    assert asked is not None and claim is not None
    execution.finish(claim, asked, now=utc_now())
    shown = words(part(operator.get(f"/runs/{run.id}"), "run"))
    assert "Stopped" in shown and "It was told to stop" not in shown
    assert "Ada stopped it. STOPPED_BY_OPERATOR" in shown
