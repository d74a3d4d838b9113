"""The settings: people, tokens, sessions, the org and one's own account, as an admin and others see them."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import ActorKind, Role
from console.services import org_settings, people
from tests import factories
from tests.factories import PASSWORD, OrgOf, one, rows
from tests.web.conftest import Visitor, part, sign_in, visit, words

SECRET = re.compile(r'id="secret"[^>]*value="([^"]+)"')


@pytest.fixture
def admin(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.ADMIN, "ada@example.com"))


def email_of(actor: Actor) -> str:
    assert actor.email is not None
    return actor.email


def secret_of(answer: TestResponse) -> str:
    found = SECRET.search(answer.text)
    assert found is not None, words(answer)
    return unescape(found[1])


def trail(tag: str) -> list[tuple[object, object]]:
    found = rows("SELECT old, new FROM audit_entries WHERE tag = :tag ORDER BY number", tag=tag)
    return [(row.old, row.new) for row in found]


# People --------------------------------------------------------------------------------------------


def test_an_admin_adds_a_person_whose_password_is_shown_once(app: APIFlask, admin: Visitor) -> None:
    typed = {"email": "Mara@Example.com", "name": " Mara  Lind ", "role": "operator", "password": ""}
    made = admin.post("/settings/people", typed)
    assert made.status_code == 200
    password = secret_of(made)
    row = rows("SELECT u.email, u.name, m.role FROM users u JOIN memberships m ON m.user_id = u.id")
    assert ("mara@example.com", "Mara Lind", "operator") in row
    assert trail("user:created")[-1] == (
        None,
        {"email": "mara@example.com", "role": "operator", "name": "Mara Lind"},
    )
    listed = admin.get("/settings/people")
    assert "Mara Lind mara@example.com operator Active never" in words(listed)
    assert password not in listed.text and password not in str(rows("SELECT old, new FROM audit_entries"))
    assert sign_in(app.test_client(), "mara@example.com", password).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"email": "mara"}, "email", "This is no mail address"),
        ({"email": "ada@example.com"}, "email", "Is in this org already; the list of people leads to them"),
        ({"role": "emperor"}, "role", "Choose one of the list"),
        ({"password": "short"}, "password", "At least 10 characters"),
        ({"name": "x" * 101}, "name", "1 to 100 characters on one line"),
    ],
    ids=["address", "taken", "role", "password", "name"],
)
def test_what_cannot_be_used_is_said_beside_its_field_and_nothing_typed_is_lost(
    admin: Visitor, wrong: dict[str, str], field: str, said: str
) -> None:
    typed = {"email": "mara@example.com", "name": "Mara", "role": "viewer", "password": PASSWORD, **wrong}
    answer = admin.post("/settings/people", typed)
    assert answer.status_code == 422
    assert said in words(part(answer, f"{field}-error"))
    assert all(f'value="{typed[name]}"' in answer.text for name in ("email", "name"))
    assert PASSWORD not in answer.text
    assert one("SELECT count(*) FROM users") == 1


def test_an_account_of_another_org_is_let_in_at_the_shell_alone_and_keeps_its_name_and_password_to_itself(
    app: APIFlask, org: OrgOf, admin: Visitor
) -> None:
    elsewhere = factories.org()
    people.create_user(
        elsewhere.admin, "mara@example.com", Role.ADMIN, password=PASSWORD, now=utc_now(), name="Mara Secret"
    )
    kept = one("SELECT password_hash FROM users WHERE email = 'mara@example.com'")
    typed = {"email": "mara@example.com", "role": "viewer", "password": "another password"}
    answer = admin.post("/settings/people", typed)
    assert answer.status_code == 422
    assert "Has an account in another org" in words(part(answer, "email-error"))
    assert 'value="mara@example.com"' in answer.text
    assert one("SELECT count(*) FROM memberships WHERE org_id = :org", org=org.id) == 1
    people.create_user(
        replace(org.admin, kind=ActorKind.CLI), "mara@example.com", Role.VIEWER, password=None, now=utc_now()
    )
    listed = words(admin.get("/settings/people"))
    assert "Mara Secret" not in listed
    assert "mara mara@example.com viewer Active never" in listed
    assert one("SELECT password_hash FROM users WHERE email = 'mara@example.com'") == kept
    person_id = one("SELECT id FROM users WHERE email = 'mara@example.com'")
    refused = admin.post(f"/settings/people/{person_id}/password", {"password": "taken over it is"})
    assert refused.status_code == 409
    assert "its password is not yours to set" in words(part(refused, "refused"))
    assert one("SELECT password_hash FROM users WHERE email = 'mara@example.com'") == kept
    assert people.list_people(elsewhere.admin)[0].name == "Mara Secret"


def test_a_person_is_renamed_gets_another_role_and_loses_it_at_the_next_request(
    app: APIFlask, org: OrgOf, admin: Visitor
) -> None:
    mara = visit(app, factories.person(org, Role.ADMIN, "mara@example.com"))
    token = factories.token(org, Role.ADMIN, mara.actor)
    sent = {"Authorization": f"Bearer {token}"}
    assert mara.get("/settings/tokens").status_code == 200
    page = f"/settings/people/{mara.actor.id}"
    answer = admin.post(page, {"name": "Mara", "role": "viewer"})
    assert (answer.status_code, answer.location) == (303, page)
    assert mara.get("/settings/tokens").status_code == 403
    assert app.test_client().get("/api/v1/tokens", headers=sent).status_code == 403
    assert app.test_client().get("/api/v1/runs", headers=sent).status_code == 200
    assert trail("user:role_changed") == [
        ({"role": "admin"}, {"email": "mara@example.com", "role": "viewer"})
    ]
    assert trail("user:changed") == [({"name": "mara"}, {"email": "mara@example.com", "name": "Mara"})]
    assert "acts as viewer, like its owner" in words(admin.get("/settings/tokens"))
    admin.post(page, {"name": "Mara", "role": "viewer"})
    assert len(trail("user:role_changed")) == len(trail("user:changed")) == 1


@pytest.mark.usefixtures("_still")
def test_who_is_disabled_here_is_out_at_once_with_browsers_and_tokens_and_stays_in_elsewhere(
    app: APIFlask, org: OrgOf, admin: Visitor
) -> None:
    elsewhere = factories.org("Elsewhere")
    actor = factories.person(org, Role.ADMIN, "mara@example.com")
    token = {"Authorization": f"Bearer {factories.token(org, Role.VIEWER, actor)}"}
    mara = visit(app, actor)
    people.create_user(elsewhere.admin, email_of(actor), Role.VIEWER, password=None, now=utc_now())
    there = visit(app, actor)
    there.post("/settings/account/org", {"org": str(elsewhere.id)})
    page = f"/settings/people/{actor.id}"
    assert admin.post(f"{page}/access", {"access": "closed"}).location == page
    assert mara.get("/").status_code == 302
    assert app.test_client().get("/api/v1/runs", headers=token).status_code == 401
    assert there.get("/").status_code == 200
    assert "Disabled now by ada@example.com" in words(admin.get("/settings/people"))
    assert "Blocked its owner is disabled" in words(admin.get("/settings/tokens"))
    assert trail("user:disabled") == [({"disabled": False}, {"email": "mara@example.com", "disabled": True})]
    client = app.test_client()
    assert sign_in(client, email_of(actor)).status_code == 303
    assert "viewer · Elsewhere" in words(client.get("/")), "the other org is still open"
    admin.post(f"{page}/access", {"access": "open"})
    assert app.test_client().get("/api/v1/runs", headers=token).status_code == 200
    assert one("SELECT count(*) FROM memberships WHERE disabled_at IS NOT NULL") == 0
    assert mara.get("/").status_code == 302, "a session that was ended stays so"


def test_nobody_locks_themselves_or_the_org_out(app: APIFlask, org: OrgOf, admin: Visitor) -> None:
    page = f"/settings/people/{admin.actor.id}"
    assert "ask another admin to change your own role" in words(admin.get(page)).lower()
    for path, typed, said in (
        (f"{page}/access", {"access": "closed"}, "You would lock yourself out."),
        (page, {"role": "viewer"}, "You can't change your own role."),
    ):
        answer = admin.post(path, typed)
        assert answer.status_code == 409
        assert said in words(part(answer, "refused"))
    token = factories.token(org, Role.ADMIN, admin.actor)
    last = app.test_client().patch(
        f"/api/v1/people/{admin.actor.id}",
        json={"role": "viewer"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert last.status_code == 409 and "last active admin" in last.json["detail"]
    assert rows("SELECT role, disabled_at FROM memberships") == [("admin", None)]
    assert trail("user:disabled") == trail("user:role_changed") == []
    assert admin.get("/").status_code == 200


def test_an_admins_own_password_takes_the_present_one(app: APIFlask, org: OrgOf, admin: Visitor) -> None:
    """A browser left open is no way to take over the account of an admin either."""
    kept = one("SELECT password_hash FROM users")
    page = f"/settings/people/{admin.actor.id}"
    shown = admin.get(page).text
    assert "Change your own password under Account" in words(shown) and 'id="reset"' not in shown
    refused = admin.post(f"{page}/password", {"password": "taken over it is"})
    assert refused.status_code == 409
    assert "Change your own password under Settings, Account" in words(part(refused, "refused"))
    assert one("SELECT password_hash FROM users") == kept
    assert admin.get("/").status_code == 200


def test_a_reset_password_is_shown_once_and_signs_them_out(app: APIFlask, org: OrgOf, admin: Visitor) -> None:
    mara = visit(app, factories.person(org))
    page = f"/settings/people/{mara.actor.id}/password"
    assert admin.post(page, {"password": "short"}).status_code == 422
    assert mara.get("/").status_code == 200
    made = admin.post(page)
    assert mara.get("/").status_code == 302
    assert sign_in(app.test_client(), email_of(mara.actor)).status_code == 401
    assert sign_in(app.test_client(), email_of(mara.actor), secret_of(made)).status_code == 303
    assert trail("user:password_changed") == [(None, {"email": mara.actor.email, "sessions_ended": 1})]


# Tokens --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_still")
def test_a_token_is_made_shown_once_used_and_revoked(app: APIFlask, admin: Visitor) -> None:
    assert "No tokens yet" in words(admin.get("/settings/tokens"))
    made = admin.post("/settings/tokens", {"name": "ci", "role": "viewer", "lasts": "30"})
    assert made.status_code == 200
    secret = secret_of(made)
    sent = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/api/v1/runs", headers=sent).status_code == 200
    listed = admin.get("/settings/tokens")
    assert secret not in listed.text and secret[:9] in listed.text
    assert "In force viewer ada@example.com now" in words(listed)
    assert one("SELECT expires_at - created_at FROM api_tokens") == timedelta(days=30)
    token_id = one("SELECT id FROM api_tokens")
    answer = admin.post(f"/settings/tokens/{token_id}/revocation")
    assert (answer.status_code, answer.location) == (303, "/settings/tokens")
    assert "Revoked" in words(part(admin.get("/settings/tokens"), f"token-{token_id}"))
    assert app.test_client().get("/api/v1/runs", headers=sent).status_code == 401
    admin.post(f"/settings/tokens/{token_id}/revocation")
    ((old, _),) = trail("token:revoked")
    assert isinstance(old, dict) and (old["name"], old["role"]) == ("ci", "viewer")
    assert secret not in str(rows("SELECT old, new FROM audit_entries"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"role": "root"}, "role"),
        ({"lasts": "for ever"}, "lasts"),
        ({"lasts": "on", "until": "soon"}, "until"),
        ({"lasts": "on", "until": "2020-01-01"}, "until"),
        ({"lasts": "on", "until": "9999-12-31"}, "until"),
    ],
    ids=["name", "role", "lasts", "until", "past", "far"],
)
def test_a_token_that_cannot_be_is_refused_beside_its_field(
    admin: Visitor, wrong: dict[str, str], field: str
) -> None:
    typed = {"name": "ci <b>", "role": "viewer", "lasts": "never", **wrong}
    answer = admin.post("/settings/tokens", typed)
    assert answer.status_code == 422
    assert words(part(answer, f"{field}-error"))
    assert "ci &lt;b&gt;" in answer.text or field == "name"
    assert one("SELECT count(*) FROM api_tokens") == 0


def test_a_token_until_a_date_lasts_to_its_end_in_the_orgs_zone(app: APIFlask) -> None:
    tokyo = factories.org(timezone="Asia/Tokyo")
    admin = visit(app, factories.person(tokyo, Role.ADMIN))
    typed = {"name": "ci", "role": "viewer", "lasts": "on", "until": "2100-01-31"}
    assert admin.post("/settings/tokens", typed).status_code == 200
    assert str(one("SELECT expires_at FROM api_tokens"))[:19] == "2100-01-31 14:59:59"


# Sessions ------------------------------------------------------------------------------------------

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def session_ids(of: Actor) -> list[UUID]:
    found = rows("SELECT id FROM login_sessions WHERE user_id = :id ORDER BY id", id=of.id)
    return [row.id for row in found]


def test_everybody_sees_and_ends_their_own_browsers(app: APIFlask, org: OrgOf) -> None:
    actor = factories.person(org, Role.VIEWER)
    desk = visit(app, actor)
    phone = visit(app, actor)
    tablet = visit(app, actor)
    shown = desk.get("/settings/sessions")
    assert words(shown).count("127.0.0.1") == 3
    assert "See and end them needs the role admin" in words(shown)
    _, second, _ = session_ids(actor)
    desk.post(f"/settings/sessions/{second}/revocation")
    assert [browser.get("/").status_code for browser in (desk, phone, tablet)] == [200, 302, 200]
    desk.post("/settings/sessions/revocations", {"whose": "mine"})
    assert [browser.get("/").status_code for browser in (desk, phone, tablet)] == [200, 302, 302]
    assert len(trail("session:revoked")) == 2


@pytest.mark.usefixtures("_still")
def test_an_admin_sees_who_is_signed_in_and_puts_them_out(
    app: APIFlask, org: OrgOf, admin: Visitor, stranger: Visitor
) -> None:
    actor = factories.person(org, email="mara@example.com")
    people.sign_in("mara@example.com", PASSWORD, now=utc_now(), address="10.0.0.7", user_agent=FIREFOX)
    shown = words(admin.get("/settings/sessions"))
    assert "mara@example.com Firefox on Linux 10.0.0.7 now now" in shown
    assert email_of(stranger.actor) not in shown
    (session_id,) = session_ids(actor)
    (foreign,) = session_ids(stranger.actor)
    assert admin.post(f"/settings/sessions/{foreign}/revocation").status_code == 404
    assert admin.post(f"/settings/sessions/{session_id}/revocation").status_code == 303
    assert one("SELECT revoked_at IS NOT NULL FROM login_sessions WHERE id = :id", id=session_id)
    assert trail("session:revoked") == [
        ({"person": "mara@example.com", "browser": "Firefox on Linux", "address": "10.0.0.7"}, None)
    ]
    mara = visit(app, actor)
    admin.post("/settings/sessions/revocations", {"whose": "others"})
    assert [who.get("/").status_code for who in (mara, admin, stranger)] == [302, 200, 200]
    assert "Nobody else is signed in" in words(admin.get("/settings/sessions"))


# The org and its roles -----------------------------------------------------------------------------


def test_the_orgs_settings_are_changed_and_hold_from_the_next_request(admin: Visitor, org: OrgOf) -> None:
    before = org_settings.get(org.id)
    assert before.approval_hours == 24
    typed = {"name": "Northside", "timezone": "Asia/Tokyo", "approval_hours": "36"}
    assert admin.post("/settings/org", typed).status_code == 303
    shown = admin.get("/settings/org")
    assert "admin · Northside" in words(shown) and 'value="Asia/Tokyo"' in shown.text
    assert org_settings.get(org.id).approval_hours == 36
    old = {"name": before.name, "timezone": "UTC", "approval_hours": 24}
    assert trail("org:changed") == [(old, {**typed, "approval_hours": 36})]
    admin.post("/settings/org", {**typed, "approval_hours": " 36 "})
    assert len(trail("org:changed")) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", " ", "1 to 100 characters"),
        ("timezone", "Asia/Tokio", "did you mean Asia/Tokyo"),
        ("approval_hours", "0", "A whole number of hours, 1 to 720"),
        ("approval_hours", "soon", "A whole number of hours, 1 to 720"),
        ("approval_hours", "٣", "A whole number of hours, 1 to 720"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_beside_its_field(
    admin: Visitor, org: OrgOf, name: str, value: str, said: str
) -> None:
    typed = {"name": "Northside", "timezone": "Asia/Tokyo", "approval_hours": "36", name: value}
    answer = admin.post("/settings/org", typed)
    assert answer.status_code == 422
    assert said.lower() in words(part(answer, f"{name}-error")).lower()
    assert all(f'value="{text}"' in answer.text for text in typed.values())
    assert org_settings.get(org.id).name != "Northside"


def test_who_may_not_change_the_settings_reads_them_with_the_reason(viewer: Visitor) -> None:
    shown = viewer.get("/settings/org")
    assert shown.text.count("disabled") >= 4 and "needs the role admin" in words(shown)
    assert "Add a person needs the role admin" in words(viewer.get("/settings/people"))
    refused = words(viewer.get("/settings/tokens"))
    assert "This needs the role admin; you have viewer. Ask an administrator of your org." in refused
    assert refused.count("Ask an admin") == 1, "what to do is said once"
    assert "Tokens needs the role admin" in words(viewer.get("/settings/roles"))


def test_the_table_of_roles_is_the_table_of_permissions(viewer: Visitor) -> None:
    shown = words(viewer.get("/settings/roles"))
    assert "Send now, run now or later, dry run, run in sequence jobs:run no yes yes" in shown
    assert "Create and revoke API tokens tokens:manage no no yes" in shown
    assert "scheduler:tick" in shown


# One's own account ---------------------------------------------------------------------------------


def test_one_changes_ones_own_password_and_other_browsers_are_signed_out(app: APIFlask, org: OrgOf) -> None:
    actor = factories.person(org, Role.VIEWER)
    desk, phone = visit(app, actor), visit(app, actor)
    wrong = desk.post("/settings/account/password", {"present": "guess", "password": "a brand new password"})
    assert wrong.status_code == 422 and "Is not your password" in words(part(wrong, "present-error"))
    short = desk.post("/settings/account/password", {"present": PASSWORD, "password": "short"})
    assert short.status_code == 422 and "At least 10 characters" in words(part(short, "password-error"))
    assert phone.get("/").status_code == 200 and trail("user:password_changed") == []
    typed = {"present": PASSWORD, "password": "a brand new password"}
    assert desk.post("/settings/account/password", typed).status_code == 303
    assert "1 other browser was signed out" in words(desk.get("/settings/account"))
    assert phone.get("/").status_code == 302
    assert sign_in(app.test_client(), email_of(actor), PASSWORD).status_code == 401
    assert sign_in(app.test_client(), email_of(actor), "a brand new password").status_code == 303
    assert trail("user:password_changed") == [(None, {"email": actor.email, "sessions_ended": 1})]


def test_guesses_of_ones_own_password_are_throttled(operator: Visitor) -> None:
    typed = {"present": "guess", "password": "a brand new password"}
    found = [operator.post("/settings/account/password", typed).status_code for _ in range(11)]
    assert found == [422] * 10 + [429]


def test_a_person_of_two_orgs_goes_from_one_to_the_other_and_comes_back_to_the_last(
    app: APIFlask, org: OrgOf
) -> None:
    other, closed = factories.org("Harbour"), factories.org("Closed to them")
    actor = factories.person(org, Role.OPERATOR, "mara@example.com")
    assert "Switch org" not in words(visit(app, actor).get("/"))
    people.create_user(other.admin, "mara@example.com", Role.VIEWER, password=None, now=utc_now())
    hidden = factories.job(other, name="Their job")
    mara = visit(app, actor)
    assert "Switch org Harbour viewer" in words(mara.get("/"))
    assert mara.get(f"/jobs/{hidden.id}").status_code == 404
    assert mara.post("/settings/account/org", {"org": str(closed.id)}).status_code == 404
    assert mara.post("/settings/account/org", {"org": "nonsense"}).status_code == 404
    without = mara.client.post("/settings/account/org", data={"org": str(other.id)})
    assert without.status_code == 400, "another site can't move the session"
    answer = mara.post("/settings/account/org", {"org": str(other.id)})
    assert (answer.status_code, answer.location) == (303, "/")
    assert "viewer · Harbour" in words(mara.get("/"))
    assert mara.get(f"/jobs/{hidden.id}").status_code == 200
    assert mara.post(f"/jobs/{hidden.id}/send-now").status_code == 403
    reasons = rows("SELECT org_id, tag FROM audit_entries WHERE reason LIKE '%another org' ORDER BY number")
    assert reasons == [(org.id, "session:signed_out"), (other.id, "session:signed_in")]
    assert "viewer · Harbour" in words(visit(app, actor).get("/")), "signs in where they were last"
    people.set_active(other.admin, "mara@example.com", False, now=utc_now())
    assert mara.get("/").status_code == 302
    assert mara.post("/settings/account/org", {"org": str(org.id)}).status_code == 302
    assert f"operator · {org.admin.org_name}" in words(visit(app, actor).get("/"))
