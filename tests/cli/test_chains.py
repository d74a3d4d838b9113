"""`job chain` and `job sequence`: what follows a job, and several jobs one after the other."""

import json

from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Console


def test_a_chain_is_set_side_by_side_shown_and_cleared(console: Console, org: OrgOf) -> None:
    for key in ("first", "then", "warn"):
        factories.job(org, key=key, name=key.title())
    assert console("job", "chain", "first").out == "Nothing follows first.\n"
    assert console("job", "chain", "first", "--on-success", "then").code == 0
    done = console("job", "chain", "first", "--on-failure", "warn, then")
    assert done.out.splitlines() == [
        "after success: then (Then)",
        "after failure: warn (Warn)",
        "after failure: then (Then)",
    ]
    shown = json.loads(console("job", "chain", "first", "--json").out)
    assert [job["key"] for job in shown["on_failure"]] == ["warn", "then"]
    assert console("job", "chain", "then", "--on-success", "first").failed(1, "circle: Then → First → Then")
    assert console("job", "chain", "first", "--clear", "--on-success", "then").failed(2, "--clear")
    assert console("job", "chain", "first", "--clear").out == "Nothing follows first.\n"
    assert rows("SELECT 1 FROM job_links") == []


def test_a_deletion_says_what_it_cuts_and_the_links_to_deleted_jobs_are_shown_and_removed(
    console: Console, org: OrgOf
) -> None:
    for key in ("first", "then", "last"):
        factories.job(org, key=key, name=key.title())
    console("job", "chain", "first", "--on-success", "then,last")
    console("job", "chain", "then", "--on-failure", "last")
    assert console("job", "delete", "then").out.splitlines() == [
        "Then (then) is deleted.",
        "Until that is undone, Then runs after success of First: it will be skipped.",
        "Until that is undone, Last runs after failure of Then: nothing will start it so.",
    ]
    gone = "after success: then (Then), deleted; --drop-deleted removes the link"
    assert console("job", "chain", "first").out.splitlines() == ["after success: last (Last)", gone]
    assert gone in console("job", "chain", "first", "--clear").out
    assert one("SELECT count(*) FROM job_links") == 2, "nobody named the link to the deleted one"
    assert console("job", "chain", "first", "--drop-deleted").out == "Nothing follows first.\n"
    assert one("SELECT count(*) FROM job_links") == 1
    (said,) = rows(
        "SELECT old, new FROM audit_entries WHERE tag = 'job:chain_changed' ORDER BY number DESC LIMIT 1"
    )
    assert (said.old["on_success"], said.new["on_success"]) == (["then"], [])
    assert "Until" not in console("job", "delete", "first").out


def test_a_sequence_starts_the_first_and_holds_the_rest(console: Console, org: OrgOf) -> None:
    factories.live_worker()
    for key in ("first", "then"):
        factories.job(org, key=key, name=key.title())
    done = console("job", "sequence", "then", "first")
    assert [line.partition(" (")[0] for line in done.out.splitlines()] == [
        "1. Then: queued",
        "2. First: queued",
    ]
    assert one("SELECT count(*) FROM runs WHERE held_by = 'sequence'") == 1
    assert console("job", "sequence", "then").failed(1, "choose 2 to 50 jobs")
    assert console("job", "sequence", "then", "nowhere").failed(1, "nowhere")
    made = json.loads(console("job", "sequence", "first", "then", "--json").out)
    assert [run["trigger"] for run in made["runs"]] == ["cli", "cli"]
