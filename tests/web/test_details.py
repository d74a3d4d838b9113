"""A job's name and arguments, edited on its page: saved as a revision, refused, or settled."""

from html import unescape

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import Role
from console.services import edits, guarding
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, part, visit, words
from tests.web.editing import form_in


@pytest.fixture
def job(org: OrgOf) -> JobView:
    args = {"path": "/srv/in", "seconds": 0.0}  # which says what the task takes anyway
    return factories.job(org, "tests.tasks.mark", name="Sweep the stage", args=args)


def opened(visitor: Visitor, job: JobView, region: str = "") -> dict[str, str]:
    path = f"/fragments/jobs/{job.id}/details?region={region}" if region else f"/jobs/{job.id}/details"
    answer = visitor.get(path)
    assert answer.status_code == 200
    return form_in(answer).values


def held(job: JobView) -> tuple[object, ...]:
    (row,) = rows("SELECT name, args, revision FROM jobs WHERE id = :id", id=job.id)
    return tuple(row)


def test_without_javascript_what_was_typed_is_saved_as_one_revision_with_its_reason(
    operator: Visitor, viewer: Visitor, job: JobView
) -> None:
    link = f'href="/jobs/{job.id}/details"'
    assert link in operator.get(f"/jobs/{job.id}").text and link not in viewer.get(f"/jobs/{job.id}").text
    fields = opened(operator, job)
    assert (fields["name"], fields["args.path"], fields["args.seconds"]) == (
        "Sweep the stage",
        "/srv/in",
        "0.0",
    )
    # What nobody touched is no change, however it is written.
    untouched = operator.post(f"/jobs/{job.id}/details", fields)
    assert untouched.status_code == 303 and held(job)[2] == 1
    typed = fields | {"name": " Mop the stage ", "args.path": "/srv/<out>", "reason": "moved house"}
    answer = operator.post(f"/jobs/{job.id}/details", typed)
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job.id}")
    assert held(job) == ("Mop the stage", {"path": "/srv/<out>"}, 2)
    (entry,) = rows("SELECT actor_name, old, new, reason FROM audit_entries WHERE tag = 'job:changed'")
    assert entry.reason == "moved house" and entry.actor_name == operator.actor.name
    assert entry.old == {"name": "Sweep the stage", "args": {"path": "/srv/in", "seconds": 0.0}}
    assert entry.new["name"] == "Mop the stage" and entry.new["revision"] == 2
    shown = words(operator.get(f"/jobs/{job.id}"))
    assert "Mop the stage: Saved r2." in shown and "/srv/<out>" in shown and "moved house" in shown
    region = operator.get(f"/fragments/jobs/{job.id}")
    crumb = region.text.split('class="crumb"')[1].split("</p>")[0]
    assert "Mop the stage" in crumb, "the way back bears the new name without a reload"


@pytest.mark.parametrize("region", ["", "job"])
def test_what_can_t_be_used_stays_as_typed_beside_its_fault(
    operator: Visitor, job: JobView, region: str
) -> None:
    wrong = {"name": " ", "args.path": "/<b>here", "args.seconds": "soon", "reason": "try & see"}
    answer = operator.post(
        f"/jobs/{job.id}/details", opened(operator, job, region) | wrong, htmx=bool(region)
    )
    assert answer.status_code == 422 and ("<html" in answer.text) is not bool(region)
    form = unescape(part(answer, f"editor-{job.id}"))
    assert 'value="/<b>here"' in form and 'value="soon"' in form and 'value="try & see"' in form
    assert form_in(answer).invalid == ["args.seconds"]
    only_name = opened(operator, job, region) | {"name": "x" * 201}
    answer = operator.post(f"/jobs/{job.id}/details", only_name, htmx=bool(region))
    assert answer.status_code == 422 and "1 to 200 characters" in words(
        part(answer, f"ed-{job.id}-name-error")
    )
    assert "x" * 201 in answer.text and form_in(answer).focused == "name"
    assert held(job)[2] == 1


