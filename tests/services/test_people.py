"""People, their sessions and their tokens: what they may do, and how it ends at once."""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Barrier
from uuid import uuid4

import pytest
from apiflask import APIFlask
from argon2 import Type, extract_parameters
from flask.testing import FlaskClient
from sqlalchemy import text

from console.core import browsers
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import BadCredentials, Forbidden, Invalid, NotFound, Refused
from console.core.states import ActorKind, Role, Trigger
from console.db.session import db
from console.services import edits, jobs, passwords, people, secrets, sessions, triggers
from console.services.run_requests import Request
from tests import factories
from tests.factories import NOON, PASSWORD, OrgOf, one, rows


def holder(secret: str, now: datetime = NOON) -> Actor | None:
    """Who a call with this token is."""
    return people.token_actor(secret, now=now, address=None, request_id=None)


def sitter(secret: str, now: datetime = NOON) -> Actor | None:
    """Who a browser with this session is."""
    return people.session_actor(secret, now=now, address=None, request_id=None)


def sign_in(email: str, password: str = PASSWORD, now: datetime = NOON) -> str:
    return people.sign_in(email, password, now=now, address="10.0.0.7", user_agent="A browser").secret


def email_of(actor: Actor) -> str:
    assert actor.email is not None
    return actor.email


def change(sql: str, **values: object) -> None:
    """Changes rows past the product, where it has no way yet."""
    db.session.execute(text(sql), values)
    db.session.commit()


def change_role(person: Actor, role: Role) -> None:
    change("UPDATE memberships SET role = :role WHERE user_id = :id", role=role, id=person.id)


def trail(tag: str) -> list[tuple[str, str]]:
    """Who did it to what."""
    found = rows("SELECT actor_name, object_id FROM audit_entries WHERE tag = :tag ORDER BY number", tag=tag)
    return [tuple(row) for row in found]


def calls(client: FlaskClient, secret: str) -> int:
    """What the API answers to this token."""
    return client.get("/api/v1/runs", headers={"Authorization": f"Bearer {secret}"}).status_code


# Users


def test_a_new_user_signs_in_and_has_the_role_in_this_org_alone(org: OrgOf) -> None:
    made, password = people.create_user(org.admin, " Ann@Example.COM ", Role.VIEWER, password=None, now=NOON)
    assert (made.email, made.role, made.is_active) == ("ann@example.com", Role.VIEWER, True)
    actor = sitter(sign_in("ANN@example.com", password))
    assert actor is not None
    assert (actor.org_id, actor.role, actor.email) == (org.id, Role.VIEWER, "ann@example.com")
    (listed,) = people.list_people(org.admin)
    assert replace(listed, last_seen_at=None) == made and listed.last_seen_at == NOON
    assert people.list_people(factories.org().admin) == []
    assert trail("user:created") == [("tests", str(made.id))]


@pytest.mark.parametrize(
    "email",
    ["", "ann", "ann@", "@example.com", "a b@example.com", "a@b@c", "a\x00@b.de", "a" * 250 + "@x.de"],
)
def test_what_is_no_address_is_refused_by_name(org: OrgOf, email: str) -> None:
    with pytest.raises(Invalid) as caught:
        people.create_user(org.admin, email, Role.VIEWER, password=PASSWORD, now=NOON)
    assert set(caught.value.fields) == {"email"}
    assert one("SELECT count(*) FROM users") == one("SELECT count(*) FROM audit_entries") == 0


def test_an_address_is_taken_once_in_any_spelling(org: OrgOf) -> None:
    factories.person(org, email="ann@example.com")
    with pytest.raises(Invalid) as caught:
        people.create_user(org.admin, "Ann@example.com", Role.ADMIN, password=PASSWORD, now=NOON)
    assert set(caught.value.fields) == {"email"}
    assert one("SELECT count(*) FROM users") == 1


