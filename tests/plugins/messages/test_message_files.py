"""Message jobs out of a file: what an export says changes nothing, and what differs is shown, then done."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest

from console.core import delimited
from console.core.clock import utc_now
from console.core.errors import Forbidden
from console.core.states import Role
from console.plugins.messages import message_import
from console.plugins.messages.event_rows import BadFile
from console.plugins.messages.message_import import Action, Conflicts, Plan, PlanMoved
from console.plugins.messages.views import EventView
from console.services import edits, job_files, jobs
from console.services.changes import Change
from console.services.job_files import Format
from console.services.views import JobFilter
from tests import factories
from tests.factories import OrgOf, one, rows

KEPT = "SELECT id, revision, status, next_run_at, recipient, args FROM jobs ORDER BY id"
LATER = "2031-03-01T09:00:00+01:00"


@pytest.fixture
def hamlet(org: OrgOf) -> EventView:
    """An event with a contact and one of a crew: INIT, two reminders, a follow-up."""
    return factories.event(
        org, "Hamlet", venue="Main Stage", timezone="Europe/Berlin", crew=["lee@northside.example"]
    )


def exported(org: OrgOf, kind: Format = Format.CSV, **wanted: Any) -> str:
    file = job_files.export(org.admin, JobFilter(**wanted), now=utc_now())
    return "".join(file.text(kind))


def lines(org: OrgOf, **wanted: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(exported(org, **wanted))))


def text(*found: Mapping[str, str]) -> str:
    """A CSV file of these rows."""
    columns = list(dict.fromkeys(name for line in found for name in line))
    return "".join(
        map(delimited.written, [columns, *([line.get(name) for name in columns] for line in found)])
    )


def reminder(org: OrgOf, recipient: str = "lee@northside.example") -> dict[str, str]:
    (line,) = lines(org, recipient=recipient)
    return line


def new(**cells: str) -> dict[str, str]:
    row = {"message_type": "REMINDER", "event": "hamlet", "recipient": "kim@x.example", "send_at": LATER}
    return row | cells


def plan(org: OrgOf, file: str) -> Plan:
    return message_import.plan(org.admin, file, now=utc_now())


def apply(org: OrgOf, file: str, **given: Any) -> Plan:
    return message_import.apply(org.admin, file, now=utc_now(), **given)


def faults(org: OrgOf, *found: Mapping[str, str]) -> list[tuple[int, str]]:
    """Line and column of each mistake of a file with these rows."""
    with pytest.raises(BadFile) as refused:
        plan(org, text(*found))
    return [(fault.line, fault.column) for fault in refused.value.faults]


@pytest.mark.parametrize("kind", Format)
def test_an_export_imported_unchanged_changes_nothing(org: OrgOf, hamlet: EventView, kind: Format) -> None:
    factories.job(org, name="=1+1", subject="a\r\nb", recipient="+x@y.example")
    words = {
        "message_type": "FREE",
        "event_id": str(hamlet.id),
        "subject": "-10 %",
        "text": " Dear,\n\nbye\n",
    }
    at = {"type": "once", "at": "2031-01-01T00:00:00+00:00"}
    factories.job(org, "send_message", name="'@free", recipient="z@x.example", args=words, schedule=at)
    before = rows(KEPT)
    file = exported(org, kind)
    done = apply(org, file)
    assert [row.action for row in done.rows] == [Action.UNCHANGED] * 6
    assert rows(KEPT) == before
    through_a_form = file.replace("\r\n", "\n").replace("\n", "\r\n")
    assert plan(org, through_a_form).count(Action.UNCHANGED) == 6


def test_a_row_changes_when_and_to_whom_a_message_goes_and_whether_it_is_paused(
    org: OrgOf, hamlet: EventView
) -> None:
    line = reminder(org) | {"send_at": "2031-03-01 09:00", "recipient": "max@x.example", "status": "paused"}
    (row,) = plan(org, text(line)).rows
    assert (row.action, row.line, row.name) == (Action.UPDATE, 2, "Hamlet · Reminder")
    assert row.after == {"send_at": LATER, "recipient": "max@x.example", "status": "paused"}
    assert row.before is not None and row.before["recipient"] == "lee@northside.example"
    assert one("SELECT count(*) FROM job_revisions WHERE revision > 1") == 0
    apply(org, text(line), reason="swapped shifts")
    job = jobs.get(org.admin, row.job_id, now=utc_now()) if row.job_id else None
    assert job is not None and job.next_run_at is not None
    assert (job.recipient, job.status, job.next_run_at.isoformat()) == (
        "max@x.example",
        "paused",
        "2031-03-01T08:00:00+00:00",
    )
    assert rows("SELECT reason FROM job_revisions WHERE revision > 1") == [("swapped shifts",)]
    assert plan(org, text({**line, "revision": ""})).count(Action.UNCHANGED) == 1


def test_a_job_goes_by_its_key_too_and_columns_that_are_left_out_stay(org: OrgOf, hamlet: EventView) -> None:
    key = reminder(org)["key"]
    done = apply(org, text({"key": key, "status": "Paused"}))
    assert [row.after for row in done.rows] == [{"status": "paused"}]
    assert rows("SELECT key, recipient FROM jobs WHERE status = 'paused'") == [(key, "lee@northside.example")]


def test_a_row_whose_job_somebody_changed_since_is_a_conflict(org: OrgOf, hamlet: EventView) -> None:
    mine = reminder(org)
    (job_id,) = rows("SELECT id FROM jobs WHERE recipient = 'lee@northside.example'")[0]
    edits.edit(org.admin, job_id, Change(recipient="kim@x.example"), now=utc_now())
    file = text(mine | {"recipient": "max@x.example"}, new(recipient="new@x.example"))
    found = plan(org, file)
    assert [row.action for row in found.rows] == [Action.CONFLICT, Action.CREATE]
    assert (found.rows[0].revision, found.rows[0].before) == (2, {"recipient": "kim@x.example"})
    with pytest.raises(Conflicts, match=r"line 2 \(“Hamlet · Reminder”, revision 2 by now\)"):
        apply(org, file)
    assert one("SELECT count(*) FROM jobs") == 4
    assert one("SELECT count(*) FROM jobs WHERE recipient = 'kim@x.example'") == 1


def test_a_row_without_id_makes_a_message_once(org: OrgOf, hamlet: EventView) -> None:
    free = new(
        message_type="FREE", message_subject="{{ event_name }}", message_text="Dear,\nyours", status="paused"
    )
    file = text(new(), free)
    assert [row.action for row in plan(org, file).rows] == [Action.CREATE] * 2
    assert one("SELECT count(*) FROM jobs") == 4
    apply(org, file)
    stored = (
        "SELECT name, subject_id, message_type, subject, timezone, status, args ->> 'text' FROM jobs "
        "WHERE recipient = 'kim@x.example' ORDER BY message_type"
    )
    about = one("SELECT subject FROM jobs WHERE recipient = 'lee@northside.example'")
    same = ("Europe/Berlin",)
    assert rows(stored) == [
        ("Hamlet · Free", hamlet.id, "FREE", about, *same, "paused", "Dear,\nyours"),
        ("Hamlet · Reminder", hamlet.id, "REMINDER", about, *same, "scheduled", None),
    ]
    assert [row.action for row in apply(org, file).rows] == [Action.UNCHANGED] * 2
    assert one("SELECT count(*) FROM jobs") == 6


def test_every_mistake_is_named_by_line_and_column_and_nothing_is_imported(
    org: OrgOf, hamlet: EventView
) -> None:
    task = factories.job(org, recipient="a@x.example")
    good = reminder(org)
    found = faults(
        org,
        new(),
        good | {"send_at": "tomorrow"},
        {"id": str(task.id), "recipient": "b@x.example"},
        {"id": factories.UNKNOWN_ID},
        {"key": "nothing_like_it"},
        new(send_at="2001-01-01 10:00"),
        new(event="Faust", status="sent"),
        new(recipient="nobody", send_at="2031-01-02 10:00"),
        new(message_type="FREE"),
        new(message_type="LETTER", recipient=""),
        good | {"status": "sent", "name": "Macbeth"},
        new(),
    )
    assert found == [
        (3, "send_at"), (4, ""), (5, "id"), (6, "key"), (7, "send_at"), (8, "event"), (8, "status"),
        (9, "recipient"), (10, "message_type"), (11, "message_type"), (11, "recipient"),
        (12, "name"), (12, "status"), (13, ""),
    ]  # fmt: skip
    with pytest.raises(BadFile):
        apply(org, text(new(), new(event="Faust")))
    assert one("SELECT count(*) FROM jobs WHERE recipient = 'kim@x.example'") == 0


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("", "is empty"),
        ("id,recipent\n", "did you mean recipient?"),
        ("id,recipient\n", "has no rows"),
        ('{"jobs": 1}', "must be a list"),
        ('{"jobs": [{"recipient": ["a"]}]}', "must be text"),
        ('[{"recipient": "\\ud800"}]', "must be text"),
        ('[{"recipient\\ud800": "a"}]', "is no column"),
        ('{"jobs": [', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("a" * 1_100_000, "is larger than 1 MB"),
    ],
)
def test_what_is_no_such_file_is_refused(org: OrgOf, file: str, word: str) -> None:
    with pytest.raises(BadFile, match=word.replace("?", r"\?")):
        plan(org, file)


def test_an_event_that_several_are_called_goes_by_its_id(org: OrgOf, hamlet: EventView) -> None:
    other = factories.event(org, "Hamlet", starts_at=utc_now() + timedelta(days=60))
    assert faults(org, new()) == [(2, "event")]
    apply(org, text(new(event="", event_id=str(other.id))))
    assert one("SELECT subject_id FROM jobs WHERE recipient = 'kim@x.example'") == other.id


def test_json_takes_what_an_export_has(org: OrgOf, hamlet: EventView) -> None:
    file = json.loads(exported(org, Format.JSON, recipient="lee@northside.example"))
    file["jobs"][0]["recipient"] = None
    (row,) = apply(org, json.dumps(file)).rows
    assert row.after == {"recipient": None}
    assert rows("SELECT status, status_reason FROM jobs WHERE id = :id", id=row.job_id) == [
        ("blocked", "MISSING_RECIPIENT")
    ]


def test_who_has_seen_a_plan_gets_just_that(org: OrgOf, hamlet: EventView) -> None:
    line = reminder(org) | {"recipient": "max@x.example", "revision": ""}
    seen = plan(org, text(line)).mark
    (job_id,) = rows("SELECT id FROM jobs WHERE recipient = 'lee@northside.example'")[0]
    edits.edit(org.admin, job_id, Change(recipient="kim@x.example"), now=utc_now())
    with pytest.raises(PlanMoved):
        apply(org, text(line), expected=seen)
    assert one("SELECT recipient FROM jobs WHERE id = :id", id=job_id) == "kim@x.example"
    apply(org, text(line), expected=plan(org, text(line)).mark)
    assert one("SELECT recipient FROM jobs WHERE id = :id", id=job_id) == "max@x.example"


def test_other_orgs_jobs_and_events_are_not_there_and_viewers_may_not(org: OrgOf, hamlet: EventView) -> None:
    stranger = factories.org()
    line = reminder(org)
    assert faults(
        stranger, {"id": line["id"]}, {"key": line["key"]}, new(event="", event_id=line["event_id"])
    ) == [
        (2, "id"),
        (3, "key"),
        (4, "event_id"),
    ]
    with pytest.raises(Forbidden):
        message_import.apply(replace(org.admin, role=Role.VIEWER), text(new()), now=utc_now())
