"""Chains in a file of schedules: written out, compared, refused with their places, and put in force."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import yaml
from apiflask import APIFlask

from console.core.errors import Forbidden, Invalid, Refused
from console.core.states import Condition, Role
from console.core.strict_yaml import dump
from console.services import chains, jobs, schedule_files
from console.services.schedule_files import Plan, PlanMoved
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

LINKS = """
    SELECT job.key, condition, next.key FROM job_links
    JOIN jobs AS job ON job.id = from_job_id JOIN jobs AS next ON next.id = to_job_id
    WHERE job_links.org_id = :org ORDER BY job_links.id
"""


@pytest.fixture
def org(app: APIFlask) -> OrgOf:
    found = factories.org()
    for key in "abcd":
        factories.job(found, key=key, name=f"Job {key}", now=NOON)
    return found


def file(*entries: Mapping[str, Any]) -> str:
    return dump({"version": 1, "schedules": list(entries)})


def apply(org: OrgOf, *entries: Mapping[str, Any], **options: Any) -> Plan:
    return schedule_files.apply(org.admin, file(*entries), **options, now=NOON)


def links(org: OrgOf) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in rows(LINKS, org=org.id)]


def id_of(org: OrgOf, key: str) -> Any:
    return one(
        "SELECT id FROM jobs WHERE org_id = :org AND key = :key AND deleted_at IS NULL", org=org.id, key=key
    )


def put(org: OrgOf, key: str, *success: str, failure: tuple[str, ...] = ()) -> None:
    chains.put(org.admin, id_of(org, key), on_success=success, on_failure=failure, now=NOON)


def changes_of(plan: Plan) -> list[tuple[str, Any, Any]]:
    return [(item.name, dict(item.before or {}), dict(item.after)) for item in plan.changes]


def mistakes(org: OrgOf, text: str) -> Mapping[str, Any]:
    with pytest.raises(Invalid) as refused:
        schedule_files.plan(org.admin, text, now=NOON)
    with pytest.raises(Invalid):
        schedule_files.apply(org.admin, text, now=NOON)
    return refused.value.fields


def test_a_round_trip_changes_nothing_here_and_makes_the_same_chains_elsewhere(org: OrgOf) -> None:
    put(org, "a", "c", "b", failure=("d",))
    put(org, "b", "d")
    text = schedule_files.export(org.admin, now=NOON)
    assert "  then:\n" not in text and "  then: {on_success: [c, b], on_failure: [d]}\n" in text
    assert [entry["then"] for entry in yaml.safe_load(text)["schedules"]][1:] == [
        {"on_success": ["d"]},
        {},
        {},
    ]
    count = one("SELECT count(*) FROM audit_entries")
    done = schedule_files.apply(org.admin, text, now=NOON)
    assert (done.changes, done.unchanged, done.not_in_file) == ([], 4, 0)
    assert one("SELECT count(*) FROM audit_entries") == count
    other = factories.org()
    schedule_files.apply(other.admin, text, now=NOON)
    assert sorted(links(other)) == sorted(links(org))
    assert schedule_files.export(other.admin, now=NOON) == text


def test_a_plan_shows_what_an_import_does_to_chains_and_the_trail_holds_it(org: OrgOf) -> None:
    put(org, "a", "b", failure=("d",))
    put(org, "c", "d")
    entries = (
        {"key": "a", "then": {"on_success": ["C", "b"]}, "name": "First"},
        {"key": "b", "then": {"on_failure": ["fresh"]}},
        {"key": "c"},
        {"key": "fresh", "task": "succeed", "then": {"on_success": ["d"]}},
    )
    before, trail = links(org), "SELECT count(*) FROM audit_entries"
    count = one(trail)
    planned = schedule_files.plan(org.admin, file(*entries), now=NOON)
    assert changes_of(planned)[:2] == [
        (
            "a",
            {"name": "Job a", "then": {"on_success": ["b"], "on_failure": ["d"]}},
            {"name": "First", "then": {"on_success": ["b", "c"]}},
        ),
        ("b", {"then": {}}, {"then": {"on_failure": ["fresh"]}}),
    ]
    assert planned.changes[2].after["then"] == {"on_success": ["d"]}
    assert (links(org), one(trail), planned.unchanged) == (before, count, 1)

    assert apply(org, *entries, reason="release 42", expected=planned.mark) == planned
    assert links(org) == [
        ("a", "success", "b"),
        ("c", "success", "d"),
        ("a", "success", "c"),
        ("b", "failure", "fresh"),
        ("fresh", "success", "d"),
    ]
    found = rows(
        "SELECT old, new, reason FROM audit_entries WHERE tag = 'job:chain_changed' "
        "AND object_id = :id ORDER BY number DESC",
        id=str(id_of(org, "a")),
    )
    assert tuple(found[0]) == (
        {"on_success": ["b"], "on_failure": ["d"]},
        {"on_success": ["b", "c"], "on_failure": []},
        "release 42",
    )
    assert one("SELECT revision FROM jobs WHERE id = :id", id=id_of(org, "b")) == 1, "links make no revision"
    again = apply(org, *entries)
    assert (again.changes, again.unchanged) == ([], 4)


def test_a_chain_is_turned_around_in_one_import_and_taken_away_by_an_empty_then(org: OrgOf) -> None:
    put(org, "a", "b")
    put(org, "b", "c")
    apply(
        org,
        {"key": "a", "then": {}},
        {"key": "b", "then": {"on_success": ["a"]}},
        {"key": "c", "then": {"on_success": ["b"]}},
    )
    assert sorted(links(org)) == [("b", "success", "a"), ("c", "success", "b")]
    apply(org, {"key": "b", "enabled": True})
    assert sorted(links(org)) == [("b", "success", "a"), ("c", "success", "b")], "what is left out stays"
    apply(org, {"key": "b", "then": {}}, {"key": "c", "then": {"on_success": []}})
    assert links(org) == []


def test_what_is_wrong_with_chains_is_told_at_once_with_field_and_line(org: OrgOf) -> None:
    put(org, "b", "d")
    change("UPDATE jobs SET task = 'gone.tasks.away' WHERE id = :id", id=id_of(org, "c"))
    text = """\
