"""The audit trail for programs."""

import csv
import json
from io import StringIO
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.db.turns import turn
from console.services import recomputing, verifying
from tests.factories import one, past_the_triggers, rows

from .conftest import Org, assert_problem, make_job


def test_the_trail_is_listed_newest_first_in_pages(app: APIFlask, org: Org, other_org: Org) -> None:
    ids = [str(make_job(app, org, key=f"job_{number}")) for number in range(5)]
    make_job(app, other_org)
    found, cursor = [], ""
    while cursor is not None:
        page = org.viewer.get(f"/audit?tag=job:created&limit=2&cursor={cursor}").json
        assert len(page["entries"]) <= 2
        found += page["entries"]
        cursor = page["next_cursor"]
    assert [entry["object_id"] for entry in found] == ids[::-1]
    entry = found[0]
    assert (entry["tag"], entry["actor_kind"], entry["old"]) == ("job:created", "cli", None)
    assert entry["new"]["name"] == "Greet somebody"
    assert entry["at"].endswith("+00:00")
    (only,) = org.viewer.get(f"/audit?object_kind=job&object_id={ids[2]}").json["entries"]
    assert only["object_id"] == ids[2]
    assert org.viewer.get("/audit?actor=TESTER&to=2020-01-01").json["entries"] == []
    assert len(org.viewer.get("/audit?actor=TESTER&tag=job:created").json["entries"]) == 5


def test_what_can_not_be_asked_is_named(org: Org) -> None:
    for query, field in (
        ("tag=nonsense", "tag"),
        ("from=tomorrow", "from"),
        ("limit=201", "limit"),
        ("colour=red", "colour"),
    ):
        assert_problem(org.viewer.get(f"/audit?{query}"), 422, field)
    assert_problem(org.viewer.get("/audit?cursor=WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSJd"), 422, "cursor")


def test_verification_names_the_first_bad_entry(org: Org, job_id: UUID) -> None:
    found = org.viewer.get("/audit/verify").json
    assert found == {"ok": True, "entries": one("SELECT count(*) - 1 FROM audit_entries"), "first_bad": None}
    number = one("SELECT number FROM audit_entries WHERE tag = 'job:created'")
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=number)
    found = org.viewer.get("/audit/verify").json
    assert not found["ok"]
    bad = found["first_bad"]
    assert (bad["problem"], bad["number"]) == ("edited", number)
    assert bad["sentence"] == f"Entry {number} was changed after it was sealed."
    last = org.viewer.get("/audit?tag=audit:verified&limit=1").json["entries"][0]
    assert last["new"]["first_bad"]["number"] == number
    assert last["actor_name"] == "token viewer"


def test_a_long_verification_sends_blanks_until_it_knows(
    app: APIFlask, org: Org, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy takes a minute of silence for the end; JSON may begin with blanks."""
    monkeypatch.setattr(verifying, "SLICE", 1)
    monkeypatch.setattr(recomputing, "BATCH", 1)
    answer = org.viewer.get("/audit/verify")
    assert answer.mimetype == "application/json"
    text, count = answer.text, one("SELECT count(*) - 1 FROM audit_entries")
    assert text.startswith(" " * count + "{") and count > 1
    assert answer.json == {"ok": True, "entries": count, "first_bad": None}
    number = one("SELECT max(number) FROM audit_entries WHERE tag = 'job:created'")
    past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=number)
    found = org.viewer.get("/audit/verify").json
    assert (found["ok"], found["first_bad"]["number"]) == (False, number)
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'audit:verified'") == 2
    with turn(f"verify {org.actor.org_id}") as is_mine:
        assert is_mine, "the turn is given back at the end"
        assert_problem(org.viewer.get("/audit/verify"), 409)


def test_the_whole_trail_is_one_file(org: Org, job_id: UUID) -> None:
    org.viewer.get("/audit/verify")
    answer = org.viewer.get("/audit/export")
    assert answer.mimetype == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["number"] for line in lines] == sorted(line["number"] for line in lines)
    assert lines[0]["position"] == 1 and len(lines[0]["hash"]) == 64
    assert {"job:created", "user:created", "token:created"} <= {line["tag"] for line in lines}
    table = list(csv.DictReader(StringIO(org.viewer.get("/audit/export?format=csv&tag=job:created").text)))
    assert [json.loads(row["new"])["name"] for row in table] == ["Greet somebody"]
    exports = rows("SELECT new FROM audit_entries WHERE tag = 'audit:exported' ORDER BY number")
    assert [entry.new["format"] for entry in exports] == ["jsonl", "csv"]
    assert exports[1].new["tag"] == "job:created"
    assert_problem(org.viewer.get("/audit/export?format=xml"), 422, "format")


def test_a_refused_call_is_on_the_trail(org: Org, job_id: UUID) -> None:
    assert_problem(org.viewer.post(f"/scheduler/jobs/{job_id}/send-now"), 403)
    (entry,) = org.viewer.get("/audit?tag=access:refused").json["entries"]
    assert entry["actor_name"] == "token viewer"
    assert entry["object_id"] == f"POST /api/v1/scheduler/jobs/{job_id}/send-now"
    assert entry["address"] == "127.0.0.1"
    assert entry["request_id"]
