"""Templates in versions: saved by whoever was first, never overwritten, brought back by a new version."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.errors import Forbidden, Invalid
from console.core.states import MessageType, Role
from console.plugins.messages import templates
from console.plugins.messages.default_templates import DEFAULTS
from console.plugins.messages.templates import StaleTemplate, Template
from console.plugins.messages.templating import Words
from tests import factories
from tests.factories import OrgOf, one, rows

MINE = Words("Load-in of {{ event_name }}?", "When?\n", "<p>When?</p>")


def save(of: OrgOf, words: Words = MINE, seen: int = 0, reason: str | None = None) -> Template:
    return templates.save(of.admin, MessageType.INIT, words, seen=seen, reason=reason, now=utc_now())


def test_until_an_org_writes_its_own_the_built_in_template_holds(org: OrgOf) -> None:
    found = templates.overview(org.admin)
    assert [(item.message_type, item.version) for item in found] == [
        (MessageType.INIT, 0),
        (MessageType.REMINDER, 0),
        (MessageType.FOLLOW_UP, 0),
    ]
    assert found[0].words == DEFAULTS[MessageType.INIT]
    with pytest.raises(Invalid) as caught:
        templates.get(org.admin, MessageType.FREE)
    assert "message_type" in caught.value.fields


def test_each_save_is_the_next_version_with_who_when_and_why_on_the_trail(org: OrgOf) -> None:
    first = save(org, reason=" shorter ")
    second = save(org, replace(MINE, subject=" When? ", text="Now?\r\nThen?"), seen=1)
    assert (first.version, first.reason, first.actor) == (1, "shorter", org.admin.name)
    assert (second.version, second.subject, second.text) == (2, "When?", "Now?\nThen?")
    assert templates.get(org.admin, MessageType.INIT) == second
    assert [item.version for item in templates.history(org.admin, MessageType.INIT)] == [2, 1, 0]
    assert templates.get(factories.org().admin, MessageType.INIT).version == 0
    trail = rows(
        "SELECT old, new, reason, actor_name FROM audit_entries "
        "WHERE tag = 'template:changed' ORDER BY number"
    )
    assert [(row.old["version"], row.new["version"], row.reason) for row in trail] == [
        (0, 1, "shorter"),
        (1, 2, None),
    ]
    assert trail[1].old["text"] == "When?\n" and trail[1].new["text"] == "Now?\nThen?"


def test_words_that_stand_already_make_no_version(org: OrgOf) -> None:
    save(org)
    assert save(org, seen=0).version == save(org, seen=1).version == 1
    assert one("SELECT count(*) FROM message_templates") == 1
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'template:changed'") == 1


def test_whoever_saves_over_a_version_that_they_have_not_seen_is_told_whose_it_is(org: OrgOf) -> None:
    save(org)
    with pytest.raises(StaleTemplate) as caught:
        save(org, replace(MINE, text="Mine"), seen=0)
    assert (caught.value.status, caught.value.reason) == (409, "STALE_REVISION")
    assert f"{org.admin.name} saved version 1" in caught.value.detail
    assert caught.value.current.text == "When?\n"
    assert one("SELECT count(*) FROM message_templates") == 1


def test_of_many_who_save_at_once_one_is_first_and_nobody_is_overwritten(app: APIFlask, org: OrgOf) -> None:
    def attempt(number: int) -> int:
        with app.app_context():
            try:
                return save(org, replace(MINE, text=f"By {number}")).version
            except StaleTemplate as stale:
                return -stale.current.version

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(16))) == [-1] * 15 + [1]
    assert one("SELECT count(*) FROM message_templates") == 1


def test_an_older_version_and_the_built_in_one_come_back_as_the_next(org: OrgOf) -> None:
    save(org)
    save(org, replace(MINE, text="Second"), seen=1)
    back = templates.restore(org.admin, MessageType.INIT, 1, seen=2, now=utc_now())
    assert (back.version, back.words, back.reason) == (3, MINE, "restored version 1")
    first = templates.restore(org.admin, MessageType.INIT, 0, seen=3, now=utc_now())
    assert (first.version, first.words) == (4, DEFAULTS[MessageType.INIT])
    with pytest.raises(StaleTemplate):
        templates.restore(org.admin, MessageType.INIT, 1, seen=3, now=utc_now())
    with pytest.raises(Invalid) as caught:
        templates.restore(org.admin, MessageType.INIT, 9, seen=4, now=utc_now())
    assert caught.value.fields == {"version": ["there is no version 9 of this template"]}
    assert one("SELECT count(*) FROM message_templates") == 4


def test_what_cannot_be_used_is_not_saved_and_a_viewer_saves_nothing(org: OrgOf) -> None:
    with pytest.raises(Invalid) as caught:
        save(org, replace(MINE, text="{{ event_nam }}", html="{% for x in y %}{% endfor %}"))
    assert set(caught.value.fields) == {"text", "html"}
    viewer = factories.person(org, Role.VIEWER)
    for attempt in (
        lambda: templates.save(viewer, MessageType.INIT, MINE, seen=0, now=utc_now()),
        lambda: templates.restore(viewer, MessageType.INIT, 0, seen=0, now=utc_now()),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert one("SELECT count(*) FROM message_templates") == 0
