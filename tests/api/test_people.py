"""People, tokens and sessions through the API: an admin's token may, and each change holds at once."""

from datetime import timedelta
from uuid import uuid4

from apiflask import APIFlask

from console.core.clock import utc_now
from console.services import people
from tests.factories import one, rows

from .conftest import Caller, Org, assert_problem

PASSWORD = "a long enough password"


def test_a_person_is_added_listed_changed_and_put_out(org: Org) -> None:
    made = org.admin.post("/people", json={"email": "Mara@Example.com", "role": "viewer", "name": "Mara"})
    assert made.status_code == 201
    password, person_id = made.json["password"], made.json["id"]
    assert (made.json["email"], made.json["role"], made.json["last_seen_at"]) == (
        "mara@example.com",
        "viewer",
        None,
    )
    people.sign_in("mara@example.com", password, now=utc_now(), address="10.0.0.7", user_agent=None)
    listed = org.viewer.get("/people").json["people"]
    assert [person["email"] for person in listed] == ["mara@example.com", "owner@harbour.example"]
    assert listed[0]["last_seen_at"] and password not in str(listed)
    changed = org.admin.patch(f"/people/{person_id}", json={"role": "operator", "is_active": False})
    assert (changed.status_code, changed.json["role"], changed.json["is_active"]) == (200, "operator", False)
    assert one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NULL") == 0
    tags = [row.tag for row in rows("SELECT tag FROM audit_entries WHERE object_id = :id", id=person_id)]
    assert sorted(tags) == ["user:created", "user:disabled", "user:role_changed"]


def test_an_account_of_another_org_is_not_let_in_by_a_token(org: Org, other_org: Org) -> None:
    body = {"email": "owner@elsewhere.example", "role": "viewer", "password": "not to be taken"}
    kept = rows("SELECT org_id, password_hash FROM memberships JOIN users ON users.id = user_id ORDER BY 1")
    assert_problem(org.admin.post("/people", json=body), 422, "email")
    assert (
        rows("SELECT org_id, password_hash FROM memberships JOIN users ON users.id = user_id ORDER BY 1")
        == kept
    )
    ours = {**body, "email": "owner@harbour.example"}
    assert_problem(org.admin.post("/people", json=ours), 422, "email")


def test_what_cannot_be_is_refused_with_its_field_and_changes_nothing(org: Org, other_org: Org) -> None:
    owner = one("SELECT id FROM users WHERE email = 'owner@harbour.example'")
    theirs = one("SELECT id FROM users WHERE email = 'owner@elsewhere.example'")
    for body, field in (
        ({"email": "no address", "role": "viewer"}, "email"),
        ({"email": "a@example.com", "role": "emperor"}, "role"),
        ({"email": "a@example.com", "role": "viewer", "password": "short"}, "password"),
    ):
        assert_problem(org.admin.post("/people", json=body), 422, field)
    assert_problem(org.admin.patch(f"/people/{owner}", json={"role": "viewer"}), 409)
    assert_problem(org.admin.patch(f"/people/{owner}", json={"name": " "}), 422, "name")
    assert_problem(org.admin.patch(f"/people/{theirs}", json={"is_active": False}), 404)
    assert_problem(org.admin.patch(f"/people/{uuid4()}", json={}), 404)
    assert rows("SELECT role, disabled_at FROM memberships") == [("admin", None), ("admin", None)]


def test_a_token_is_made_by_a_token_for_its_owner_used_and_revoked(app: APIFlask, org: Org) -> None:
    until = (utc_now() + timedelta(days=1)).isoformat()
    made = org.admin.post("/tokens", json={"name": "ci", "role": "operator", "expires_at": until})
    assert made.status_code == 201
    assert (made.json["owner"], made.json["state"]) == ("owner@harbour.example", "in force")
    fresh = Caller(app, made.json["secret"])
    assert fresh.get("/runs").status_code == 200
    listed = org.admin.get("/tokens")
    assert made.json["secret"] not in listed.text
    assert [token["name"] for token in listed.json["tokens"]] == ["ci", "admin", "operator", "viewer"]
    assert org.admin.call("DELETE", f"/tokens/{made.json['id']}").status_code == 204
    assert fresh.get("/runs").status_code == 401
    assert org.admin.call("DELETE", f"/tokens/{made.json['id']}").status_code == 204
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'token:revoked'") == 1
    past = {"name": "ci", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}
    assert_problem(org.admin.post("/tokens", json=past), 422, "expires_at")
    assert_problem(org.admin.call("DELETE", f"/tokens/{uuid4()}"), 404)


def test_sessions_are_listed_and_ended_in_ones_own_org_alone(org: Org, other_org: Org) -> None:
    for owner in (org, other_org):
        name = f"new@{owner.actor.org_name.lower()}.example"
        owner.admin.post("/people", json={"email": name, "role": "viewer", "password": PASSWORD})
        people.sign_in(name, PASSWORD, now=utc_now(), address="10.0.0.7", user_agent="curl/8.5")
    (shown,) = org.admin.get("/sessions").json["sessions"]
    assert (shown["email"], shown["browser"], shown["address"]) == (
        "new@harbour.example",
        "curl",
        "10.0.0.7",
    )
    assert_problem(other_org.admin.call("DELETE", f"/sessions/{shown['id']}"), 404)
    assert one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NOT NULL") == 0
    assert org.admin.call("DELETE", f"/sessions/{shown['id']}").status_code == 204
    assert org.admin.get("/sessions").json["sessions"] == []
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'session:revoked'") == 1
