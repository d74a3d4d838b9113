"""The list of runs is found by what its filters say, and each bar of its figures leads to its runs."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
import time_machine

from console.core.clock import utc_now
from tests import factories
from tests.factories import NOON, OrgOf, rows
from tests.web.conftest import Visitor, change, part, words

BAR = re.compile(r'<a href="(/runs\?[^"]+)" tabindex="-1"><rect class="is-\w+"[^>]*/><title>([^<]+)</title>')
ROW = re.compile(r'<tr class="job" id="run-')


def count(visitor: Visitor, path: str) -> int:
    answer = visitor.get(path)
    assert answer.status_code == 200, path
    return len(ROW.findall(answer.text))


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    """No day turns between a run and the look at it."""
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def history(org: OrgOf) -> None:
    """Three days of two jobs; yesterday one failed, the day before one was skipped."""
    sweep, polish = (
        factories.job(org, name="Sweep", key="sweep"),
        factories.job(org, name="Polish", key="polish"),
    )
    for job, days, state in (
        (sweep, 0, "succeeded"),
        (sweep, 1, "failed"),
        (polish, 1, "succeeded"),
        (polish, 2, "skipped"),
    ):
        run = factories.run(org, job)
        change(
            "UPDATE runs SET state = :state, requested_at = :at, started_at = :at, "
            "finished_at = CAST(:at AS timestamptz) + interval '3 s' WHERE id = :id",
            state=state,
            at=utc_now() - timedelta(days=days, minutes=1),
            id=run.id,
        )


@pytest.mark.usefixtures("history")
def test_each_filter_narrows_the_list_and_stands_as_a_chip(operator: Visitor, org: OrgOf) -> None:
    today = utc_now().date()
    for query, expected in (
        ("", 4),
        ("q=swee", 2),
        ("state=failed", 1),
        ("trigger=manual", 4),
        ("trigger=schedule", 0),
        ("task=tests.tasks.succeed", 4),
        ("task=gone.task", 0),
        ("category=Tests", 4),
        ("category=Other", 0),
        ("dry=only", 0),
        ("dry=none", 4),
        (f"from={today - timedelta(days=1)}", 3),
        (f"to={today - timedelta(days=1)}", 3),
        (f"from={today - timedelta(days=1)}&to={today - timedelta(days=1)}&q=polish", 1),
    ):
        assert count(operator, f"/runs?{query}") == expected, query
    page = operator.get("/runs?q=swee&category=Tests&dry=none")
    assert words(part(page, "without-q")).startswith("“swee”")
    assert words(part(page, "without-dry")).startswith("without dry runs")
    assert count(operator, unescape(re.search(r'id="without-q"\s+href="([^"]+)"', page.text)[1])) == 4  # type: ignore[index]


@pytest.mark.parametrize(
    "query", ["state=odd", "from=2026-13-01", "job=1", "dry=maybe", "days=3", "colour=red"]
)
def test_a_filter_that_means_nothing_is_named(operator: Visitor, query: str) -> None:
    answer = operator.get(f"/runs?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.text


@pytest.mark.usefixtures("history")
def test_each_bar_leads_to_exactly_the_runs_that_it_stands_for(operator: Visitor) -> None:
    page = operator.get("/runs/figures?days=7")
    shown = words(part(page, "runs-figures"))
    assert "4 runs · 66.6 % of 3 executed succeeded · 1 failed · 1 skipped" in shown
    bars = re.findall(
        r'<a href="(/runs\?[^"]+)" tabindex="-1"><rect class="is-\w+"[^>]*/><title>([^<]+)</title>', page.text
    )
    assert len(bars) == 4
    for address, title in bars:
        number = int(re.search(r": (\d+) ", title)[1])  # type: ignore[index]
        assert count(operator, unescape(address)) == number, title
    assert "Sweep" in words(part(page, "figures-numbers")) or "No job has run three times" in shown


@pytest.mark.usefixtures("history")
def test_the_figures_follow_the_filters_but_for_the_state(operator: Visitor) -> None:
    assert "2 runs" in words(part(operator.get("/fragments/runs/figures?q=sweep"), "runs-figures"))
    assert "4 runs" in words(part(operator.get("/fragments/runs/figures?state=failed"), "runs-figures"))
    today = utc_now().date()
    only_today = operator.get(f"/fragments/runs/figures?from={today}")
    assert "1 run" in words(part(only_today, "runs-figures"))


@pytest.mark.parametrize("query", ["from=0001-01-01", "to=9999-12-31", "from=9999-12-31&to=0001-01-01", ""])
def test_days_far_away_are_no_trouble(operator: Visitor, query: str) -> None:
    shown = words(part(operator.get(f"/runs/figures?{query}"), "runs-figures"))
    assert "No run was asked for in these days." in shown


def test_another_org_sees_none_of_it(stranger: Visitor, history: None) -> None:
    assert count(stranger, "/runs") == 0
    assert "No run was asked for" in words(part(stranger.get("/runs/figures"), "runs-figures"))


@pytest.mark.usefixtures("history")
def test_a_run_that_succeeded_says_its_result_in_every_list(operator: Visitor) -> None:
    change(
        "UPDATE runs SET result = CAST(:result AS jsonb) WHERE state = 'succeeded'",
        result='{"summary": "swept 7 <stages>"}',
    )
    (sweep,) = rows("SELECT id FROM jobs WHERE key = 'sweep'")
    for path, expected in (("/runs", 2), ("/runs?state=failed", 0), (f"/jobs/{sweep.id}", 1)):
        assert words(operator.get(path)).count("swept 7 <stages>") == expected, path