@pytest.mark.parametrize("region", ["", "job"])
def test_of_two_who_edit_neither_loses_what_was_typed(
    app: APIFlask, operator: Visitor, org: OrgOf, job: JobView, region: str
) -> None:
    anna = visit(app, factories.person(org, Role.OPERATOR, "anna@example.com"))
    path, htmx = f"/jobs/{job.id}/details", bool(region)
    hers, yours = opened(anna, job, region), opened(operator, job, region)
    anna.post(path, hers | {"name": "Hers"}, htmx=htmx)
    asked = operator.post(path, yours | {"args.path": "/srv/yours"}, htmx=htmx)
    assert asked.status_code == 409 and held(job) == ("Hers", {"path": "/srv/in", "seconds": 0.0}, 2)
    said = words(asked)
    assert "anna@example.com saved r2 of Hers while you were editing r1" in said
    assert "You changed different things" in said and "/srv/yours" in said
    both = form_in(asked).values | {"settle": "both"}
    answer = operator.post(path, both, htmx=htmx)
    assert answer.headers.get("HX-Retarget") == ("#job" if htmx else None)
    assert held(job) == ("Hers", {"path": "/srv/yours"}, 3)

    # The same field: theirs holds until somebody says otherwise.
    mine = operator.post(path, yours | {"revision": "2", "name": "Mine"}, htmx=htmx)
    assert mine.status_code == 409 and "clashes" not in words(mine)
    late = operator.post(path, opened(operator, job, region) | {"revision": "1", "name": "Mine"}, htmx=htmx)
    assert late.status_code == 409 and "clashes" in words(late) and held(job)[0] == "Hers"
    assert operator.post(path, form_in(late).values | {"settle": "mine"}, htmx=htmx).status_code in (200, 303)
    assert held(job)[0] == "Mine"


def test_a_guarded_job_takes_a_new_name_from_an_operator_and_new_arguments_from_an_admin(
    app: APIFlask, operator: Visitor, org: OrgOf, job: JobView
) -> None:
    guarding.set_guard(org.admin, job.id, True, now=utc_now())
    path = f"/jobs/{job.id}/details"
    assert "only an admin may change its arguments" in words(operator.get(path))
    typed = opened(operator, job) | {"args.path": "/srv/out"}
    answer = operator.post(path, typed, htmx=True)
    assert answer.status_code == 409 and "APPROVAL_REQUIRED" in words(answer)
    assert 'value="/srv/out"' in answer.text and held(job)[2] == 1
    assert operator.post(path, opened(operator, job) | {"name": "Mop"}).status_code == 303
    admin = visit(app, factories.person(org, Role.ADMIN))
    assert admin.post(path, opened(admin, job) | {"args.path": "/srv/out"}).status_code == 303
    assert held(job) == ("Mop", {"path": "/srv/out"}, 3)


def test_what_a_message_says_is_not_edited_here(operator: Visitor, org: OrgOf) -> None:
    event = factories.event(org)
    message = one("SELECT id FROM jobs WHERE subject_id = :id LIMIT 1", id=event.id)
    answer = operator.get(f"/jobs/{message}/details")
    assert "What a message says comes of its event" in words(answer) and 'name="args' not in answer.text
    before = one("SELECT args FROM jobs WHERE id = :id", id=message)
    sent = form_in(answer).values | {"args": "1", "args.": "{}", "name": "By another name"}
    assert operator.post(f"/jobs/{message}/details", sent).status_code == 303
    (after,) = rows("SELECT name, args FROM jobs WHERE id = :id", id=message)
    assert tuple(after) == ("By another name", before)


def test_an_edit_through_another_door_meets_the_same_revision(
    operator: Visitor, org: OrgOf, job: JobView
) -> None:
    fields = opened(operator, job)
    edits.edit(org.admin, job.id, Change(args={"path": "/srv/api"}), now=utc_now())
    answer = operator.post(f"/jobs/{job.id}/details", fields | {"args.path": "/srv/page"})
    assert answer.status_code == 409
    assert "clashes" in words(answer) and held(job)[1] == {"path": "/srv/api"}
