"""Events and the settings of messages by the API."""

from datetime import timedelta
from typing import Any

import pytest

from console.core.clock import utc_now
from tests.factories import one, rows

from .conftest import PROBLEM, Org, assert_problem

START = (utc_now() + timedelta(days=40)).replace(microsecond=0)
HAMLET = {"name": "Hamlet", "starts_at": START.isoformat(), "contact_email": "ana@northside.example"}
SHAPE = {
    "id", "name", "venue", "starts_at", "load_in_at", "timezone", "contact_name", "contact_email", "crew",
    "revision",
}  # fmt: skip
CSV = {"Content-Type": "text/csv"}


def made(org: Org, **fields: Any) -> dict[str, Any]:
    response = org.operator.post("/events", json={**HAMLET, **fields})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json
    return found


def test_an_event_is_created_with_its_messages_and_read_back(org: Org) -> None:
    response = org.operator.post("/events", json={**HAMLET, "crew": ["lee@northside.example"]})
    assert response.status_code == 201, response.text
    body = response.json
    assert set(body) == SHAPE | {"messages"}
    assert (body["timezone"], body["load_in_at"], body["revision"]) == ("Asia/Bangkok", None, 1)
    assert body["messages"]["created"] == one("SELECT count(*) FROM jobs WHERE message_type IS NOT NULL") == 4
    assert response.headers["ETag"] == '"1"'
    again = org.viewer.get(f"/events/{body['id']}")
    assert response.headers["Location"].endswith(f"/events/{body['id']}")
    assert set(again.json) == SHAPE and again.json == {name: body[name] for name in SHAPE}


def test_the_list_is_by_start_then_name_page_by_page_and_filtered(org: Org, other_org: Org) -> None:
    made(other_org, name="Elsewhere")
    for name, days in (("Faust", 3), ("Woyzeck", 1), ("Egmont", 1)):
        made(org, name=name, starts_at=(START + timedelta(days=days)).isoformat(), venue="Yard")
    first = org.viewer.get("/events?limit=2").json
    assert [item["name"] for item in first["events"]] == ["Egmont", "Woyzeck"]
    second = org.viewer.get(f"/events?limit=2&cursor={first['next_cursor']}").json
    assert ([item["name"] for item in second["events"]], second["next_cursor"]) == (["Faust"], None)
    assert set(second["events"][0]) == SHAPE
    later = (START + timedelta(days=2)).isoformat().replace("+", "%2B")
    assert [item["name"] for item in org.viewer.get(f"/events?from={later}").json["events"]] == ["Faust"]
    assert len(org.viewer.get(f"/events?to={later}&q=yard").json["events"]) == 2
    assert org.viewer.get("/events?q=nothing").json["events"] == []


def test_a_change_needs_the_newest_revision_and_a_stale_one_shows_both(org: Org) -> None:
    event = made(org)
    path = f"/events/{event['id']}"
    load_in = (START - timedelta(hours=5)).isoformat()
    response = org.operator.patch(path, json={"load_in_at": load_in, "revision": 1})
    assert (response.status_code, response.json["revision"]) == (200, 2)
    assert response.json["messages"]["closed"] == 1
    assert rows("SELECT status, status_reason FROM jobs WHERE message_type = 'INIT'") == [
        ("skipped", "HAS_LOAD_IN_TIME")
    ]
    stale = org.admin.patch(path, json={"venue": "Yard"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.mimetype) == (409, "application/problem+json")
    problem = stale.get_json(force=True)
    assert set(problem) == PROBLEM | {"current", "yours", "changes", "saved_by", "saved_at"}
    assert (problem["reason_code"], problem["saved_by"]) == ("STALE_REVISION", "token operator")
    assert problem["current"]["revision"] == 2 and problem["yours"] == {"venue": "Yard"}
    assert [(item["name"], item["old"]) for item in problem["changes"]] == [("load_in_at", None)]
    assert stale.headers["ETag"] == '"2"'
    emptied = org.operator.patch(path, json={"load_in_at": None}, headers={"If-Match": '"2"'})
    assert emptied.json["load_in_at"] is None and emptied.json["messages"]["opened"] == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"starts_at": "2030-01-01T10:00:00"}, "starts_at"),
        ({"load_in_at": (START + timedelta(days=1)).isoformat()}, "load_in_at"),
        ({"timezone": "Nowhere"}, "timezone"),
        ({"contact_email": "ana"}, "contact_email"),
        ({"crew": ["x@y.example", "X@y.example"]}, "crew"),
        ({"crew": "x@y.example"}, "crew"),
        ({"place": "Yard"}, "place"),
    ],
)
def test_a_wrong_field_is_named(org: Org, fields: dict[str, Any], field: str) -> None:
    assert_problem(org.operator.post("/events", json={**HAMLET, **fields}), 422, field)
    event = made(org)
    assert_problem(org.operator.patch(f"/events/{event['id']}", json=fields), 422, field)
    assert one("SELECT revision FROM events") == 1


def test_an_empty_change_is_none(org: Org) -> None:
    event = made(org)
    for body in ({}, {"revision": 1}, {"name": None}):
        assert_problem(org.operator.patch(f"/events/{event['id']}", json=body), 422, "body")


