"""The message desk: events, and the message jobs that belong to them."""

from flask import Flask

from console.core.reasons import Reason
from console.core.registry import NavItem, SubjectPages, Subjects, registry


def prepare() -> None:
    """Imports the tables, and the calls that they hang on the API; each further file of calls goes here."""
    from console.plugins.messages import models  # noqa: F401
    from console.plugins.messages.calls import events, message_files, settings  # noqa: F401


def register(app: Flask) -> None:
    """Adds the pages and their navigation; each further page goes here."""
    from console.plugins.messages import restoring, subjects
    from console.plugins.messages.pages import (
        event_forms,
        event_imports,
        message_imports,
        settings,
        templates,
        wizard,
    )

    registry.add_subjects(Subjects(subjects.offered, subjects.named))
    registry.restoring = restoring.following
    registry.subject_pages = SubjectPages("event", "events.show", "events.edit", "event_id")
    registry.add_nav(NavItem("Events", "events.index", 10, ("events", "event_imports")))
    switches = (Reason.DISABLED_GLOBAL, Reason.DISABLED_TYPE, Reason.WEEKEND)
    registry.add_mends("message_settings.show", switches)
    places = ("message_settings", "message_imports", "templates", "wizard")
    registry.add_nav(NavItem("Messages", "message_settings.show", 20, places))
    for page in (event_forms, event_imports, message_imports, settings, templates, wizard):
        app.register_blueprint(page.bp)
