"""The settings of messages: each type's switch, lead, time and template; global switch and weekend rule."""

from flask import Response
from pydantic import BaseModel

from console.api import problems
from console.api.auth import caller
from console.api.blueprint import api
from console.api.spec import BODY_PROBLEMS, call, extend, problem_answer
from console.core.clock import utc_now
from console.core.errors import NotFound
from console.core.states import MessageType
from console.plugins.messages import settings
from console.plugins.messages.calls.setting_shapes import (
    MessageSettingsIn,
    MessageSettingsOut,
    MessageSettingsSavedOut,
    MessageTypeIn,
    MessageTypeOut,
    MessageTypeSavedOut,
    StaleSettingsProblem,
)
from console.plugins.messages.stale import StaleSettings
from console.plugins.messages.views import PLANNED

extend("Messages", problems=[StaleSettingsProblem])
STALE = problem_answer(
    "Somebody has saved these settings or the template after what you saw; nothing was changed.",
    "StaleSettingsProblem",
    "Problem",
)


@api.get("/message-types/<message_type>")
@api.output(MessageTypeOut)
@call("Messages", 404)
def read_message_type(message_type: str) -> MessageTypeOut:
    """When messages of this type go out, and their template."""
    found, held = _type(message_type), settings.get(caller())
    return MessageTypeOut.of(held.preferences.types[found], held.templates[found])


@api.put("/message-types/<message_type>")
@api.input(MessageTypeIn, location="json", arg_name="body")
@api.output(MessageTypeSavedOut)
@call("Messages", *BODY_PROBLEMS, 403, 404, 422, also={409: STALE})
def put_message_type(message_type: str, body: MessageTypeIn) -> Response | MessageTypeSavedOut:
    """Sets a type's switch, lead, send time and template, and plans all messages anew; the role operator may.

    Doing it twice changes nothing the second time.
    """
    actor, found = caller(), _type(message_type)
    change = body.as_change(settings.get(actor).templates[found])
    try:
        kept = settings.save_type(actor, found, change, seen=body.revision, now=utc_now())
    except StaleSettings as error:
        return _stale(error, body)
    return MessageTypeSavedOut.of_kept(kept, found)


@api.get("/message-settings")
@api.output(MessageSettingsOut)
@call("Messages")
def read_message_settings() -> MessageSettingsOut:
    """The global switch and the weekend rule."""
    return MessageSettingsOut.of(settings.get(caller()).preferences)


@api.put("/message-settings")
@api.input(MessageSettingsIn, location="json", arg_name="body")
@api.output(MessageSettingsSavedOut)
@call("Messages", *BODY_PROBLEMS, 403, 422, also={409: STALE})
def put_message_settings(body: MessageSettingsIn) -> Response | MessageSettingsSavedOut:
    """Sets the global switch and the weekend rule, and plans all messages anew; the role operator may."""
    try:
        kept = settings.save(caller(), body.as_change(), seen=body.revision, now=utc_now())
    except StaleSettings as error:
        return _stale(error, body)
    return MessageSettingsSavedOut.of_kept(kept)


def _type(name: str) -> MessageType:
    if name not in PLANNED:
        raise NotFound(f"There is no such type of message; there are {', '.join(PLANNED)}.")
    return MessageType(name)


def _stale(error: StaleSettings, body: BaseModel) -> Response:
    sent = body.model_dump(mode="json", exclude_unset=True, exclude={"revision"})
    return problems.answer(StaleSettingsProblem.of(error, sent))