version: 1
schedules:
- key: a
  then:
    on_success:
    - bb
    - c
    - b
    - nowhere_at_all
    on_failure: [b, b]
- key: fresh
  task: succeed
  then: {on_succes: [a]}
- {key: b, then: [a]}
- {key: d, then: {on_success: a}}
"""
    found = mistakes(org, text)
    assert found == {
        "schedules[0].then.on_failure[1]": ["line 10: b stands in this list already"],
        "schedules[1].then.on_succes": ["line 13: is no known field; did you mean on_success?"],
        "schedules[2].then": [
            "line 14: must be a mapping, such as {on_success: [send_report]}; {} for nothing"
        ],
        "schedules[3].then.on_success": ["line 15: must be a list of keys, such as [send_report]"],
    }
    named = (
        text.replace("[b, b]", "[b]")
        .replace("on_succes:", "on_success:")
        .replace("then: [a]", "enabled: true")
    )
    found = mistakes(org, named.replace("on_success: a}", "on_success: [a]}"))
    assert found == {
        "schedules[0].then.on_success[0]": [
            "line 6: no job has the key bb, here or in the file; did you mean b?"
        ],
        "schedules[0].then.on_success[1]": [
            "line 7: c runs gone.tasks.away, a task that is gone, so it could not run"
        ],
        "schedules[0].then.on_success[3]": ["line 9: no job has the key nowhere_at_all, here or in the file"],
        "schedules[3].then.on_success[0]": ["line 15: this would close a circle: d → a → b → d"],
    }
    assert links(org) == [("b", "success", "d")]


def test_bounds_hold_and_circles_through_jobs_that_the_file_does_not_name_are_found(org: OrgOf) -> None:
    put(org, "a", "b")
    put(org, "b", "c")
    (texts,) = mistakes(org, file({"key": "c", "then": {"on_failure": ["a"]}})).values()
    assert texts[0].endswith("this would close a circle: c → a → b → c")
    (texts,) = mistakes(org, file({"key": "d", "then": {"on_failure": ["d"]}})).values()
    assert "circle: d → d" in texts[0]
    many = [{"key": f"j{number}", "task": "succeed"} for number in range(51)]
    row = [{**entry, "then": {"on_success": [f"j{number + 1}"]}} for number, entry in enumerate(many[:50])]
    found = mistakes(org, file(*row, many[50]))
    assert set(texts[0].partition(": ")[2] for texts in found.values()) == {
        "the chain would have 51 jobs in a row; at most 50 may stand in one"
    }
    apply(org, *row[:49], many[49])
    keys = [f"j{number}" for number in range(10, 31)]
    (texts,) = mistakes(org, file({"key": "d", "then": {"on_success": keys}})).values()
    assert "at most 20 jobs may follow one" in texts[0]
    sides = {"on_success": keys[:11], "on_failure": keys[:10]}
    (texts,) = mistakes(org, file({"key": "d", "then": sides})).values()
    assert "at most 20 jobs may follow one; these are 21" in texts[0]


def test_a_file_of_nothing_but_mistakes_is_refused_without_looking_at_all_of_it(org: OrgOf) -> None:
    """Circles may be as many as links, and similar names take a while to find: both have a bound."""
    keys = [f"j{number}" for number in range(40)]
    back = [
        {
            "key": key,
            "task": "succeed",
            "then": {
                "on_success": [keys[(number + 1) % 40]],
                "on_failure": keys[max(number - 19, 0) : number],
            },
        }
        for number, key in enumerate(keys)
    ]
    told = mistakes(org, file(*back))
    texts = [text for found in told.values() for text in found]
    assert len(texts) == 20 and all("this would close a circle: j" in text for text in texts)
    assert max(text.count("→") for text in texts) == 12 and any("→ 29 more → " in text for text in texts)

    nobody = {
        f"on_{side}": [f"jobb_{side}_{number}" for number in range(20)] for side in ("success", "failure")
    }
    factories.job(org, key="job_success_1")
    told = mistakes(org, file({"key": "a", "then": nobody}))
    unknown = [text for found in told.values() for text in found if "no job has the key" in text]
    assert len(unknown) == 40
    assert ["did you mean job_success_1" in text for text in unknown] == [True] * 9 + [False] * 31
    assert links(org) == []


def test_a_link_that_stands_to_a_job_that_is_deleted_or_can_not_run_is_left_alone(org: OrgOf) -> None:
    put(org, "a", "b", "c")
    change("UPDATE jobs SET task = 'gone.tasks.away' WHERE id = :id", id=id_of(org, "c"))
    jobs.delete(org.admin, id_of(org, "b"), now=NOON)
    text = schedule_files.export(org.admin, now=NOON)
    assert "then: {on_success: [c]}" in text
    assert schedule_files.apply(org.admin, text, now=NOON).changes == []
    apply(org, {"key": "a", "then": {}})
    assert links(org) == [("a", "success", "b")], "it is back with the job, when the deletion is undone"
    assert "no job has the key b" in str(mistakes(org, file({"key": "a", "then": {"on_success": ["b"]}})))


def test_a_link_to_a_job_that_ran_once_and_is_over_is_in_no_file_and_stays(org: OrgOf) -> None:
    """Such a job is in no file either, so that no other console could take the link."""
    soon = {"type": "once", "at": (NOON + timedelta(hours=1)).isoformat()}
    factories.job(org, key="once", name="Once", schedule=soon, now=NOON)
    put(org, "a", "b", "once")
    later = NOON + timedelta(hours=2)
    written = schedule_files.export(org.admin, now=later)
    assert "once" not in written and not schedule_files.plan(org.admin, written, now=later).changes
    other = factories.org()
    schedule_files.apply(other.admin, written, now=later)
    assert links(other) == [("a", "success", "b")]
    given = [{"key": "a", "then": {"on_success": ["once"]}}, {"key": "a", "then": {}}]
    for entry in given:
        schedule_files.apply(org.admin, file(entry), now=later)
        assert links(org) == [("a", "success", "once")], "it is gone only when it is taken out by hand"


def test_who_may_edit_no_chain_imports_none_and_an_edit_in_between_refuses_the_plan(org: OrgOf) -> None:
    text = file({"key": "a", "then": {"on_success": ["b"]}})
    viewer = factories.person(org, Role.VIEWER)
    mark = schedule_files.plan(viewer, text, now=NOON).mark
    with pytest.raises(Forbidden):
        schedule_files.apply(viewer, text, now=NOON)
    chains.add(org.admin, id_of(org, "a"), Condition.FAILURE, "c", now=NOON)
    with pytest.raises(PlanMoved):
        schedule_files.apply(org.admin, text, expected=mark, now=NOON)
    assert links(org) == [("a", "failure", "c")]


def test_a_file_and_an_edit_on_a_page_at_once_close_no_circle(app: APIFlask, org: OrgOf) -> None:
    refused: list[str] = []

    def told(do: Any) -> None:
        with app.app_context():
            try:
                do()
            except (Invalid, Refused) as error:
                refused.append(error.detail)

    for _ in range(3):
        threads = [
            threading.Thread(target=told, args=(do,))
            for do in (
                lambda: apply(org, {"key": "a", "then": {"on_success": ["b"]}}),
                lambda: put(org, "b", "a"),
            )
        ]
        [thread.start() for thread in threads]
        [thread.join(60) for thread in threads]
        assert len(links(org)) == 1
        change("DELETE FROM job_links")
    assert len(refused) == 3
