"""The settings of messages: the global switch, the weekend rule, and when each type goes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.states import MessageType
from console.core.texts import storable
from console.plugins.messages import settings
from console.plugins.messages.outcomes import became
from console.plugins.messages.settings import FURTHEST, LEADS, Kept, SettingsChange, TypeChange
from console.plugins.messages.stale import StaleSettings
from console.plugins.messages.views import PLANNED, Preferences, TypePreference, WeekendRule
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names
from console.web.saves import revision_of

TYPES = f"<any({', '.join(PLANNED)}):message_type>"
LONGEST = 20
RULES = {
    WeekendRule.NONE: "They go out on the weekend all the same",
    WeekendRule.PREVIOUS_FRIDAY: "They go out on the Friday before",
    WeekendRule.NEXT_MONDAY: "They go out on the Monday after",
}
PURPOSES = {
    MessageType.INIT: "asks the contact for the load-in time, and is not sent once that is known",
    MessageType.REMINDER: "reminds the contact and the crew",
    MessageType.FOLLOW_UP: "follows up with the contact",
}
bp = Blueprint("message_settings", __name__, url_prefix="/messages/settings")


@dataclass(frozen=True)
class Form:
    """One of the forms as it was typed; `revision` is the one that it was begun on.

    `problem` is what belongs to no field.
    """

    values: Mapping[str, str]
    revision: int
    faults: Mapping[str, list[str]] = field(default_factory=dict)
    problem: str | None = None

    @property
    def focus(self) -> str | None:
        """The first wrong field."""
        return next(iter(self.faults), None)


@bp.get("")
def show() -> ResponseReturnValue:
    check_names(request.args)
    return _page()


@bp.post("")
def save() -> ResponseReturnValue:
    actor().require(Permission.EDIT_MESSAGES)
    given = _given("weekend_rule", "enabled")
    change = SettingsChange("enabled" in given, given.get("weekend_rule", ""))
    try:
        kept = settings.save(actor(), change, seen=_seen(), now=moment())
    except (StaleSettings, Invalid) as error:
        return _refused("all", given, error)
    return _saved("Messages", kept)


@bp.post(f"/{TYPES}")
def save_type(message_type: str) -> ResponseReturnValue:
    actor().require(Permission.EDIT_MESSAGES)
    kind, given = MessageType(message_type), _given("lead_days", "send_time", "enabled")
    try:
        change = TypeChange("enabled" in given, _lead(kind, given), given.get("send_time", ""))
        kept = settings.save_type(actor(), kind, change, seen=_seen(), now=moment())
    except (StaleSettings, Invalid) as error:
        return _refused(kind, given, error)
    return _saved(kind.label, kept)


def _given(*names: str) -> dict[str, str]:
    return {name: storable(request.form[name].strip(), LONGEST) for name in names if name in request.form}


def _seen() -> int | None:
    return revision_of(request.form, "revision")


def _lead(kind: MessageType, given: Mapping[str, str]) -> int:
    """The lead as the service counts it, out of days before or after; raises `Invalid`."""
    text = given.get("lead_days", "")
    if not (text.isascii() and text.isdigit() and int(text) <= FURTHEST):
        word = f"must be a whole number of days from 0 to {FURTHEST}"
        raise Invalid(f"lead_days: {word}", fields={"lead_days": [word]})
    return int(text) if LEADS[kind][1] else -int(text)


def _saved(what: str, kept: Kept) -> ResponseReturnValue:
    if kept.is_changed:
        flash(f"{what}: saved. {became(kept.planned)}".replace("Its messages", "All messages"))
    else:
        flash(f"{what}: nothing to change, it says this already.")
    return redirect(url_for("message_settings.show"), 303)


def _refused(name: str, given: Mapping[str, str], error: StaleSettings | Invalid) -> ResponseReturnValue:
    """The page with this form as it was typed; a stale one may be saved again over what is there now."""
    seen = _seen() or 0
    if isinstance(error, StaleSettings):
        advice = "What is typed below is yours; save it again to put it in force, or reload to drop it."
        form = Form(given, error.current.revision, problem=f"{error.detail} {advice}")
    else:
        form = Form(given, seen, {name: list(texts) for name, texts in error.fields.items()})
    return _page(error.status, {name: form})


def _page(status: int = 200, typed: Mapping[str, Form] | None = None) -> ResponseReturnValue:
    kept = settings.get(actor())
    shown = typed or {}
    types = kept.preferences.types
    context: dict[str, Any] = {
        "form": shown.get("all") or _form_of(kept.preferences),
        "types": [(kind, shown.get(kind) or _type_form_of(types[kind])) for kind in PLANNED],
        "is_after": {kind: bool(LEADS[kind][1]) for kind in PLANNED},
        "templates": kept.templates,
        "is_on": kept.preferences.enabled,
        "rules": RULES,
        "purposes": PURPOSES,
    }
    return page("message_settings/show.html", status, **context)


def _form_of(held: Preferences) -> Form:
    switch = {"enabled": "1"} if held.enabled else {}
    return Form({"weekend_rule": held.weekend_rule.value, **switch}, held.revision)


def _type_form_of(held: TypePreference) -> Form:
    switch = {"enabled": "1"} if held.enabled else {}
    values = {"lead_days": str(abs(held.lead_days)), "send_time": f"{held.send_time:%H:%M}"}
    return Form({**values, **switch}, held.revision)
