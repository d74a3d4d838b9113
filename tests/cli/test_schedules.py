"""`schedule`: what is due when, at the shell."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask

from console.cli import schedule_edits
from console.core.clock import utc_now
from console.core.states import Beating
from console.services import dispatch, heartbeats
from console.services.heartbeats import Beat
from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Console, Done

DAILY = {"type": "daily", "hour": 7, "minute": 0}
NINE = ("--hour", "9", "--minute", "15")


@pytest.fixture
def report(org: OrgOf) -> None:
    """A job that is due at seven every day."""
    factories.job(org, key="morning_report", name="Morning report", schedule=DAILY)


@pytest.fixture
def scheduler(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something that lives and acknowledges, as the scheduler does, however long a busy machine takes."""
    monkeypatch.setattr(schedule_edits, "ACKNOWLEDGED_WITHIN", 60.0)
    factories.live_scheduler()
    over = threading.Event()

    def work() -> None:
        with app.app_context():
            while not over.wait(0.02):
                dispatch.acknowledge()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def shown(console: Console, name: str = "morning_report") -> dict[str, str]:
    """What the next `schedule show` says."""
    done = console("schedule", "show", name)
    assert done.code == 0, done
    return dict(line.split(maxsplit=1) for line in done.out.splitlines())


def stored(key: str = "morning_report") -> object:
    return one("SELECT schedule FROM jobs WHERE key = :key AND deleted_at IS NULL", key=key)


def saved(done: Done, *words: str) -> None:
    assert done.code == 0, done
    assert [word for word in words if word not in done.out] == [], done.out


