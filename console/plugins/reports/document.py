"""A report before it is text or HTML: both are rendered out of the same words, so that they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    """How much a word asks for attention; the word itself says why."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Cell:
    """One cell; `note` stands below its text, `path` is the page behind it."""

    text: str
    note: str = ""
    path: str | None = None
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Tile:
    """One of the few figures at the top."""

    label: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Section:
    """A list under its title; the first cell of a row says what it is about, `empty` stands for no rows."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """One report. `gist` is what subject and table row say; `facts` are periods and their like."""

    title: str
    gist: str
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    notes: Sequence[str] = ()
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"{self.title}: {self.gist}"
