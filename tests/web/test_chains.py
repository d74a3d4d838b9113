"""The chain on a job's page: drawn, changed link by link, and followed from a run's page."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.states import Condition, RunState
from console.services import chain_views, chains, execution, jobs
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.views import JobView
from console.web.chain_drawing import WIDTH, draw
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, part, words

ADDED = "SELECT count(*) FROM job_links"


@pytest.fixture(autouse=True)
def _worker(app: APIFlask) -> Iterator[None]:
    factories.live_worker()
    yield


@pytest.fixture
def first(org: OrgOf) -> JobView:
    return factories.job(org, name="First", key="first")


@pytest.fixture
def then(org: OrgOf) -> JobView:
    return factories.job(org, name="Then & there", key="then")


def link(org: OrgOf, first: JobView, then: JobView, condition: Condition = Condition.SUCCESS) -> None:
    chains.add(org.admin, first.id, condition, str(then.id), now=utc_now())


def end(org: OrgOf, job: JobView, state: RunState = RunState.SUCCEEDED) -> RunView:
    run = factories.run(org, job)
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=utc_now())
    assert claim is not None
    reason = None if state is RunState.SUCCEEDED else Reason.EXCEPTION
    execution.finish(claim, Outcome(state, reason), now=utc_now())
    return run


def test_without_a_script_a_link_is_added_and_removed_and_the_page_says_so(
    operator: Visitor, first: JobView, then: JobView
) -> None:
    page = operator.get(f"/jobs/{first.id}")
    assert "Nothing runs before or after it." in words(part(page, "chain"))
    address = f"/jobs/{first.id}/chain"
    answer = operator.post(address, {"condition": "failure", "job": "then"})
    assert (answer.status_code, answer.headers["Location"]) == (303, address)
    assert [tuple(row) for row in rows("SELECT to_job_id, condition FROM job_links")] == [
        (then.id, "failure")
    ]
    shown = operator.get(address)
    assert "Added to the chain: runs after failure." in words(shown)
    assert "Then & there after failure" in words(shown)
    operator.post(address, {"remove": f"failure:{then.id}"})
    assert one(ADDED) == 0
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:chain_changed'") == 2


def test_the_dialog_of_a_click_says_what_will_follow_it(
    operator: Visitor, org: OrgOf, first: JobView, then: JobView
) -> None:
    assert 'id="then"' not in operator.get(f"/jobs/{first.id}/send-now").text
    link(org, first, then)
    link(org, first, factories.job(org, name="Call the stage"), Condition.FAILURE)
    said = words(part(operator.get(f"/jobs/{first.id}/send-now"), "then"))
    assert said == "Then & there after success; Call the stage after failure; nothing after a dry run"


def test_what_can_not_be_linked_is_said_beside_the_field_and_keeps_what_was_typed(
    operator: Visitor, org: OrgOf, first: JobView, then: JobView
) -> None:
    link(org, then, first)
    for typed, word in (
        ("then", "circle: First → Then &amp; there → First"),
        ("thenn", "did you mean then?"),
    ):
        for htmx in (True, False):
            data = {"condition": "failure", "job": typed}
            answer = operator.post(f"/jobs/{first.id}/chain", data, htmx=htmx)
            assert answer.status_code == 422
            assert word in part(answer, "chain-job-error")
            assert f'value="{typed}"' in answer.text and 'aria-invalid="true"' in answer.text
            assert re.search(r'value="failure"\s+selected', answer.text)
    assert operator.post(f"/jobs/{first.id}/chain", {"condition": "never", "job": "then"}).status_code == 422
    assert operator.post(f"/jobs/{first.id}/chain", {"remove": "success:x"}).status_code == 422
    assert one(ADDED) == 1


def test_jobs_to_choose_from_are_looked_for_by_what_is_typed(
    operator: Visitor, stranger: Visitor, first: JobView, then: JobView
) -> None:
    address = f"/fragments/jobs/{first.id}/chain/options"
    assert words(operator.get(address)) == "Then & there"
    assert words(operator.get(f"{address}?job=there")) == "Then & there"
    assert words(operator.get(f"{address}?job=nowhere")) == ""
    assert stranger.get(address).status_code == 404


def test_the_drawing_has_a_box_a_line_and_a_list_entry_for_each(
    viewer: Visitor, org: OrgOf, first: JobView, then: JobView
) -> None:
    last = factories.job(org, name="A name that is much too long for its own box", key="last")
    link(org, first, then)
    link(org, first, last, Condition.FAILURE)
    link(org, then, last)
    run = end(org, first)
    page = viewer.get(f"/jobs/{then.id}")
    drawn = part(page, "chain")
    assert len(re.findall("<rect", drawn)) == 3 and len(re.findall('class="way"', drawn)) == 3
    assert f'aria-label="{"First"}: succeeded"' in drawn and 'aria-label="Then &amp; there: queued"' in drawn
    assert "A name that is much too long for its own…" in words(drawn)
    listed = words(part(page, "chain-list"))
    assert "First: succeeded" in listed
    assert "after failure: A name that is much too long for its own box" in listed
    assert f"/runs/{run.id}" in drawn
    assert "needs the role operator" in words(drawn) and "Change what follows" not in words(drawn)
    assert "style=" not in drawn
    poll = re.search(r'hx-trigger="([^"]+)"', drawn)
    assert poll and "every 2s" in poll[1]
    assert viewer.get(f"/jobs/{then.id}/chain").status_code == 403


def test_a_deleted_job_of_a_chain_is_struck_through_and_its_link_can_be_removed(
    operator: Visitor, org: OrgOf, first: JobView, then: JobView
) -> None:
    link(org, first, then)
    told = words(operator.get("/fragments/deletions/new?q=there"))
    assert "This cuts 1 link of chains, until it is undone: Then & there runs after success of First" in told
    bulk = {"action": "delete", "selected": str(then.id)}
    told = words(operator.post("/jobs/bulk/confirmation", bulk, htmx=True))
    assert "Then & there runs after success of First: it will be skipped." in told
    jobs.delete(org.admin, then.id, now=utc_now())

    page = operator.get(f"/jobs/{first.id}")
    box = part(page, f"chain-{then.id}")
    assert 'aria-label="Then &amp; there: deleted"' in box and "href" not in box
    listed = part(page, "chain-list")
    assert "<del>Then &amp; there</del>" in listed and "/deletions" in listed
    assert "Then & there after success (deleted, so it is skipped)" in words(
        part(operator.get(f"/jobs/{first.id}/send-now"), "then")
    )
    address = f"/jobs/{first.id}/chain"
    assert "the job is deleted, so each time leaves a skipped run" in words(operator.get(address))
    operator.post(address, {"remove": f"success:{then.id}"})
    assert one(ADDED) == 0
    assert "Nothing runs before or after it." in words(part(operator.get(f"/jobs/{first.id}"), "chain"))


def test_lines_to_one_box_come_in_together_and_share_their_word_and_their_lane(org: OrgOf) -> None:
    made = [factories.job(org, name=f"Job {number}", key=f"j{number}") for number in range(5)]
    for before, after in pairwise(made):
        link(org, before, after)
    for before in made[:3]:
        link(org, before, made[4], Condition.FAILURE)
    lines = draw(chain_views.around(org.admin, made[0].id, now=utc_now())).lines
    failures = [line for line in lines if line.condition is Condition.FAILURE]
    assert [line.is_first for line in failures] == [True, False, False]
    assert len({line.head for line in failures}) == 1
    assert ["H" in line.curve for line in failures] == [True, False, False]
    assert len({line.head for line in lines}) == 5, "success comes in above failure"


def test_no_line_crosses_a_box(org: OrgOf, first: JobView, then: JobView) -> None:
    beside = factories.job(org, name="Beside", key="beside")
    last = factories.job(org, name="Last", key="last")
    for a, b in ((first, then), (first, beside), (then, last), (beside, last), (first, last)):
        link(org, a, b)
    drawing = draw(chain_views.around(org.admin, first.id, now=utc_now()))
    boxes = {box.node.name: box for box in drawing.boxes}
    assert boxes["First"].x < boxes["Then & there"].x == boxes["Beside"].x < boxes["Last"].x
    assert boxes["Then & there"].y != boxes["Beside"].y
    assert drawing.width > boxes["Last"].x + WIDTH
    long = next(line for line in drawing.lines if "H" in line.curve)
    lowest = int(long.curve.partition("H")[0].rsplit(" ", 1)[-1])
    assert lowest > max(box.y for box in drawing.boxes if box.node.column == 1) + drawing.box[1]
    assert drawing.height > lowest


def test_the_page_of_a_run_leads_along_its_chain(
    operator: Visitor, org: OrgOf, first: JobView, then: JobView
) -> None:
    link(org, first, then)
    run = end(org, first)
    follower = one("SELECT id FROM runs WHERE cause_id = :id", id=run.id)
    page = part(operator.get(f"/runs/{run.id}"), "place")
    assert "Followed by Then & there queued" in words(page) and f"/runs/{follower}" in page
    page = part(operator.get(f"/runs/{follower}"), "place")
    assert "Follows a run of First succeeded" in words(page) and f"/runs/{run.id}" in page
    failed = end(org, first, RunState.FAILED)
    said = words(part(operator.get(f"/runs/{failed.id}"), "place"))
    assert said == "The chain ended here: it failed, and Then & there would follow success alone."
    unknown = end(org, first, RunState.UNKNOWN)
    said = words(part(operator.get(f"/runs/{unknown.id}"), "place"))
    assert said.startswith("The chain waits here: nobody knows yet how it ended.")