# set ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("report")
def test_with_an_external_cron_alone_it_does_not_wait_and_says_what_it_waits_for(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Beat(Beating.EXTERNAL_CRON, "cron", "host", 1, utc_now())
    heartbeats.beat(beat, now=utc_now() - timedelta(minutes=20))
    waits: list[float] = []
    monkeypatch.setattr(schedule_edits.time, "sleep", waits.append)
    saved(console("schedule", "set", "morning-report", *NINE), "saved r2; waits for the next tick of the ext")
    assert waits == []


@pytest.mark.usefixtures("report")
def test_a_time_and_a_zone_are_set_as_in_the_contract(console: Console) -> None:
    done = console("schedule", "set", "morning-report", *NINE, "--timezone", "Asia/Ho_Chi_Minh")
    saved(done, "schedule: daily at 07:00 → daily at 09:15", "timezone: UTC → Asia/Ho_Chi_Minh")
    saved(done, "next run", "09:15:00 +07 (before: ", "saved r2; the scheduler is down")
    assert done.err == ""
    assert stored() == {"type": "daily", "hour": 9, "minute": 15}
    assert shown(console)["timezone"] == "Asia/Ho_Chi_Minh"
    assert shown(console)["schedule"].startswith("daily at 09:15")


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize(
    ("options", "shape", "words"),
    [
        (("--cron", "15 9 * * 1-5"), {"type": "cron", "cron": "15 9 * * 1-5"}, "15 9 * * 1-5"),
        (("--every", "14400"), {"type": "interval", "every_seconds": 14400}, "every 4 h"),
        ((*NINE, "--weekday", "0"), {"type": "weekly", "weekday": 0, "hour": 9, "minute": 15}, "Mondays"),
        (("--at", "2099-01-02T09:00+07:00"), {"type": "once", "at": "2099-01-02T02:00:00+00:00"}, "once"),
        (("--manual",), {"type": "manual"}, "only by hand"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_every_shape_can_be_set(
    console: Console, options: tuple[str, ...], shape: dict[str, object], words: str
) -> None:
    saved(console("schedule", "set", "morning_report", *options), words)
    assert stored() == shape
    assert words in shown(console)["schedule"]


@pytest.mark.usefixtures("report")
def test_disable_alone_pauses_with_its_reason_on_the_row(console: Console) -> None:
    done = console("schedule", "set", "morning_report", "--disable", "--reason", "rain")
    saved(done, "enabled: on → paused", "no next run: the job is paused (before: ")
    assert rows("SELECT status, status_note FROM jobs") == [("paused", "rain")]
    assert shown(console)["next_run"] == "-"
    saved(console("schedule", "enable", "morning_report", "--reason", "sun"), "paused → on")
    assert rows("SELECT status, status_note FROM jobs") == [("scheduled", None)]
    assert one("SELECT reason FROM job_revisions WHERE revision = 3") == "sun"


@pytest.mark.usefixtures("report")
def test_policies_are_set_and_taken_back(console: Console) -> None:
    policies = ("--overlap", "buffer_one", "--catch-up", "all", "--window", "900", "--jitter", "30")
    saved(
        console("schedule", "set", "morning_report", *policies, "--name", "Dawn"),
        "overlap: skip → buffer_one",
    )
    columns = "overlap, catch_up, catch_up_window_seconds, jitter_seconds, name"
    assert rows(f"SELECT {columns} FROM jobs") == [("buffer_one", "all", 900, 30, "Dawn")]  # noqa: S608
    assert shown(console)["jitter_seconds"] == "30"
    saved(console("schedule", "set", "morning_report", "--window", "0", "--jitter", "0"), "900 → none")
    assert rows("SELECT catch_up_window_seconds, jitter_seconds FROM jobs") == [(None, None)]


@pytest.mark.usefixtures("report")
def test_what_is_so_already_makes_no_revision(console: Console) -> None:
    done = console("schedule", "set", "morning_report", "--hour", "7", "--minute", "0")
    assert (done.code, done.out) == (0, "morning_report is so already: r1. Nothing was changed.\n")
    assert console("schedule", "enable", "morning_report").code == 0
    assert one("SELECT count(*) FROM job_revisions") == 1


def test_a_task_without_a_job_gets_one(console: Console, org: OrgOf) -> None:
    assert console("schedule", "show", "succeed").failed(1, "no schedule yet")
    done = console("schedule", "set", "succeed", *NINE)
    saved(done, "Succeed (succeed)", "a new job of the task tests.tasks.succeed, daily at 09:15", "next run ")
    assert stored("succeed") == {"type": "daily", "hour": 9, "minute": 15}
    assert shown(console, "tests.tasks.succeed")["revision"].startswith("saved r1")


def test_two_jobs_of_a_task_are_not_told_apart_by_its_name(console: Console, org: OrgOf) -> None:
    for key in ("dawn", "dusk"):
        factories.job(org, key=key, schedule=DAILY)
    assert console("schedule", "set", "succeed", *NINE).failed(1, "several jobs", "dawn, dusk")
    assert one("SELECT sum(revision) FROM jobs") == 2


def test_an_unknown_name_gets_suggestions(console: Console, org: OrgOf) -> None:
    for command in (("set", "sucede", *NINE), ("disable", "sucede"), ("next", "sucede")):
        assert console("schedule", *command).failed(1, "[UNKNOWN_TASK]", "succeed")
    assert one("SELECT count(*) FROM jobs") == 0


@pytest.mark.usefixtures("report", "scheduler")
def test_an_edit_waits_until_the_scheduler_acts_on_it(console: Console) -> None:
    saved(console("schedule", "set", "morning_report", *NINE), "r2, in force")
    assert shown(console)["revision"] == "r2, in force"
    done = json.loads(console("schedule", "disable", "morning_report", "--json").out)
    assert (done["revision"], done["applied_revision"], done["status"]) == (3, 3, "paused")


@pytest.mark.usefixtures("report")
def test_who_does_not_wait_is_told_what_the_scheduler_is_on(console: Console) -> None:
    dispatch.acknowledge()
    factories.live_scheduler()
    saved(console("schedule", "set", "morning_report", *NINE, "--no-wait"), "saved r2; scheduler on r1")
    assert shown(console)["revision"] == "saved r2, scheduler on r1"


@pytest.mark.usefixtures("report")
def test_an_edit_as_json_has_the_shape_of_the_api(console: Console) -> None:
    done = json.loads(console("schedule", "set", "morning_report", "--every", "60", "--json").out)
    assert (done["key"], done["revision"], done["schedule"]["every_seconds"]) == ("morning_report", 2, 60)
    assert [change["name"] for change in done["changes"]] == ["schedule"]
    assert done["warnings"][0]["code"] == "TOO_OFTEN"
    assert done["next_run_before"] < done["next_run_at"] or done["next_run_before"]


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cron", "0 9 31 2 *"), ("[NEVER_FIRES]", "never fires; make the job manual")),
        (("--cron", "0 25 * * *"), ("[INVALID_SCHEDULE]", "cron:", "25")),
        (("--cron", "0 9 * *"), ("[INVALID_SCHEDULE]", "cron:")),
        (("--cron", ""), ("[INVALID_SCHEDULE]", "cron:")),
        (("--at", "2020-01-01T00:00:00+00:00"), ("[IN_THE_PAST]", "at:")),
        (("--at", "2099-01-01T00:00:00"), ("[INVALID_SCHEDULE]", "offset")),
        (("--at", "tomorrow"), ("[INVALID_SCHEDULE]", "ISO 8601")),
        (("--hour", "25", "--minute", "0"), ("[INVALID_SCHEDULE]", "hour: must be a whole number")),
        ((*NINE, "--weekday", "7"), ("[INVALID_SCHEDULE]", "weekday")),
        (("--every", "0"), ("[INVALID_SCHEDULE]", "every_seconds")),
        (("--timezone", "Europe/Berln"), ("timezone:", "Europe/Berln")),
        (("--jitter", "999999"), ("jitter_seconds:",)),
        (("--window", "-1"), ("catch_up_window_seconds:",)),
        (("--name", " "), ("name:",)),
        (("--revision", "7", "--manual"), ("revision:", "newest is 1")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_refused_in_one_line_and_nothing_changes(
    console: Console, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before, trail = shown(console), one("SELECT count(*) FROM audit_entries")
    assert console("schedule", "set", "morning_report", *options).failed(1, *words)
    assert one("SELECT count(*) FROM job_revisions") == 1
    assert one("SELECT count(*) FROM audit_entries") == trail
    assert shown(console) == before


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say what to set"),
        (("--reason", "why not"), "say what to set"),
        (("--hour", "9"), "belong together"),
        (("--minute", "9"), "belong together"),
        (("--weekday", "1"), "belong together"),
        ((*NINE, "--every", "60"), "--every and --hour"),
        (("--cron", "* * * * *", "--manual"), "--cron and --manual"),
        (("--at", "2099-01-01T00:00Z", "--every", "60"), "--every and --at"),
        (("--enable", "--disable"), "not both"),
        (("--every", "soon"), "soon"),
        (("--overlap", "maybe"), "maybe"),
        (("--catch-up", "some"), "some"),
        (("--revision", "0", "--manual"), "--revision"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_wrong_usage(console: Console, options: tuple[str, ...], words: str) -> None:
    done = console("schedule", "set", "morning_report", *options)
    assert done.failed(2, words)
    assert done.out == ""
    assert one("SELECT count(*) FROM job_revisions") == 1


@pytest.mark.usefixtures("report")
def test_an_interval_under_five_minutes_warns_and_is_saved(console: Console) -> None:
    done = console("schedule", "set", "morning_report", "--every", "60")
    assert done.code == 0
    assert done.err.startswith("warning: ")
    assert "1 min apart" in done.err
    assert stored() == {"type": "interval", "every_seconds": 60}


@pytest.mark.usefixtures("report")
def test_two_jobs_of_one_task_in_one_minute_warn(console: Console, org: OrgOf) -> None:
    factories.job(org, key="other", name="The other", schedule={"type": "daily", "hour": 9, "minute": 15})
    done = console("schedule", "set", "morning_report", *NINE)
    assert done.code == 0
    assert done.err.startswith("warning: Due in the same minute")
    assert "The other" in done.err


@pytest.mark.usefixtures("report")
def test_a_stale_edit_is_refused_with_what_they_changed(console: Console) -> None:
    console("schedule", "set", "morning_report", *NINE, "--reason", "the trains")
    done = console("schedule", "set", "morning_report", "--every", "3600", "--revision", "1")
    assert done.failed(1, "[STALE_REVISION]", "saved r2", "the trains", "daily at 07:00 → daily at 09:15")
    assert done.failed(1, "--revision 2", "Nothing was changed")
    assert stored() == {"type": "daily", "hour": 9, "minute": 15}
    for command in (("disable",), ("undo",), ("undo", "--to", "1")):
        assert console("schedule", *command, "morning_report", "--revision", "1").failed(
            1, "[STALE_REVISION]"
        )
    saved(console("schedule", "set", "morning_report", "--every", "3600", "--revision", "2"), "every 1 h")


# Reading ------------------------------------------------------------------------------------------


def test_schedules_are_listed_nearest_first(console: Console, org: OrgOf) -> None:
    assert console("schedule", "list").out == "There are no such jobs.\n"
    factories.job(org, key="by_hand")
    factories.job(
        org, key="soon", schedule={"type": "interval", "every_seconds": 600}, timezone="Europe/Berlin"
    )
    lines = console("schedule", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["KEY", "soon", "by_hand"]
    assert "every 10 min" in lines[1]
    assert "Europe/Berlin" in lines[1]
    listed = json.loads(console("schedule", "list", "--kind", "manual", "--json").out)
    assert [job["key"] for job in listed] == ["by_hand"]


@pytest.mark.usefixtures("report")
def test_show_as_json_is_the_job_of_the_api(console: Console) -> None:
    job = json.loads(console("schedule", "show", "morning-report", "--json").out)
    assert (job["key"], job["schedule"]["hour"], job["revision"]) == ("morning_report", 7, 1)


def test_the_next_slots_come_in_both_times_with_their_marks_in_words(console: Console, org: OrgOf) -> None:
    shape = {"type": "once", "at": "2099-03-29T00:30:00+00:00"}
    factories.job(org, key="once", schedule=shape, timezone="Europe/Berlin")
    lines = console("schedule", "next", "once").out.splitlines()
    assert lines[0].split() == ["LOCAL", "UTC", "MARK"]
    assert lines[1].split() == ["Sun", "2099-03-29", "01:30:00", "CET", "2099-03-29", "00:30:00", "-"]
    half_past_two = {"type": "daily", "hour": 2, "minute": 30}
    factories.job(org, key="night", schedule=half_past_two, timezone="Europe/Berlin")
    slots = json.loads(console("schedule", "next", "night", "--count", "400", "--json").out)["slots"]
    assert {"utc", "local", "offset", "mark"} <= slots[0].keys()
    assert {slot["mark"] for slot in slots} == {None, "shifted", "repeated"}
    marked = [
        line
        for line in console("schedule", "next", "night", "--count", "400").out.splitlines()
        if ":" in line
    ]
    assert any("shifted: 02:30 doesn't exist" in line for line in marked)


@pytest.mark.usefixtures("report")
def test_slots_that_will_not_run_say_so(console: Console, org: OrgOf) -> None:
    factories.job(org, key="by_hand")
    assert console("schedule", "next", "by_hand").out == "by_hand has no slot to come: only by hand.\n"
    console("schedule", "disable", "morning_report")
    assert console("schedule", "next", "morning_report").out.startswith("morning_report is paused: none")
    assert console("schedule", "next", "morning_report", "--count", "0").failed(2, "--count")
    assert console("schedule", "next", "morning_report", "--count", "401").failed(2, "--count")


@pytest.mark.usefixtures("report")
def test_history_says_who_when_from_where_and_why(console: Console) -> None:
    console("schedule", "set", "morning_report", *NINE, "--reason", "the trains\x1b[1m")
    lines = console("schedule", "history", "morning_report").out.splitlines()
    assert lines[0].split() == ["REVISION", "WHEN", "WHO", "FROM", "WHAT", "WHY"]
    assert "schedule: daily at 07:00 → daily at 09:15" in lines[1]
    assert "shell" in lines[1]
    assert "the trains?[1m" in lines[1]
    assert "created" in lines[2]
    found = json.loads(console("schedule", "history", "morning_report", "--json").out)
    assert [revision["revision"] for revision in found] == [2, 1]
    assert found[0]["changes"][0]["old"] == {"type": "daily", "hour": 7, "minute": 0}
    assert (
        len(json.loads(console("schedule", "history", "morning_report", "--limit", "1", "--json").out)) == 1
    )


@pytest.mark.usefixtures("report")
def test_undo_takes_the_last_edit_back_as_a_new_revision(console: Console) -> None:
    assert console("schedule", "undo", "morning_report").failed(1, "nothing to undo")
    console("schedule", "set", "morning_report", *NINE)
    console("schedule", "set", "morning_report", "--every", "3600")
    saved(console("schedule", "undo", "morning_report"), "every 1 h → daily at 09:15", "saved r4")
    saved(
        console("schedule", "undo", "morning_report", "--to", "1"),
        "daily at 09:15 → daily at 07:00",
        "saved r5",
    )
    assert stored() == DAILY
    assert console("schedule", "undo", "morning_report", "--to", "9").failed(1, "no revision 9")
    assert one("SELECT reason FROM job_revisions WHERE revision = 5") == "restored r1"
    assert shown(console)["schedule"].startswith("daily at 07:00")


# As code ------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "schedules.yaml"


@pytest.mark.usefixtures("report")
def test_a_round_trip_changes_nothing(console: Console, file: Path) -> None:
    saved(console("schedule", "export", "--output", str(file)), str(file))
    assert file.read_text() == console("schedule", "export").out
    assert "Nothing to change: 1 is as in the file." in console("schedule", "plan", str(file)).out
    assert "Nothing to change" in console("schedule", "import", str(file)).out
    assert one("SELECT count(*) FROM job_revisions") == 1


@pytest.mark.usefixtures("report")
def test_plan_shows_the_difference_and_import_makes_it(console: Console, org: OrgOf, file: Path) -> None:
    factories.job(org, key="not_there")
    file.write_text(
        "version: 1\nschedules:\n"
        "- {key: morning-report, schedule: {type: daily, hour: 9, minute: 15}}\n"
        "- {key: dusk, task: succeed, schedule: {type: interval, every_seconds: 60}}\n"
    )
    plan = console("schedule", "plan", str(file))
    saved(
        plan, "~ morning_report\n    schedule: daily at 07:00 → daily at 09:15\n", "+ dusk\n", "every 1 min"
    )
    saved(plan, "1 to create, 1 to change; 0 are as in the file; 1 not in the file stays as it is.")
    saved(plan, "Nothing was changed")
    assert plan.err.startswith("warning: dusk: ")
    assert stored() == DAILY
    planned = json.loads(console("schedule", "plan", str(file), "--json").out)
    assert [(c["name"], c["action"]) for c in planned["changes"]] == [
        ("dusk", "create"),
        ("morning_report", "update"),
    ]
    assert planned["changes"][0]["before"] is None
    assert planned["changes"][1]["before"] == {"schedule": DAILY}
    done = json.loads(console("schedule", "import", str(file), "--reason", "summer", "--json").out)
    assert done == planned
    assert one("SELECT reason FROM job_revisions WHERE revision = 2") == "summer"
    assert shown(console)["schedule"].startswith("daily at 09:15")
    saved(
        console("schedule", "plan", str(file)),
        "Nothing to change: 2 are as in the file; 1 not in the file stays",
    )


@pytest.mark.usefixtures("report")
def test_a_file_comes_from_standard_input(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nschedules:\n- {key: morning_report, enabled: false}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    saved(console("schedule", "import", "-"), "enabled: on → paused", "0 created, 1 changed")
    assert one("SELECT status FROM jobs") == "paused"


@pytest.mark.usefixtures("report")
def test_a_wrong_file_is_refused_as_a_whole_with_every_place(console: Console, file: Path) -> None:
    file.write_text(
        "version: 1\nschedules:\n"
        "- {key: morning_report, enabled: false}\n"
        "- {key: a, task: succeed, schedule: {type: cron, cron: 0 9 31 2 *}}\n"
        "- {key: b, task: sucede}\n"
    )
    for command in ("plan", "import"):
        done = console("schedule", command, str(file))
        assert done.failed(
            1, "[NEVER_FIRES]", "2 mistakes", "schedules[1].cron (line 4)", "schedules[2].task (line 5)"
        )
        assert done.out == ""
    assert rows("SELECT key, status FROM jobs") == [("morning_report", "scheduled")]


@pytest.mark.usefixtures("report")
def test_a_file_that_is_no_text_or_not_there_is_said_to_be_so(console: Console, file: Path) -> None:
    file.write_bytes(b"version: \xff")
    assert console("schedule", "plan", str(file)).failed(1, "[INVALID_SCHEDULE]", "UTF-8")
    assert console("schedule", "plan", str(file.parent / "none")).failed(2, "none")
    assert console("schedule", "plan", str(file.parent)).failed(2)
    file.write_text("version: [1")
    assert console("schedule", "import", str(file)).failed(1, "[INVALID_SCHEDULE]", "begins in line 1")
    assert console("schedule", "export", "--output", str(file / "x")).failed(1, "can't be written")


def test_a_file_that_is_written_anew_keeps_its_rights(console: Console, org: OrgOf, file: Path) -> None:
    console("schedule", "export", "--output", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    console("schedule", "export", "--output", str(file))
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]


def test_orgs_don_t_see_each_other(console: Console, org: OrgOf, file: Path) -> None:
    other = factories.org()
    factories.job(other, key="theirs", schedule=DAILY)
    console(
        "schedule",
        "export",
        "--output",
        str(file),
        "--org",
        one("SELECT slug FROM orgs WHERE id = :id", id=org.id),
    )
    assert "theirs" not in file.read_text()
    slug = one("SELECT slug FROM orgs WHERE id = :id", id=org.id)
    assert console("schedule", "show", "theirs", "--org", slug).failed(1)
