"""The description of the API is true, and its page can be read without a script."""

import re
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from pydantic import BaseModel

from console.core.reasons import Reason

CONTRACT = {
    ("get", "/api/v1/scheduler/jobs"),
    ("post", "/api/v1/scheduler/jobs"),
    ("get", "/api/v1/scheduler/jobs/export"),
    ("post", "/api/v1/scheduler/jobs/import"),
    ("get", "/api/v1/scheduler/jobs/{job_id}"),
    ("patch", "/api/v1/scheduler/jobs/{job_id}"),
    ("delete", "/api/v1/scheduler/jobs/{job_id}"),
    ("post", "/api/v1/scheduler/jobs/{job_id}/send-now"),
    ("get", "/api/v1/scheduler/jobs/{job_id}/explain"),
    ("get", "/api/v1/scheduler/jobs/{job_id}/next"),
    ("get", "/api/v1/scheduler/jobs/{job_id}/chain"),
    ("put", "/api/v1/scheduler/jobs/{job_id}/chain"),
    ("post", "/api/v1/scheduler/jobs/run-in-sequence"),
    ("get", "/api/v1/scheduler/jobs/{job_id}/revisions"),
    ("post", "/api/v1/scheduler/jobs/{job_id}/revisions/{number}/restore"),
    ("get", "/api/v1/schedules"),
    ("get", "/api/v1/schedules/{name}"),
    ("put", "/api/v1/schedules/{name}"),
    ("post", "/api/v1/schedules/bulk"),
    ("get", "/api/v1/schedules/export"),
    ("post", "/api/v1/schedules/import"),
    ("post", "/api/v1/scheduler/manual-trigger"),
    ("get", "/api/v1/scheduler/status"),
    ("get", "/api/v1/scheduler/heartbeat"),
    ("post", "/api/v1/scheduler/tick"),
    ("get", "/api/v1/runs"),
    ("get", "/api/v1/runs/{run_id}"),
    ("get", "/api/v1/runs/{run_id}/log"),
    ("post", "/api/v1/runs/{run_id}/stop"),
    ("post", "/api/v1/runs/{run_id}/retry"),
    ("get", "/api/v1/queues"),
    ("post", "/api/v1/queues/{queue}/pause"),
    ("post", "/api/v1/queues/{queue}/resume"),
    ("get", "/api/v1/people"),
    ("post", "/api/v1/people"),
    ("patch", "/api/v1/people/{person_id}"),
    ("get", "/api/v1/tokens"),
    ("post", "/api/v1/tokens"),
    ("delete", "/api/v1/tokens/{token_id}"),
    ("get", "/api/v1/sessions"),
    ("delete", "/api/v1/sessions/{session_id}"),
    ("get", "/api/v1/alerts/channels"),
    ("post", "/api/v1/alerts/channels"),
    ("get", "/api/v1/alerts/channels/{channel_id}"),
    ("patch", "/api/v1/alerts/channels/{channel_id}"),
    ("delete", "/api/v1/alerts/channels/{channel_id}"),
    ("post", "/api/v1/alerts/channels/{channel_id}/test"),
    ("get", "/api/v1/alerts/rules"),
    ("post", "/api/v1/alerts/rules"),
    ("get", "/api/v1/alerts/rules/{rule_id}"),
    ("patch", "/api/v1/alerts/rules/{rule_id}"),
    ("delete", "/api/v1/alerts/rules/{rule_id}"),
    ("get", "/api/v1/alerts/deliveries"),
    ("get", "/api/v1/approvals"),
    ("get", "/api/v1/approvals/{approval_id}"),
    ("post", "/api/v1/approvals/{approval_id}/approve"),
    ("post", "/api/v1/approvals/{approval_id}/reject"),
    ("post", "/api/v1/scheduler/jobs/{job_id}/guard"),
    ("get", "/api/v1/audit"),
    ("get", "/api/v1/audit/verify"),
    ("get", "/api/v1/audit/export"),
    ("get", "/api/v1/events"),
    ("post", "/api/v1/events"),
    ("get", "/api/v1/events/{event_id}"),
    ("patch", "/api/v1/events/{event_id}"),
    ("delete", "/api/v1/events/{event_id}"),
    ("post", "/api/v1/events/import"),
    ("get", "/api/v1/message-types/{message_type}"),
    ("put", "/api/v1/message-types/{message_type}"),
    ("get", "/api/v1/message-settings"),
    ("put", "/api/v1/message-settings"),
}


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json
    return found


def operations(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for calls in spec["paths"].values() for operation in calls.values()]


def test_it_is_openapi_3_1_of_the_api_alone(spec: dict[str, Any]) -> None:
    assert spec["openapi"].startswith("3.1")
    found = {(method, path) for path, calls in spec["paths"].items() for method in calls}
    assert found >= CONTRACT
    assert all(path.startswith("/api/v1/") for _, path in found)


def test_every_call_of_the_app_is_described(app: APIFlask, spec: dict[str, Any]) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    paths = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in rules}
    assert paths - {"/api/v1/docs"} == set(spec["paths"])


def test_every_reference_finds_its_shape(spec: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/([\w.]+)", str(spec)))
    assert names <= set(spec["components"]["schemas"])
    assert "." not in "".join(spec["components"]["schemas"])


def test_no_two_shapes_have_one_name() -> None:
    names = [shape.__name__ for shape in shapes_of(BaseModel)]
    assert len(names) == len(set(names))


def shapes_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    below = {shape for child in model.__subclasses__() for shape in shapes_of(child)}
    return {shape for shape in {model, *below} if shape.__module__.startswith("console.api.schemas")}


def test_every_call_asks_for_a_token_and_answers_problems(spec: dict[str, Any]) -> None:
    assert spec["security"] == [{"bearer": []}]
    assert spec["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    for operation in operations(spec):
        assert {"401", "500", "503"} <= set(operation["responses"])
        for code, response in operation["responses"].items():
            assert response["description"]
            if code >= "400":
                assert list(response["content"]) == ["application/problem+json"]


def test_every_call_has_a_name_and_a_sentence(spec: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(spec)]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in operations(spec))


def test_the_page_needs_no_session_script_or_stranger(client: FlaskClient, spec: dict[str, Any]) -> None:
    response = client.get("/api/v1/docs")
    assert response.status_code == 200
    for path in spec["paths"]:
        assert path in response.text
    for reason in Reason:
        assert f'id="{reason}"' in response.text
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', response.text)


def test_every_anchor_of_the_page_leads_somewhere(client: FlaskClient) -> None:
    text = client.get("/api/v1/docs").text
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text))
