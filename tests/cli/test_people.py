"""`user` and `token`: what is secret is printed once, and never again."""

import json
import re
from datetime import datetime

import pytest
from flask.testing import FlaskClient

from console.core.clock import utc_now
from console.core.errors import BadCredentials
from console.core.states import Role
from console.services import people
from console.services.account_views import SignedIn
from tests import factories
from tests.factories import OrgOf, one

from .conftest import Console


def test_a_user_is_created_with_a_password_that_is_shown_once(console: Console, org: OrgOf) -> None:
    done = console("user", "create", "Mara@Example.com", "--role", "operator")
    assert done.code == 0, done
    password = re.search(r"shown this once: (\S+)$", done.out.strip())
    assert password and len(password[1]) >= 12
    assert one("SELECT email FROM users") == "mara@example.com"
    assert password[1] not in console("user", "list", "--json").out
    assert console("user", "create", "mara@example.com", "--role", "viewer").failed(1, "taken")


def test_a_user_is_listed_disabled_and_enabled(console: Console, org: OrgOf) -> None:
    factories.person(org, email="mara@example.com")
    assert [user["email"] for user in json.loads(console("user", "list", "--json").out)] == [
        "mara@example.com"
    ]
    assert "disabled" in console("user", "disable", "mara@example.com").out
    assert one("SELECT disabled_at IS NOT NULL AND is_active FROM memberships JOIN users ON user_id = id")
    assert "disabled" in console("user", "list").out
    (listed,) = json.loads(console("user", "list", "--json").out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", listed["disabled_at"])
    assert "enabled" in console("user", "enable", "mara@example.com").out
    assert one("SELECT disabled_at IS NULL FROM memberships")
    assert console("user", "disable", "nobody@example.com").failed(1, "nobody@example.com")


def test_a_token_is_printed_alone_and_opens_the_api(
    console: Console, client: FlaskClient, org: OrgOf
) -> None:
    done = console("token", "create", "--name", "ci", "--role", "viewer")
    assert (done.code, done.err) == (0, "")
    secret = done.out.strip()
    assert len(secret.split()) == 1
    answer = client.get("/api/v1/runs", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    (listed,) = json.loads(console("token", "list", "--json").out)
    assert (listed["name"], listed["role"], listed["is_revoked"]) == ("ci", "viewer", False)
    assert (
        f"{datetime.fromisoformat(listed['last_used_at']):%Y-%m-%d %H:%M:%S} UTC"
        in console("token", "list").out
    )
    assert secret not in str(listed)


def test_a_token_is_revoked_by_its_name_and_no_longer_opens_anything(
    console: Console, client: FlaskClient, org: OrgOf
) -> None:
    secret = console("token", "create", "--name", "ci", "--role", "viewer").out.strip()
    assert "revoked" in console("token", "revoke", "ci").out
    answer = client.get("/api/v1/runs", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    assert console("token", "revoke", "ci").failed(1, "ci")


def test_a_new_password_is_shown_once_and_ends_the_sessions(console: Console, org: OrgOf) -> None:
    factories.person(org, email="mara@example.com")
    done = console("user", "password", "Mara@example.com")
    assert done.code == 0, done
    shown = re.search(r"shown this once: (\S+)$", done.out.strip())
    assert shown and len(shown[1]) >= 12

    def enter(password: str) -> SignedIn:
        return people.sign_in("mara@example.com", password, now=utc_now(), address=None, user_agent=None)

    with pytest.raises(BadCredentials):
        enter(factories.PASSWORD)
    assert enter(shown[1]).secret
    console("user", "password", "mara@example.com")
    assert one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NULL") == 0
    assert console("user", "password", "nobody@example.com").failed(1, "nobody@example.com")


def test_the_last_active_admin_stays(console: Console, org: OrgOf) -> None:
    factories.person(org, Role.ADMIN, "boss@example.com")
    assert console("user", "disable", "boss@example.com").failed(1, "last active admin")
    assert console("user", "disable", "boss@example.com", "--everywhere").failed(1, "last active admin")
    assert console("user", "role", "boss@example.com", "viewer").failed(1, "last active admin")
    assert one("SELECT is_active AND disabled_at IS NULL AND role = 'admin' FROM users, memberships")
    factories.person(org, Role.ADMIN, "deputy@example.com")
    assert console("user", "disable", "boss@example.com").code == 0
    assert console("user", "disable", "deputy@example.com").failed(1, "last active admin")


def test_an_account_is_closed_in_every_org_at_the_shell_alone(console: Console, org: OrgOf) -> None:
    mara = factories.person(org, email="mara@example.com")
    other = factories.org()
    people.create_user(other.admin, "mara@example.com", Role.VIEWER, password=None, now=utc_now())
    assert "in every org" in console("user", "disable", "mara@example.com", "--everywhere").out
    assert not one("SELECT is_active FROM users WHERE id = :id", id=mara.id)
    assert "closed" in console("user", "list").out
    for at in (org, other):
        assert not people.list_people(at.admin)[0].is_active
        enabled = people.set_active(at.admin, "mara@example.com", True, now=utc_now())
        assert not enabled.is_active, "no admin of an org opens what was closed at the shell"
    assert "in every org" in console("user", "enable", "mara@example.com", "--everywhere").out
    assert one("SELECT is_active FROM users WHERE id = :id", id=mara.id)


def test_a_role_is_given_at_the_shell(console: Console, org: OrgOf) -> None:
    factories.person(org, email="mara@example.com")
    done = console("user", "role", "mara@example.com", "viewer")
    assert (done.code, done.out.strip()) == (0, "mara@example.com is viewer now.")
    assert one("SELECT role FROM memberships") == "viewer"
    assert one("SELECT old || new FROM audit_entries WHERE tag = 'user:role_changed'") == {
        "role": "viewer",
        "email": "mara@example.com",
    }
    assert console("user", "role", "nobody@example.com", "viewer").failed(1, "nobody@example.com")


def test_a_token_ends_after_the_days_that_it_was_given(console: Console, org: OrgOf) -> None:
    assert console("token", "create", "--name", "ci", "--role", "viewer", "--days", "30").code == 0
    left = one("SELECT extract(day FROM expires_at - now()) FROM api_tokens")
    assert 29 <= left <= 30
    (listed,) = json.loads(console("token", "list", "--json").out)
    assert (listed["state"], listed["allows"]) == ("in force", "viewer")
