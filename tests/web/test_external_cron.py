"""The pill of an external cron, and what the pages say while it is the only clock."""

import re
from datetime import timedelta

import pytest

from console.core.clock import utc_now
from console.services import workers
from console.services.workers import ANOTHERS_CRON
from tests import factories
from tests.factories import OrgOf, one
from tests.services.test_ticks import tick
from tests.web.conftest import Visitor, change, part, words

HOURLY = {"type": "interval", "every_seconds": 3600}


def ticked(org: OrgOf, minutes: float) -> None:
    tick(org, utc_now() - timedelta(minutes=minutes))


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize(
    ("minutes", "said", "light"),
    [
        (4, "Cron 4 min 6 s ago", "circle-fill light-green"),
        (16, "Cron 16 min ago, late", "exclamation-triangle-fill light-yellow"),
        (61, "Cron 1 h 1 min ago, down", "square-fill light-red"),
    ],
)
def test_the_pill_says_when_the_cron_ticked_in_word_colour_and_shape(
    operator: Visitor, org: OrgOf, minutes: float, said: str, light: str
) -> None:
    assert "Cron" not in words(part(operator.get("/"), "pulse")), "who has none sees none"
    ticked(org, minutes + 0.1)
    shown = operator.get("/fragments/pulse")
    assert said in words(shown)
    assert f"bi-{light}" in shown.text
    is_down = minutes > 60
    assert ("No scheduler" in words(shown)) is is_down, "while the cron is the clock none is missed"
    pills = part(operator.get("/"), "pulse").count("pill")
    assert pills == (4 if is_down else 2), "the watcher's work is the cron's too"
    factories.live_scheduler()
    both = words(operator.get("/fragments/pulse"))
    assert said in both and "Scheduler" in both and "down heard" not in both


def test_the_pill_goes_30_days_after_the_last_tick(operator: Visitor, org: OrgOf) -> None:
    ticked(org, 29 * 24 * 60)
    assert "Cron 29 d ago, down" in words(operator.get("/fragments/pulse"))
    change("UPDATE heartbeats SET beat_at = beat_at - interval '1 day 1 min'")
    assert "Cron" not in words(operator.get("/fragments/pulse"))


@pytest.mark.parametrize("address", ["/", "/jobs/{id}", "/schedules"])
def test_an_edit_waits_for_the_next_tick_and_no_page_asks_each_second(
    operator: Visitor, org: OrgOf, address: str
) -> None:
    ticked(org, 20)
    job = factories.job(org, schedule=HOURLY)
    address = address.format(id=job.id)
    shown = operator.get(address)
    assert "saved r1, still on r0: waits for the next tick of the external cron" in words(shown)
    assert "scheduler down" not in words(shown)
    rhythms = re.findall(r"every \d+s", "".join(re.findall('hx-trigger="jobs-changed[^"]*"', shown.text)))
    assert rhythms == (["every 60s", "every 5s"] if address == "/schedules" else ["every 10s"])
    change("UPDATE heartbeats SET beat_at = beat_at - interval '1 hour'")
    assert "saved r1, scheduler on r0: scheduler down" in words(operator.get(address))
    ticked(org, 0)
    assert one("SELECT applied_revision FROM jobs") == 1
    assert "waits for the next tick" not in words(operator.get(address))


def test_a_list_that_waits_hears_that_the_cron_is_down(operator: Visitor, org: OrgOf) -> None:
    ticked(org, 1)
    factories.job(org, schedule=HOURLY)
    poll = re.search(r'id="jobs-table".*?hx-get="([^"]+)"', operator.get("/").text, re.DOTALL)
    assert poll is not None
    asks = poll[1].replace("&amp;", "&")
    assert operator.get(asks).status_code == 204
    change("UPDATE heartbeats SET beat_at = beat_at - interval '2 h'")
    assert "scheduler down" in words(operator.get(asks))


def test_a_retry_that_is_due_waits_for_the_next_tick(operator: Visitor, org: OrgOf) -> None:
    ticked(org, 5)
    run = factories.run(org, factories.job(org))
    change("UPDATE runs SET state = 'retrying', retry_at = now() - interval '1 min'")
    shown = words(part(operator.get(f"/runs/{run.id}"), "run"))
    assert "not in Redis yet; waits for the next tick of the external cron" in shown
    assert "SCHEDULER_DOWN" not in shown


def test_the_fleet_lists_the_cron_and_names_it_to_its_own_org_alone(
    operator: Visitor, stranger: Visitor, org: OrgOf
) -> None:
    tick(org, utc_now(), "our <b>secret</b> project")
    shown = operator.get("/workers")
    assert "our <b>secret</b> project" in words(shown) and "<b>secret" not in shown.text
    assert "external cron · answered by" in words(shown) and "Alive" in words(shown)
    assert "No scheduler" not in words(shown)
    theirs = words(stranger.get("/workers"))
    assert "secret" not in theirs and ANOTHERS_CRON in theirs
    assert workers.pulse(now=utc_now(), org_id=stranger.actor.org_id).is_cron_alone
