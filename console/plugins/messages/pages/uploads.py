"""What the pages that import a file share: the file as it is given, the reason, and a field in words."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request

from console.core import delimited
from console.core.texts import storable
from console.plugins.messages.event_rows import LARGEST, BadFile, Fault

ROOM = 2 * LARGEST
"""What a form may hold: a field of text is counted as it is sent, with two bytes for each line's end."""
LONGEST_REASON = 500


@dataclass(frozen=True)
class FieldInWords:
    """One field of a row; `before` is None for what does not exist yet, and where there was nothing."""

    label: str
    before: str | None
    after: str


def let_files_through(pages: Blueprint) -> None:
    """A file that was looked at comes back as a field, which may be larger than fields usually are."""

    @pages.url_value_preprocessor
    def _make_room(endpoint: str | None, values: dict[str, Any] | None) -> None:
        request.max_form_memory_size = ROOM


def given() -> str:
    """The chosen file, or what was pasted; raises `BadFile`."""
    file = request.files.get("file")
    if file and file.filename:
        try:
            return delimited.decoded(file.stream.read())
        except delimited.Unreadable as error:
            raise BadFile([Fault(error.line or 0, "", str(error))]) from None
    text = request.form.get("text", "")
    if not text.strip():
        raise BadFile([Fault(0, "", "choose a file, or paste one below")])
    return text


def reason() -> str | None:
    """Why it is imported, as history and audit keep it."""
    return storable(request.form.get("reason", "").strip(), LONGEST_REASON) or None
