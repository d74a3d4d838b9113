"""Who gets in, who is put out, and what never leaves."""

import logging
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from console.core.clock import utc_now
from console.core.states import Role
from console.services import people
from tests import factories
from tests.factories import PASSWORD, OrgOf, one, rows
from tests.web.conftest import CSRF, Things, Visitor, change, counts, csrf_of, rules, sign_in, visit, words

PUBLIC = {"/sign-in", "/healthz", "/readyz", "/metrics"}


def test_the_right_password_opens_the_page_that_was_asked_for(app: APIFlask, org: OrgOf) -> None:
    operator = factories.person(org)
    client = app.test_client()
    asked = client.get("/runs?state=failed")
    assert (asked.status_code, asked.location) == (302, "/sign-in?next=/runs?state%3Dfailed")
    assert 'value="/runs?state=failed"' in client.get(asked.location).text
    entered = sign_in(client, operator.email or "", next="/runs?state=failed")
    assert (entered.status_code, entered.location) == (303, "/runs?state=failed")
    assert one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NULL") == 1
    assert [tag for (tag,) in rows("SELECT tag FROM audit_entries WHERE actor_id = :id", id=operator.id)] == [
        "session:signed_in"
    ]
    assert f"{operator.role} · {operator.org_name}" in words(client.get(entered.location))


def test_an_email_is_the_same_in_any_case_and_with_spaces_around_it(app: APIFlask, org: OrgOf) -> None:
    factories.person(org, email="ada@example.com")
    assert sign_in(app.test_client(), "  Ada@Example.COM ").status_code == 303


def test_a_wrong_password_an_unknown_user_and_a_disabled_one_are_told_the_same(
    app: APIFlask, org: OrgOf
) -> None:
    known, disabled = factories.person(org), factories.person(org)
    people.set_active(org.admin, disabled.email or "", False, now=utc_now())
    told = set()
    for email, password in (
        (known.email or "", "not the password"),
        ("nobody@example.com", PASSWORD),
        (disabled.email or "", PASSWORD),
    ):
        answer = sign_in(app.test_client(), email, password)
        assert answer.status_code == 401
        told.add(CSRF.sub("", answer.text).replace(email, "EMAIL"))
    assert len(told) == 1
    (said,) = (words(answer) for answer in told)
    assert "This email and password don't belong together. Try again; if you can no longer sign in," in said
    assert one("SELECT count(*) FROM login_sessions") == 0


@pytest.mark.parametrize(("email", "password"), [("", PASSWORD), ("a@example.com", ""), ("x" * 300, "y")])
def test_a_form_that_is_not_filled_in_is_given_back_with_what_is_wrong(
    client: FlaskClient, email: str, password: str
) -> None:
    answer = sign_in(client, email, password)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert PASSWORD not in answer.text


def test_signing_out_ends_the_session_at_once_also_for_a_copied_cookie(
    app: APIFlask, operator: Visitor
) -> None:
    thief = app.test_client()
    thief.set_cookie("callboard", operator.cookie)
    assert thief.get("/").status_code == 200
    gone = operator.post("/sign-out")
    assert (gone.status_code, gone.location) == (303, "/sign-in")
    assert one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NULL") == 0
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'session:signed_out'") == 1
    assert thief.get("/").status_code == 302
    assert operator.get("/").status_code == 302


def test_disabling_a_user_ends_all_of_their_sessions_at_once(app: APIFlask, org: OrgOf) -> None:
    person = factories.person(org)
    desk, phone = visit(app, person), visit(app, person)
    people.set_active(org.admin, person.email or "", False, now=utc_now())
    for browser in (desk, phone):
        assert browser.get("/").status_code == 302
        assert browser.get("/fragments/jobs/table").status_code == 401
    people.set_active(org.admin, person.email or "", True, now=utc_now())
    assert desk.get("/").status_code == 302


def test_a_changed_role_holds_from_the_next_request(app: APIFlask, org: OrgOf) -> None:
    visitor = visit(app, factories.person(org, Role.OPERATOR))
    job = factories.job(org)
    change("UPDATE memberships SET role = 'viewer' WHERE user_id = :id", id=visitor.actor.id)
    assert visitor.post(f"/jobs/{job.id}/send-now").status_code == 403
    assert one("SELECT count(*) FROM runs") == 0


