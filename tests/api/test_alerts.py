"""Alerts through the API: channels without their secrets, rules, tests and the history."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests.api.conftest import Org, assert_problem, make_job
from tests.receiver import Receiver, receiving
from tests.services.alerting import private_addresses


@pytest.fixture
def receiver(app: APIFlask) -> Iterator[Receiver]:
    with receiving() as told, private_addresses():
        yield told


def make_channel(org: Org, receiver: Receiver, **fields: Any) -> Any:
    body = {"name": "Hook", "kind": "webhook", "url": receiver.url, **fields}
    answer = org.admin.post("/alerts/channels", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(org: Org, receiver: Receiver) -> None:
    made = make_channel(org, receiver)
    assert made["secret"].startswith("whsec_") and made["target"] == f"http://127.0.0.1:{receiver.port}/…"
    (shown,) = org.viewer.get("/alerts/channels").json["channels"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    changed = org.admin.call("PATCH", f"/alerts/channels/{made['id']}", json={"name": "Ops"})
    assert (changed.status_code, changed.json["name"]) == (200, "Ops")
    given = make_channel(org, receiver, name="Given", secret="a secret of my own")
    assert given["secret"] is None
    assert "secret-path" not in org.viewer.get("/alerts/channels").text


def test_a_rule_is_made_changed_and_deleted(app: APIFlask, org: Org, receiver: Receiver) -> None:
    channel = make_channel(org, receiver)
    job_id = make_job(app, org, key="nightly")
    body = {"name": "Late", "event": "late", "minutes": 5, "scope": "job", "job": "nightly"}
    made = org.admin.post("/alerts/rules", json={**body, "channels": [channel["id"]]})
    assert made.status_code == 201, made.text
    rule = made.json
    assert (rule["job_id"], rule["minutes"], rule["throttle_minutes"]) == (str(job_id), 5, 15)
    assert rule["channels"] == [{"id": channel["id"], "name": "Hook"}]
    path = f"/alerts/rules/{rule['id']}"
    off = org.admin.call("PATCH", path, json={"enabled": False, "scope": "all"})
    assert (off.json["enabled"], off.json["job_id"], off.json["minutes"]) == (False, None, 5)
    assert org.viewer.get("/alerts/rules").json["rules"] == [off.json]
    refused = org.admin.call("DELETE", f"/alerts/channels/{channel['id']}")
    assert "would say it nowhere" in assert_problem(refused, 409)["detail"]
    assert org.admin.call("DELETE", path).status_code == 204
    assert org.admin.call("DELETE", f"/alerts/channels/{channel['id']}").status_code == 204
    assert_problem(org.viewer.get(path), 404)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": "nothing"}, "event"),
        ({"channels": []}, "channels"),
        ({"channels": [str(UUID(int=1))]}, "channels"),
        ({"scope": "job"}, "job_id"),
        ({"scope": "category"}, "category"),
        ({"event": "scheduler_red", "scope": "category", "category": "x"}, "scope"),
        ({"event": "failed_in_a_row", "count": 1}, "count"),
        ({"throttle_minutes": 99999}, "throttle_minutes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_by_field(
    org: Org, receiver: Receiver, change: dict[str, Any], field: str
) -> None:
    channel = make_channel(org, receiver)
    body = {"name": "F", "event": "failed", "channels": [channel["id"]], **change}
    assert_problem(org.admin.post("/alerts/rules", json=body), 422, field)
    assert org.viewer.get("/alerts/rules").json["rules"] == []


def test_a_private_address_is_refused_unless_the_installation_allows_it(org: Org) -> None:
    body = {"name": "Hook", "kind": "webhook", "url": "http://169.254.169.254/latest"}
    problem = assert_problem(org.admin.post("/alerts/channels", json=body), 422, "url")
    assert "CONSOLE_ALLOW_PRIVATE_WEBHOOKS" in problem["detail"]


def test_a_test_answers_what_was_answered_and_stands_in_the_history(org: Org, receiver: Receiver) -> None:
    channel = make_channel(org, receiver)
    receiver.answers.extend([200, 503])
    path = f"/alerts/channels/{channel['id']}/test"
    sent, failed = org.admin.post(path).json, org.admin.post(path).json
    assert (sent["state"], sent["answer"], sent["is_test"]) == ("sent", "200 OK", True)
    assert failed["state"] == "failed" and "503" in failed["answer"]
    first = org.viewer.get("/alerts/deliveries?limit=1").json
    assert [item["id"] for item in first["deliveries"]] == [failed["id"]]
    rest = org.viewer.get(f"/alerts/deliveries?limit=1&cursor={first['next_cursor']}").json
    assert ([item["id"] for item in rest["deliveries"]], rest["next_cursor"]) == ([sent["id"]], None)
    found = org.viewer.get(f"/alerts/deliveries?state=sent&channel={channel['id']}").json["deliveries"]
    assert [item["id"] for item in found] == [sent["id"]]


def test_operators_read_and_strangers_find_nothing(org: Org, other_org: Org, receiver: Receiver) -> None:
    channel = make_channel(org, receiver)
    path = f"/alerts/channels/{channel['id']}"
    for method, where in (("PATCH", path), ("DELETE", path), ("POST", f"{path}/test")):
        json = {"json": {}} if method == "PATCH" else {}
        assert_problem(org.operator.call(method, where, **json), 403)
        assert_problem(other_org.admin.call(method, where, **json), 404)
    assert_problem(org.operator.post("/alerts/channels", json={"name": "x", "kind": "mail"}), 403)
    assert receiver.posts == []
    assert org.operator.get(path).status_code == 200
    assert_problem(other_org.admin.get(path), 404)
