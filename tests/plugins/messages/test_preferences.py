"""An org's switches, leads and send times: what they may be, who may set them, and what the trail keeps."""

from concurrent.futures import ThreadPoolExecutor
from datetime import time
from threading import Barrier

import pytest
from apiflask import APIFlask

from console.core.errors import Forbidden, Invalid
from console.core.states import MessageType, Role
from console.db.session import db, transaction
from console.plugins.messages import planner, preferences, settings, templates
from console.plugins.messages.planner import Planned
from console.plugins.messages.settings import SettingsChange, TypeChange
from console.plugins.messages.stale import StaleSettings
from console.plugins.messages.templates import StaleTemplate
from console.plugins.messages.templating import Words
from console.plugins.messages.views import WeekendRule
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

TRAIL = """
    SELECT tag, object_id, old, new FROM audit_entries
    WHERE tag LIKE 'message_%' OR tag LIKE 'template%' ORDER BY number
"""
REMINDER = MessageType.REMINDER


def test_the_defaults_hold_until_something_is_set(org: OrgOf) -> None:
    held = settings.get(org.admin).preferences
    assert (held.enabled, held.weekend_rule, held.revision) == (True, WeekendRule.NONE, 0)
    assert {kind: (item.lead_days, item.send_time) for kind, item in held.types.items()} == {
        MessageType.INIT: (-14, time(10)),
        MessageType.REMINDER: (-1, time(10)),
        MessageType.FOLLOW_UP: (1, time(10)),
    }
    assert rows("SELECT 1 FROM message_settings UNION ALL SELECT 1 FROM message_types") == []


def test_the_switch_and_the_weekend_rule_are_kept_with_who_set_them(org: OrgOf) -> None:
    operator = factories.person(org)
    change = SettingsChange(enabled=False, weekend_rule="previous_friday")
    done = settings.save(operator, change, seen=0, now=NOON)
    assert done.is_changed and done.preferences.revision == 1
    settings.save(operator, SettingsChange(weekend_rule="next_monday"), seen=1, now=NOON)
    held = preferences.of(org.id)
    assert (held.enabled, held.weekend_rule, held.revision) == (False, WeekendRule.NEXT_MONDAY, 2)
    ((enabled, rule, revision, by),) = rows(
        "SELECT enabled, weekend_rule, revision, changed_by FROM message_settings"
    )
    assert (enabled, rule, revision, by) == (False, "next_monday", 2, operator.name)
    assert [(old, new) for _, _, old, new in rows(TRAIL)] == [
        (
            {"enabled": True, "weekend_rule": "none"},
            {"enabled": False, "weekend_rule": "previous_friday", "revision": 1},
        ),
        ({"weekend_rule": "previous_friday"}, {"weekend_rule": "next_monday", "revision": 2}),
    ]
    again = settings.save(operator, SettingsChange(enabled=False), seen=2, now=NOON)
    assert not again.is_changed and len(rows(TRAIL)) == 2


def test_a_type_has_its_switch_lead_time_and_template_in_one_save(org: OrgOf) -> None:
    words = Words("Tomorrow: {{ event_name }}", "See you at {{ venue }}.", "")
    change = TypeChange(enabled=False, lead_days=-3, send_time="08:45", words=words, version=0)
    done = settings.save_type(org.admin, REMINDER, change, seen=0, now=NOON)
    held = done.preferences.types[REMINDER]
    assert (held.enabled, held.lead_days, held.send_time, held.revision) == (False, -3, time(8, 45), 1)
    assert done.templates[REMINDER].version == 1
    assert [(tag, object_id) for tag, object_id, _, _ in rows(TRAIL)] == [
        ("template:changed", "REMINDER"),
        ("message_type:changed", "REMINDER"),
    ]
    assert rows(TRAIL)[1][3] == {"enabled": False, "lead_days": -3, "send_time": "08:45", "revision": 1}
    again = settings.save_type(org.admin, REMINDER, change, seen=1, now=NOON)
    assert not again.is_changed and len(rows(TRAIL)) == 2