def test_a_session_lasts_fourteen_days_and_no_longer(
    operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, status in ((13, 200), (15, 302)):
        later = utc_now() + timedelta(days=days)
        monkeypatch.setattr("console.web.identity.utc_now", lambda later=later: later)
        assert operator.get("/").status_code == status


def test_a_session_begins_anew_at_sign_in(app: APIFlask, org: OrgOf) -> None:
    client = app.test_client()
    before = csrf_of(client)
    assert sign_in(client, factories.person(org).email or "").status_code == 303
    assert client.post("/sign-out", data={"csrf_token": before}).status_code == 400
    assert client.get("/").status_code == 200


def test_the_eleventh_failure_of_one_address_is_throttled_and_another_address_is_not(
    app: APIFlask, org: OrgOf
) -> None:
    target, other = factories.person(org), factories.person(org)
    client = app.test_client()
    failures = [sign_in(client, target.email or "", f"guess {n}").status_code for n in range(10)]
    assert failures == [401] * 10
    refused = sign_in(client, (target.email or "").upper(), PASSWORD)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert "Too many attempts" in words(refused)
    assert one("SELECT count(*) FROM login_sessions") == 0
    assert sign_in(client, other.email or "").status_code == 303


def test_successes_do_not_count_towards_the_limit(app: APIFlask, org: OrgOf) -> None:
    person = factories.person(org)
    assert {sign_in(app.test_client(), person.email or "").status_code for _ in range(12)} == {303}


EVIL = (
    "//evil.example",
    "///evil.example",
    "https://evil.example",
    "http:evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "%2F%2Fevil.example",
    "evil.example",
    "/\n/evil.example",
    "/\t/evil.example",
    "\n//evil.example",
    " //evil.example",
    "/ok\r\nSet-Cookie: a=b",
    "/\u2028/evil.example",
    "",
)


@pytest.mark.parametrize("target", EVIL)
def test_nobody_is_sent_to_another_site(app: APIFlask, org: OrgOf, target: str) -> None:
    person = factories.person(org)
    client = app.test_client()
    shown = client.get("/sign-in", query_string={"next": target})
    assert 'name="next" value="/"' in shown.text
    entered = sign_in(client, person.email or "", next=target)
    assert (entered.status_code, entered.location) == (303, "/")
    again = client.get("/sign-in", query_string={"next": target})
    assert (again.status_code, again.location) == (302, "/")


@pytest.mark.parametrize(
    "target", ["/jobs", "/runs?state=failed&trigger=api", "/%2F%2Fevil.example", "/a//b"]
)
def test_a_page_of_this_site_is_where_one_arrives(app: APIFlask, org: OrgOf, target: str) -> None:
    entered = sign_in(app.test_client(), factories.person(org).email or "", next=target)
    assert entered.location == target
    assert urlsplit(urljoin("http://localhost/sign-in", entered.location)).netloc == "localhost"


def test_passwords_and_tokens_are_nowhere_in_logs_and_tables(
    app: APIFlask, org: OrgOf, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    person = factories.person(org, Role.ADMIN)
    visitor = visit(app, person)
    sign_in(app.test_client(), person.email or "", "a wrong secret word")
    token = factories.token(org, owner=person)
    headers = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/api/v1/scheduler/jobs", headers=headers).status_code == 200
    app.test_client().get("/api/v1/scheduler/jobs", headers={"Authorization": f"Bearer {token}x"})
    with visitor.client.session_transaction() as session:
        session_secret = session["_user_id"]
    written = caplog.text + "".join(capfd.readouterr())
    for table in ("audit_entries", "users", "login_sessions", "api_tokens"):
        written += "".join(row[0] for row in rows(f"SELECT to_jsonb(t)::text FROM {table} t"))  # noqa: S608
    assert "session:refused" in written
    for secret in (PASSWORD, "a wrong secret word", token, session_secret):
        assert secret not in written


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: APIFlask, operator: Visitor) -> None:
    held = operator.client.get_cookie("callboard")
    assert held is not None
    assert (held.http_only, held.same_site, held.path, held.secure) == (True, "Lax", "/", False)


def test_behind_https_the_cookie_is_bound_to_the_host(
    app: APIFlask, org: OrgOf, another_app: Callable[..., APIFlask]
) -> None:
    client = another_app(base_url="https://console.example").test_client()
    page = client.get("/sign-in", base_url="https://console.example")
    assert page.headers["Strict-Transport-Security"].startswith("max-age=")
    (cookie,) = page.headers.getlist("Set-Cookie")
    name, *flags = cookie.split("; ")
    assert name.startswith("__Host-callboard=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(flags)
    assert not any(flag.startswith("Domain") for flag in flags)


@pytest.mark.parametrize("token", [None, "", "guessed"])
def test_no_form_is_accepted_without_its_token(
    app: APIFlask, operator: Visitor, things: Things, token: str | None
) -> None:
    before = counts()
    posts = rules(app, "POST")
    assert {"/sign-in", "/sign-out", "/jobs/<uuid:job_id>/send-now"} <= {rule.rule for rule in posts}
    for rule in posts:
        for headers in ({}, {"HX-Request": "true"}):
            data = {} if token is None else {"csrf_token": token}
            answer = operator.client.post(things.fill(rule), data=data, headers=headers)
            assert answer.status_code == 400, rule
            assert "nothing was changed" in words(answer)
    assert counts() == before
    assert operator.get("/").status_code == 200


def test_the_token_of_another_session_is_not_accepted(
    operator: Visitor, viewer: Visitor, things: Things
) -> None:
    before = counts()
    foreign = {"csrf_token": csrf_of(viewer.client)}
    assert operator.client.post(f"/jobs/{things.job_id}/send-now", data=foreign).status_code == 400
    assert counts() == before


def test_every_page_asks_to_sign_in_and_every_fragment_says_that_the_session_ended(
    app: APIFlask, things: Things
) -> None:
    seen = {"page": 0, "fragment": 0}
    for rule in rules(app, "GET"):
        path = things.fill(rule)
        answer = app.test_client().get(path)
        if rule.rule in PUBLIC:
            assert answer.status_code in (200, 503), path
        elif path.startswith("/fragments/"):
            seen["fragment"] += 1
            assert answer.status_code == 401, path
            assert "<form" not in answer.text and "Your session has ended" in words(answer)
        else:
            seen["page"] += 1
            assert answer.status_code == 302, path
            assert urlsplit(answer.location).path == "/sign-in"
        assert "Confidential" not in answer.text and "Sweep the stage" not in answer.text
    assert seen["page"] >= 7 and seen["fragment"] >= 7


def test_a_fragment_that_finds_the_session_ended_leads_back_to_its_page(client: FlaskClient) -> None:
    headers = {"HX-Current-URL": "http://localhost/runs?state=failed"}
    answer = client.get("/fragments/runs/table", headers=headers)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#notices", "innerHTML")
    assert 'href="/sign-in?next=/runs?state%3Dfailed"' in answer.text


def test_a_post_of_nobody_is_sent_to_sign_in_and_changes_nothing(app: APIFlask, things: Things) -> None:
    client = app.test_client()
    token, before = csrf_of(client), counts()
    answer = client.post(f"/jobs/{things.job_id}/send-now", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=/")
    assert counts() == before


def test_whoever_was_signed_out_by_others_reads_that_and_what_was_not_carried_out(
    operator: Visitor, things: Things
) -> None:
    client, before = operator.client, one("SELECT count(*) FROM runs")
    token = csrf_of(client)
    change("UPDATE login_sessions SET revoked_at = now()")
    assert "Your session has ended. Sign in to go on." in words(client.get("/runs", follow_redirects=True))
    client.post(f"/jobs/{things.job_id}/send-now", data={"csrf_token": token})
    assert "and what you sent was not carried out. Sign in" in words(client.get("/sign-in"))
    assert one("SELECT count(*) FROM runs") == before
    fresh = words(operator.client.application.test_client().get("/sign-in"))
    assert "session has ended" not in fresh


def test_one_who_is_signed_in_is_not_asked_again(operator: Visitor) -> None:
    answer = operator.get("/sign-in?next=/workers")
    assert (answer.status_code, answer.location) == (302, "/workers")