def test_a_short_password_is_refused_by_name(org: OrgOf) -> None:
    with pytest.raises(Invalid) as caught:
        people.create_user(org.admin, "ann@example.com", Role.VIEWER, password="short", now=NOON)
    assert set(caught.value.fields) == {"password"}
    assert one("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_looks_after_people_and_tokens(org: OrgOf, role: Role) -> None:
    actor = factories.person(org, role)
    made = people.create_token(org.admin, "ci", Role.VIEWER, now=NOON)
    before = one("SELECT count(*) FROM audit_entries")
    for forbidden in (
        lambda: people.create_user(actor, "new@example.com", Role.VIEWER, password=PASSWORD, now=NOON),
        lambda: people.set_active(actor, email_of(actor), False, now=NOON),
        lambda: people.create_token(actor, "mine", Role.VIEWER, now=NOON),
        lambda: people.list_tokens(actor),
        lambda: people.revoke_token(actor, made.token.id, now=NOON),
    ):
        with pytest.raises(Forbidden):
            forbidden()
    assert one("SELECT count(*) FROM audit_entries") == before
    assert rows("SELECT name, revoked_at FROM api_tokens") == [("ci", None)]


def test_a_viewer_reads_an_operator_acts_and_an_admin_does_both(org: OrgOf) -> None:
    job = factories.job(org)
    click = Request(Trigger.MANUAL)
    viewer = factories.person(org, Role.VIEWER)
    assert jobs.get(viewer, job.id, now=utc_now()).id == job.id
    with pytest.raises(Forbidden):
        triggers.send_now(viewer, job.id, click, now=utc_now())
    with pytest.raises(Forbidden):
        edits.set_paused(viewer, job.id, True, note=None, now=utc_now())
    assert one("SELECT count(*) FROM runs") == 0
    for role in (Role.OPERATOR, Role.ADMIN):
        triggers.send_now(factories.person(org, role), job.id, click, now=utc_now())
    assert one("SELECT count(*) FROM runs") == 2


# Disabling


def test_disabling_a_user_ends_their_sessions_and_tokens_at_once(org: OrgOf, client: FlaskClient) -> None:
    ann, bob = factories.person(org, Role.ADMIN), factories.person(org, Role.ADMIN)
    sessions = [sign_in(email_of(ann)), sign_in(email_of(ann))]
    others = sign_in(email_of(bob))
    secret, kept = factories.token(org, owner=ann), factories.token(org, owner=bob)
    assert (calls(client, secret), calls(client, kept)) == (200, 200)
    assert not people.set_active(org.admin, email_of(ann), False, now=NOON).is_active
    assert [sitter(session) for session in sessions] == [None, None]
    assert sitter(others) is not None
    assert (holder(secret), calls(client, secret)) == (None, 401)
    assert calls(client, kept) == 200
    with pytest.raises(BadCredentials):
        sign_in(email_of(ann))
    ended = rows("SELECT DISTINCT revoked_at FROM login_sessions WHERE user_id = :id", id=ann.id)
    assert ended == [(NOON,)]
    assert trail("user:disabled") == [("tests", str(ann.id))]


def test_enabling_a_user_brings_back_tokens_but_no_session(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    session, secret = sign_in(email_of(ann)), factories.token(org, owner=ann)
    factories.person(org, Role.ADMIN)
    people.set_active(org.admin, email_of(ann), False, now=NOON)
    people.set_active(org.admin, email_of(ann), True, now=NOON)
    assert sitter(session) is None
    assert holder(secret) is not None
    assert sitter(sign_in(email_of(ann))) is not None
    assert trail("user:enabled") == [("tests", str(ann.id))]


def test_a_user_of_another_org_is_not_found(org: OrgOf) -> None:
    stranger = factories.person(factories.org())
    session = sign_in(email_of(stranger))
    for email in (email_of(stranger), "nobody@example.com"):
        with pytest.raises(NotFound):
            people.set_active(org.admin, email, False, now=NOON)
    assert sitter(session) is not None
    assert one("SELECT bool_and(is_active) FROM users")
    assert trail("user:disabled") == []


# Passwords and sessions


def test_passwords_are_kept_as_argon2id(costly_passwords: None, org: OrgOf) -> None:
    factories.person(org)
    kept = one("SELECT password_hash FROM users")
    parameters = extract_parameters(kept)
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024 and parameters.time_cost >= 2  # OWASP's least
    assert PASSWORD not in kept
    assert secrets.hash_password(PASSWORD) != secrets.hash_password(PASSWORD)


def test_a_wrong_password_and_an_unknown_user_hear_the_same_after_the_same_work(
    org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = email_of(factories.person(org))
    disabled = email_of(factories.person(org))
    people.set_active(org.admin, disabled, False, now=NOON)
    hasher, hashed = secrets._hasher, []

    class Counting:
        hash = staticmethod(hasher.hash)

        @staticmethod
        def verify(kept: str, password: str) -> bool:
            hashed.append(extract_parameters(kept))
            return hasher.verify(kept, password)

    monkeypatch.setattr(secrets, "_hasher", Counting)
    said = []
    for email, password in (
        (known, "a wrong password"),
        ("nobody@example.com", PASSWORD),
        (disabled, PASSWORD),
        ("", ""),
        ("\x00" * 300, PASSWORD),
    ):
        with pytest.raises(BadCredentials) as caught:
            sign_in(email, password)
        said.append((caught.value.detail, caught.value.status, caught.value.fields))
    assert len(set(map(str, said))) == 1
    assert len(hashed) == 5 and len(set(map(str, hashed))) == 1
    assert one("SELECT count(*) FROM login_sessions") == 0


def test_signing_in_and_out_and_a_refusal_are_on_the_trail(org: OrgOf) -> None:
    ann = factories.person(org)
    with pytest.raises(BadCredentials):
        sign_in(email_of(ann), "a wrong password")
    session = sign_in(email_of(ann))
    people.sign_out(session, ann, now=NOON)
    people.sign_out(session, ann, now=NOON)
    assert sitter(session) is None
    row = one("SELECT id FROM login_sessions")
    assert trail("session:refused") == [(ann.email, str(ann.id))]
    assert trail("session:signed_in") == trail("session:signed_out") == [(ann.email, str(row))]
    assert one("SELECT address FROM audit_entries WHERE tag = 'session:signed_in'") == "10.0.0.7"


def test_a_session_is_kept_hashed_and_ends_after_its_time(org: OrgOf) -> None:
    made = people.sign_in(
        email_of(factories.person(org)), PASSWORD, now=NOON, address=None, user_agent="x" * 1000
    )
    assert one("SELECT secret_hash FROM login_sessions") == sha256(made.secret.encode()).digest()
    assert len(base64.urlsafe_b64decode(made.secret + "=")) == 32
    assert sitter(made.secret, made.expires_at - timedelta(seconds=1)) is not None
    assert sitter(made.secret, made.expires_at) is None
    assert sitter(made.secret.swapcase()) is None


def test_two_sign_ins_are_two_sessions_and_one_ends_alone(org: OrgOf) -> None:
    ann = factories.person(org)
    first, second = sign_in(email_of(ann)), sign_in(email_of(ann))
    people.sign_out(first, ann, now=NOON)
    assert sitter(first) is None
    assert sitter(second) is not None


# Tokens


def test_a_token_has_256_bits_is_shown_once_and_kept_hashed(org: OrgOf) -> None:
    made = people.create_token(org.admin, " ci ", Role.OPERATOR, now=NOON)
    again = people.create_token(org.admin, "ci 2", Role.OPERATOR, now=NOON)
    assert made.secret.startswith("cb_") and made.secret != again.secret
    assert len(base64.urlsafe_b64decode(made.secret.removeprefix("cb_") + "=")) == 32
    kept = rows("SELECT api_tokens::text, secret_hash FROM api_tokens WHERE name = 'ci'")
    assert kept[0].secret_hash == sha256(made.secret.encode()).digest()
    assert made.secret not in kept[0].api_tokens
    listed = people.list_tokens(org.admin)
    assert [(view.name, view.role) for view in listed] == [("ci 2", "operator"), ("ci", "operator")]
    assert made.secret not in str(listed)
    assert made.secret.startswith(made.token.prefix) and len(made.token.prefix) <= 9
    assert trail("token:created")[0] == ("tests", str(made.token.id))


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_token_needs_a_name(org: OrgOf, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        people.create_token(org.admin, name, Role.VIEWER, now=NOON)
    assert set(caught.value.fields) == {"name"}
    assert one("SELECT count(*) FROM api_tokens") == one("SELECT count(*) FROM audit_entries") == 0


@pytest.mark.parametrize("secret", ["", "cb_", "cb_x", "\x00", "ü" * 50])
def test_what_is_no_token_opens_nothing(org: OrgOf, secret: str) -> None:
    factories.token(org)
    assert holder(secret) is None


def test_a_token_may_do_what_its_role_says_and_never_more_than_its_owner_may_now(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    weak, strong = factories.token(org, Role.VIEWER, ann), factories.token(org, Role.ADMIN, ann)
    assert [actor.role for secret in (weak, strong) if (actor := holder(secret))] == ["viewer", "admin"]
    change_role(ann, Role.OPERATOR)
    assert [actor.role for secret in (weak, strong) if (actor := holder(secret))] == ["viewer", "operator"]
    change_role(ann, Role.VIEWER)
    actor = holder(strong)
    assert actor is not None and actor.role is Role.VIEWER
    with pytest.raises(Forbidden):
        triggers.send_now(actor, factories.job(org).id, Request(Trigger.API), now=utc_now())


def test_a_token_whose_owner_left_the_org_opens_nothing(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    secret = factories.token(org, Role.VIEWER, ann)
    change("DELETE FROM memberships WHERE user_id = :id", id=ann.id)
    assert holder(secret) is None


def test_a_token_acts_in_its_own_org_with_the_address_of_its_owner(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    actor = holder(factories.token(org, owner=ann))
    assert actor is not None
    assert (actor.org_id, actor.email, actor.kind) == (org.id, ann.email, "token")
    with pytest.raises(NotFound):
        jobs.get(actor, factories.job(factories.org()).id, now=utc_now())


def test_a_token_from_the_shell_belongs_to_the_first_admin_and_ends_with_them(org: OrgOf) -> None:
    first = factories.person(org, Role.ADMIN)
    factories.person(org, Role.ADMIN)
    slug = one("SELECT slug FROM orgs WHERE id = :id", id=org.id)
    actor = people.cli_actor(slug, login="root")
    secret = people.create_token(actor, "ci", Role.VIEWER, now=NOON).secret
    assert one("SELECT owner_id FROM api_tokens") == first.id
    assert holder(secret) is not None
    people.set_active(org.admin, email_of(first), False, now=NOON)
    assert holder(secret) is None


def test_a_token_ends_at_its_instant(org: OrgOf) -> None:
    until = NOON + timedelta(hours=1)
    secret = people.create_token(org.admin, "ci", Role.VIEWER, now=NOON, expires_at=until).secret
    assert holder(secret, until - timedelta(microseconds=1)) is not None
    assert holder(secret, until) is None


def test_a_revoked_token_ends_at_once_and_is_on_the_trail_once(org: OrgOf, client: FlaskClient) -> None:
    secret = factories.token(org)
    (view,) = people.list_tokens(org.admin)
    assert calls(client, secret) == 200
    people.revoke_token(org.admin, view.id, now=NOON)
    assert (holder(secret), calls(client, secret)) == (None, 401)
    people.revoke_token(org.admin, view.id, now=NOON + timedelta(hours=1))
    assert one("SELECT revoked_at FROM api_tokens") == NOON
    assert trail("token:revoked") == [("tests", str(view.id))]
    assert people.list_tokens(org.admin)[0].is_revoked


def test_a_token_of_another_org_is_not_found(org: OrgOf) -> None:
    theirs = factories.org()
    secret = factories.token(theirs)
    (view,) = people.list_tokens(theirs.admin)
    assert people.list_tokens(org.admin) == []
    for wrong in (view.id, uuid4()):
        with pytest.raises(NotFound):
            people.revoke_token(org.admin, wrong, now=NOON)
    assert holder(secret) is not None
    assert trail("token:revoked") == []


def test_a_token_shows_when_it_was_used_to_the_minute(org: OrgOf) -> None:
    secret = factories.token(org)
    assert people.list_tokens(org.admin)[0].last_used_at is None
    shown = []
    for seconds in (0, 59, 60):
        holder(secret, NOON + timedelta(seconds=seconds))
        shown.append(people.list_tokens(org.admin)[0].last_used_at)
    assert shown == [NOON, NOON, NOON + timedelta(seconds=60)]


def test_a_token_that_opens_nothing_is_not_marked_as_used(org: OrgOf) -> None:
    secret = factories.token(org)
    (view,) = people.list_tokens(org.admin)
    people.revoke_token(org.admin, view.id, now=NOON)
    holder(secret)
    assert one("SELECT last_used_at FROM api_tokens") is None


# The trail


def test_no_secret_stands_on_the_trail_or_anywhere_else(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    _, made_up = people.create_user(org.admin, "bob@example.com", Role.VIEWER, password=None, now=NOON)
    session = sign_in(email_of(ann))
    with pytest.raises(BadCredentials):
        sign_in(email_of(ann), "a guessed password")
    token = people.create_token(replace(ann, request_id="request-1"), "ci", Role.VIEWER, now=NOON)
    people.revoke_token(ann, token.token.id, now=NOON)
    people.sign_out(session, ann, now=NOON)
    factories.person(org, Role.ADMIN)
    people.set_active(org.admin, email_of(ann), False, now=NOON)
    kept = "".join(
        row[0]
        for table in ("audit_entries", "users", "login_sessions", "api_tokens", "memberships")
        for row in rows(f"SELECT t::text FROM {table} t")  # noqa: S608
    )
    for secret in (PASSWORD, made_up, session, token.secret, "a guessed password"):
        assert secret not in kept
    trail_text = "".join(row[0] for row in rows("SELECT t::text FROM audit_entries t"))
    hashes = rows("SELECT encode(secret_hash, 'hex') FROM api_tokens UNION SELECT password_hash FROM users")
    assert not any(row[0] in trail_text for row in hashes)
    assert {row.tag for row in rows("SELECT DISTINCT tag FROM audit_entries")} == {
        "user:created",
        "user:disabled",
        "session:signed_in",
        "session:refused",
        "session:signed_out",
        "token:created",
        "token:revoked",
    }


def test_the_last_active_admin_stays(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    with pytest.raises(Refused):
        people.set_active(org.admin, email_of(ann), False, now=NOON)
    assert one("SELECT is_active FROM users") is True
    factories.person(org, Role.ADMIN)
    assert not people.set_active(org.admin, email_of(ann), False, now=NOON).is_active


def test_a_new_password_ends_all_sessions_and_the_old_one(org: OrgOf) -> None:
    ann = factories.person(org, Role.ADMIN)
    session = sign_in(email_of(ann))
    made_up = people.set_password(org.admin, email_of(ann), None, now=NOON)
    assert sitter(session) is None
    with pytest.raises(BadCredentials):
        sign_in(email_of(ann))
    assert sitter(sign_in(email_of(ann), made_up)) is not None
    assert made_up not in str(factories.rows("SELECT old, new FROM audit_entries"))


def reset_meanwhile(monkeypatch: pytest.MonkeyPatch, module: object, org: OrgOf, email: str) -> None:
    """An admin replaces the password while it is being looked at, which takes its time."""
    real = secrets.verify_password

    def slowly(hashed: str | None, password: str) -> bool:
        is_right = real(hashed, password)
        monkeypatch.setattr(module, "verify_password", real)
        people.set_password(org.admin, email, "the admin's new password", now=NOON)
        return is_right

    monkeypatch.setattr(module, "verify_password", slowly)


def test_no_session_begins_with_a_password_that_was_replaced_meanwhile(
    monkeypatch: pytest.MonkeyPatch, org: OrgOf
) -> None:
    ann = factories.person(org)
    reset_meanwhile(monkeypatch, sessions, org, email_of(ann))
    with pytest.raises(BadCredentials):
        sign_in(email_of(ann))
    assert one("SELECT count(*) FROM login_sessions") == 0
    assert sitter(sign_in(email_of(ann), "the admin's new password")) is not None


def test_who_knew_the_old_password_does_not_replace_the_one_that_an_admin_has_set_meanwhile(
    monkeypatch: pytest.MonkeyPatch, org: OrgOf
) -> None:
    ann = factories.person(org)
    session = sign_in(email_of(ann))
    reset_meanwhile(monkeypatch, passwords, org, email_of(ann))
    with pytest.raises(Invalid) as refused:
        passwords.change_own(ann, session, PASSWORD, "a password of their own", now=NOON)
    assert refused.value.fields == {"present": ["is not your password"]}
    assert sitter(session) is None
    assert sitter(sign_in(email_of(ann), "the admin's new password")) is not None
    assert trail("user:password_changed") == [(org.admin.name, str(ann.id))]


def test_no_admin_gets_into_another_org_through_an_account_that_both_have(org: OrgOf) -> None:
    """Mallory makes up the password of an account, and waits for the other org to let the account in."""
    mallory, victim = factories.person(factories.org(), Role.ADMIN), factories.person(org, Role.ADMIN)
    people.create_user(mallory, "ceo@example.com", Role.VIEWER, password=PASSWORD, now=NOON)
    for asking in (victim, replace(victim, kind=ActorKind.TOKEN)):
        with pytest.raises(Invalid) as refused:
            people.create_user(asking, "ceo@example.com", Role.ADMIN, password=None, now=NOON)
        assert "has an account in another org" in refused.value.fields["email"][0]
    ceo = actor_of(sign_in("ceo@example.com"))
    assert [place.org_id for place in sessions.places(ceo)] == [mallory.org_id]
    assert len(trail("user:created")) == 3


def actor_of(session: str) -> Actor:
    found = sitter(session)
    assert found is not None
    return found


# Orgs and admins at once


def test_two_admins_who_take_each_others_role_at_once_leave_one(app: APIFlask, org: OrgOf) -> None:
    ann, bob = factories.person(org, Role.ADMIN), factories.person(org, Role.ADMIN)
    start = Barrier(2)

    def demote(actor: Actor, other: Actor) -> str:
        assert other.id is not None
        with app.app_context():
            start.wait(30)
            try:
                people.change(actor, other.id, people.PersonChange(role=Role.VIEWER), now=NOON)
            except Refused:
                return "refused"
            return "changed"

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(demote, *pair) for pair in ((ann, bob), (bob, ann))]
        assert sorted(one_of.result(30) for one_of in found) == ["changed", "refused"]
    assert one("SELECT count(*) FROM memberships WHERE role = 'admin'") == 1
    assert len(trail("user:role_changed")) == 1


def test_an_address_that_is_added_by_many_at_once_is_one_account(app: APIFlask) -> None:
    places = [factories.org() for _ in range(4)]
    start = Barrier(8)

    def add(of: OrgOf) -> bool:
        with app.app_context():
            start.wait(30)
            try:
                _, secret = people.create_user(
                    of.admin, "ann@example.com", Role.VIEWER, password=PASSWORD, now=NOON
                )
            except Invalid:
                return False
            return secret is not None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(add, places * 2))
    assert found.count(True) == 1, "one of them made the account"
    assert one("SELECT count(*) FROM users") == 1
    assert one("SELECT count(*) FROM memberships") == len(trail("user:created")) == 4


def test_a_token_is_never_made_for_more_than_ones_own_role(org: OrgOf) -> None:
    operator = replace(factories.person(org, Role.ADMIN), role=Role.OPERATOR)
    with pytest.raises(Forbidden):
        people.create_token(operator, "ci", Role.ADMIN, now=NOON)
    assert one("SELECT count(*) FROM api_tokens") == 0


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        (None, "Unknown browser"),
    ],
)
def test_a_browser_is_told_in_plain_words(user_agent: str | None, words: str) -> None:
    assert browsers.plain(user_agent) == words