@pytest.mark.parametrize(
    ("kind", "change", "field", "text"),
    [
        ("INIT", TypeChange(lead_days=1), "lead_days", "before the event"),
        ("REMINDER", TypeChange(lead_days=-366), "lead_days", "from -365 to 0"),
        ("FOLLOW_UP", TypeChange(lead_days=-1), "lead_days", "goes out after"),
        ("INIT", TypeChange(send_time="25:00"), "send_time", "such as 09:30"),
        ("INIT", TypeChange(send_time="10"), "send_time", "such as 09:30"),
        ("FREE", TypeChange(enabled=False), "message_type", "one of INIT, REMINDER, FOLLOW_UP"),
        ("INIT", TypeChange(words=Words("{{ nonsense }}", "x", "")), "subject", "nonsense"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_saved(
    org: OrgOf, kind: str, change: TypeChange, field: str, text: str
) -> None:
    with pytest.raises(Invalid) as caught:
        settings.save_type(org.admin, MessageType(kind), change, now=NOON)
    assert text in " ".join(caught.value.fields[field])
    assert rows("SELECT 1 FROM message_types") == [] and rows(TRAIL) == []


def test_an_unknown_weekend_rule_is_refused(org: OrgOf) -> None:
    with pytest.raises(Invalid, match="weekend_rule: must be one of none, previous_friday, next_monday"):
        settings.save(org.admin, SettingsChange(weekend_rule="next_tuesday"), now=NOON)


def test_a_stale_save_says_who_was_first_and_saves_neither_half(org: OrgOf) -> None:
    ana = factories.person(org)
    settings.save_type(ana, REMINDER, TypeChange(lead_days=-2), seen=0, now=NOON)
    with pytest.raises(StaleSettings) as caught:
        settings.save_type(org.admin, REMINDER, TypeChange(lead_days=-5), seen=0, now=NOON)
    assert caught.value.detail.startswith(f"{ana.name} saved r1 of the settings of Reminder")
    assert caught.value.later.new == {"lead_days": -2}
    templates.save(ana, REMINDER, Words("Ana's", "x", ""), seen=0, now=NOON)
    words = Words("Mine", "x", "")
    with pytest.raises(StaleTemplate):
        settings.save_type(
            org.admin, REMINDER, TypeChange(lead_days=-5, words=words, version=0), seen=1, now=NOON
        )
    assert preferences.of(org.id).types[REMINDER].lead_days == -2
    settings.save(ana, SettingsChange(enabled=False), seen=0, now=NOON)
    with pytest.raises(StaleSettings, match="r1 of the message settings after you had looked"):
        settings.save(org.admin, SettingsChange(enabled=False, weekend_rule="next_monday"), seen=0, now=NOON)


def test_a_viewer_sets_nothing(org: OrgOf) -> None:
    viewer = factories.person(org, Role.VIEWER)
    with pytest.raises(Forbidden):
        settings.save(viewer, SettingsChange(enabled=False), now=NOON)
    with pytest.raises(Forbidden):
        settings.save_type(viewer, REMINDER, TypeChange(enabled=False), now=NOON)
    assert settings.get(viewer).preferences.enabled


def test_events_that_are_made_while_the_settings_change_are_planned_by_the_new_ones(
    app: APIFlask, org: OrgOf
) -> None:
    gate = Barrier(8)

    def act(number: int) -> None:
        with app.app_context():
            gate.wait()
            if number % 4 == 0:
                settings.save_type(org.admin, REMINDER, TypeChange(lead_days=-2 - number), now=NOON)
            else:
                factories.event(org, f"Show {number}", now=NOON)
            db.session.remove()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    with transaction():
        assert planner.plan_all(org.admin, now=NOON) == Planned()
    assert one("SELECT count(*) FROM jobs WHERE message_type = 'REMINDER'") == 6


def test_of_ten_saves_at_once_one_is_first(app: APIFlask, org: OrgOf) -> None:
    gate = Barrier(10)

    def save(number: int) -> bool:
        with app.app_context():
            gate.wait()
            try:
                settings.save_type(org.admin, REMINDER, TypeChange(lead_days=-2 - number), seen=0, now=NOON)
                return True
            except StaleSettings:
                return False
            finally:
                db.session.remove()

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(save, range(10))) == 1
    assert rows("SELECT revision FROM message_types") == [(1,)]