def test_a_deleted_event_is_gone_with_its_open_messages(org: Org, other_org: Org) -> None:
    event = made(org)
    path = f"/events/{event['id']}"
    assert_problem(other_org.admin.call("DELETE", path), 404)
    assert_problem(org.viewer.call("DELETE", path), 403)
    response = org.operator.call("DELETE", path)
    assert (response.status_code, response.data) == (204, b"")
    assert_problem(org.operator.get(path), 404)
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 0
    assert_problem(other_org.admin.patch(path, json={"name": "x"}), 404)


def test_a_file_is_shown_first_and_imported_as_it_was_shown(org: Org) -> None:
    text = f"name;starts_at;crew\nHamlet;{START.isoformat()};lee@northside.example kim@northside.example\n"
    plan = org.operator.post("/events/import?plan=true", data=text, headers=CSV)
    assert plan.status_code == 200, plan.text
    ((change),) = plan.json["changes"]
    assert (change["line"], change["action"], change["before"]) == (2, "create", None)
    assert change["after"]["crew"] == ["lee@northside.example", "kim@northside.example"]
    assert plan.json["messages"] is None and rows("SELECT id FROM events") == []
    path = f"/events/import?mark={plan.json['mark']}"
    done = org.operator.post(path, data=text.encode("utf-8-sig"), headers=CSV)
    assert done.status_code == 200 and done.json["messages"]["created"] > 0
    assert one("SELECT count(*) FROM events") == 1
    moved = org.operator.post(path, data=text, headers=CSV)
    assert assert_problem(moved, 409)["reason_code"] == "STALE_REVISION"
    again = org.operator.post("/events/import", data=text, headers=CSV)
    assert (again.json["changes"], again.json["unchanged"]) == ([], 1)
    assert_problem(org.viewer.post("/events/import", data=text, headers=CSV), 403)


def test_a_file_with_a_mistake_is_refused_as_a_whole_by_line_and_column(org: Org) -> None:
    text = f"name,starts_at\nHamlet,{START.isoformat()}\nFaust,soon\n"
    problem = assert_problem(org.operator.post("/events/import", data=text, headers=CSV), 422)
    assert list(problem["errors"]) == ["lines[3].starts_at"]
    latin = org.operator.post("/events/import", data="name\nZoë".encode("latin-1"), headers=CSV)
    assert "CSV UTF-8" in assert_problem(latin, 422)["detail"]
    assert_problem(org.operator.post("/events/import", json={}), 415)
    assert rows("SELECT id FROM events") == []


def test_a_type_has_its_switch_lead_time_and_template(org: Org) -> None:
    held = org.viewer.get("/message-types/REMINDER").json
    assert (held["enabled"], held["lead_days"], held["send_time"], held["revision"]) == (True, -1, "10:00", 0)
    assert held["template"]["version"] == 0 and held["template"]["subject"]
    made(org)
    body = {
        "enabled": False,
        "lead_days": -2,
        "send_time": "08:30",
        "template": {"subject": "See you: {{ event_name }}", "version": 0},
        "revision": 0,
    }
    saved = org.operator.put("/message-types/REMINDER", json=body)
    assert saved.status_code == 200, saved.text
    assert (saved.json["lead_days"], saved.json["send_time"], saved.json["revision"]) == (-2, "08:30", 1)
    assert saved.json["template"] == {
        **held["template"],
        "version": 1,
        "subject": body["template"]["subject"],
    }
    assert saved.json["messages"]["moved"] == 1
    again = org.operator.put("/message-types/REMINDER", json={**body, "revision": 1})
    assert again.json["revision"] == 1 and again.json["template"]["version"] == 1
    stale = org.operator.put("/message-types/REMINDER", json={"lead_days": -3, "revision": 0})
    problem = stale.get_json(force=True)
    assert (stale.status_code, problem["current"]["revision"]) == (409, 1)
    assert problem["yours"] == {"lead_days": -3}
    bad = {"lead_days": 3, "template": {"subject": "x"}}
    assert_problem(org.operator.put("/message-types/REMINDER", json=bad), 422, "lead_days")
    bad = {"template": {"text": "{{ nonsense }}"}, "lead_days": -9}
    assert_problem(org.operator.put("/message-types/REMINDER", json=bad), 422, "text")
    assert org.viewer.get("/message-types/REMINDER").json["lead_days"] == -2
    assert_problem(org.viewer.put("/message-types/REMINDER", json=body), 403)
    assert_problem(org.viewer.get("/message-types/FREE"), 404)


def test_the_global_switch_and_the_weekend_rule(org: Org, other_org: Org) -> None:
    assert org.viewer.get("/message-settings").json == {
        "enabled": True, "weekend_rule": "none", "revision": 0,
    }  # fmt: skip
    saved = org.operator.put(
        "/message-settings", json={"enabled": False, "weekend_rule": "next_monday", "revision": 0}
    )
    assert (saved.status_code, saved.json["revision"]) == (200, 1)
    stale = org.operator.put("/message-settings", json={"enabled": True, "revision": 0})
    assert stale.status_code == 409
    assert stale.get_json(force=True)["current"]["weekend_rule"] == "next_monday"
    assert_problem(org.operator.put("/message-settings", json={"weekend_rule": "never"}), 422, "weekend_rule")
    assert other_org.viewer.get("/message-settings").json["enabled"] is True
