"""`audit` at the shell."""

import csv
import json
from io import StringIO
from pathlib import Path

from apiflask import APIFlask

from tests import factories
from tests.cli.conftest import Console
from tests.factories import OrgOf, one, past_the_triggers


def test_verify_is_content_or_names_the_first_bad_entry(console: Console, org: OrgOf) -> None:
    factories.job(org)
    done = console("audit", "verify")
    assert (done.code, done.out) == (0, f"The trail of {org.admin.org_name} is whole: 1 entries.\n")
    number = one("SELECT min(number) FROM audit_entries")
    past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=number)
    done = console("audit", "verify")
    assert done.code == 1
    assert done.out == f"BROKEN after 0 good entries: Entry {number} was sealed, and is gone.\n"
    done = console("audit", "verify", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert (found["ok"], found["first_bad"]["problem"], found["first_bad"]["number"]) == (
        False,
        "deleted",
        number,
    )


def test_list_shows_the_newest_first(console: Console, org: OrgOf) -> None:
    assert console("audit", "list").out == "There are no such entries.\n"
    jobs = [factories.job(org, key=f"job_{number}") for number in range(3)]
    found = json.loads(console("audit", "list", "--json", "--limit", "2").out)
    assert [entry["object_id"] for entry in found] == [str(job.id) for job in jobs[:0:-1]]
    table = console("audit", "list", "--tag", "job:created", "--actor", "TEST").out
    assert table.count("job:created") == 3
    assert "not yet" in table
    assert console("audit", "list", "--until", "2020-01-01").out == "There are no such entries.\n"
    assert console("audit", "list", "--tag", "nonsense").failed(2, "--tag", "job:created")
    assert console("audit", "list", "--since", "soon").failed(2, "--since")


def test_export_writes_json_lines_or_csv_and_is_an_entry(
    console: Console, org: OrgOf, tmp_path: Path
) -> None:
    factories.job(org, name="@SUM(A1)")
    lines = console("audit", "export").out.splitlines()
    assert [json.loads(line)["tag"] for line in lines] == ["job:created"]
    place = tmp_path / "trail.csv"
    done = console("audit", "export", "--format", "csv", "--since", "2020-01-01", "--output", str(place))
    assert (done.code, done.out) == (0, "")
    table = list(csv.DictReader(StringIO(place.read_text())))
    assert [row["tag"] for row in table] == ["job:created", "audit:exported"]
    newest = json.loads(console("audit", "list", "--json", "--limit", "1").out)[0]
    assert newest["tag"] == "audit:exported"
    assert newest["actor_name"].endswith("(shell)")
    assert newest["new"]["from"].startswith("2020-01-01")


def test_a_trail_is_of_one_org(console: Console, app: APIFlask, org: OrgOf) -> None:
    other = factories.org()
    factories.job(other)
    slug = one("SELECT slug FROM orgs WHERE id = :id", id=other.id)
    assert console("audit", "list", "--json").out.strip() == "[]"
    assert len(json.loads(console("audit", "list", "--json", "--org", slug).out)) == 1
