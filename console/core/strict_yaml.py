"""YAML that means the same to every reader: no aliases, no tags, no word that could be two things."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

DEEPEST = 50
LONGEST_NUMBER = 4300  # what Python reads
MOST_MISTAKES = 100
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Mistake:
    """Where a text can't be read, and why; lines and columns count from 1."""

    line: int
    column: int
    text: str


class Unreadable(ValueError):
    """The text is no YAML that is read here; `mistakes` are all that were found."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(f"line {m.line}, column {m.column}: {m.text}" for m in mistakes))


@dataclass(frozen=True)
class Node:
    """A value and where it stands; lists and mappings hold nodes.

    `doubt` says why a word in plain letters can't be taken as it is; `value` is its text then.
    """

    value: "bool | int | float | str | list[Node] | dict[str, Node] | None"
    line: int
    doubt: str | None = None


def parse(text: str) -> Node:
    """The only document of a text; raises `Unreadable` with every mistake that can be told apart.

    Time and memory grow with the length of the text alone: without aliases nothing is repeated, and the
    depth is bounded, for libyaml takes minutes over 200,000 open brackets.
    """
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        raise Unreadable([_at(error.problem_mark, _problem(error))]) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        sign = ord(error.character) if isinstance(error.character, str) else error.character
        raise Unreadable([Mistake(line, column, f"holds U+{sign:04X}, which no text has")]) from error
    except UnicodeEncodeError as error:
        raise Unreadable([Mistake(1, 1, "holds half a character")]) from error


def _problem(error: yaml.MarkedYAMLError) -> str:
    """The parser's words, with the line in which what it could not finish begins."""
    if not error.context or error.context_mark is None:
        return str(error.problem)
    return f"{error.problem} {error.context} that begins in line {error.context_mark.line + 1}"


def _at(mark: Any, text: str) -> Mistake:
    return Mistake(mark.line + 1, mark.column + 1, text) if mark else Mistake(1, 1, text)


class _Reader:
    """Builds nodes out of the parser's events, one after the other."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
        self._mistakes: list[Mistake] = []

    def document(self) -> Node:
        next(self._events)
        begin = next(self._events)
        if isinstance(begin, yaml.StreamEndEvent):
            raise Unreadable([Mistake(1, 1, "the file is empty")])
        node = self._node(next(self._events), 0)
        next(self._events)
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            self._complain(following, "a second document begins here; a file has one")
        if self._mistakes:
            raise Unreadable(self._mistakes)
        return node

    def _complain(self, event: Any, text: str) -> None:
        self._mistakes.append(_at(event.start_mark, text))
        if len(self._mistakes) == MOST_MISTAKES:
            raise Unreadable(self._mistakes)

    def _node(self, event: Any, depth: int) -> Node:
        if depth > DEEPEST:
            self._complain(event, f"is nested more than {DEEPEST} levels deep")
            raise Unreadable(self._mistakes)
        self._refuse_extras(event)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.SequenceStartEvent):
            return Node([self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)], line)
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self._mapping(depth), line)
        return self._scalar(event, line) if isinstance(event, yaml.ScalarEvent) else Node(None, line)

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _refuse_extras(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, "aliases such as *name are not read; write the value out")
        elif event.anchor is not None:
            self._complain(event, "anchors such as &name are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            self._complain(event, "tags such as !!str are not read; quotes make a text")

    def _mapping(self, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for event in self._until(yaml.MappingEndEvent):
            name = self._name(event, depth)
            if name in found:
                self._complain(event, f"{name} stands twice here; first in line {found[name].line}")
            found[name] = self._node(next(self._events), depth + 1)
        return found

    def _name(self, event: Any, depth: int) -> str:
        """A name is taken letter for letter, whatever it would mean as a value."""
        node = self._node(event, depth + 1)
        if not isinstance(event, yaml.ScalarEvent):
            self._complain(event, "a name must be one word or text")
            return ""
        if node.doubt == UNSTORABLE:
            self._complain(event, UNSTORABLE)
        return str(event.value)

    def _scalar(self, event: Any, line: int) -> Node:
        text: str = event.value
        if "\0" in text or SURROGATE.search(text):
            return Node(text, line, UNSTORABLE)
        if event.style:
            return Node(text, line)
        return _plain(text, line)


UNSTORABLE = "holds what can't be stored: NUL or half a character"
SURROGATE = re.compile("[\ud800-\udfff]")
WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
BROKEN = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
# What YAML 1.2 takes for a number; 1.1's words are taken from PyYAML's own table.
NUMBER = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
MEANINGS = {
    "bool": "yes or no",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a merge",
}


def _plain(text: str, line: int) -> Node:
    """What a word without quotes means, if YAML 1.1 and 1.2 agree about it."""
    if text in WORDS:
        return Node(WORDS[text], line)
    if len(text) <= LONGEST_NUMBER:
        if WHOLE.fullmatch(text):
            return Node(int(text), line)
        if BROKEN.fullmatch(text) and math.isfinite(float(text)):
            return Node(float(text), line)
    meaning = _other_meaning(text)
    if meaning is None:
        return Node(text, line)
    advice = "write true or false, or put" if meaning == MEANINGS["bool"] else "put"
    return Node(text, line, f"{text[:50]} can be read as {meaning}: {advice} it in quotes to make it a text")


def _other_meaning(text: str) -> str | None:
    """What some reader takes a text for that stands without quotes; None for a text to everyone."""
    if NUMBER.fullmatch(text):
        return MEANINGS["int"]
    table = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in table.get(text[:1], []):
        if pattern.match(text):
            return MEANINGS.get(tag.rsplit(":", 1)[-1], "something else")
    return None


class _Dumper(DUMPER):  # type: ignore[misc]
    """PyYAML's, which also puts in quotes what only YAML 1.2 takes for a number, and y and n."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{NUMBER.pattern})$"), list("-+.0123456789")
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:y|Y|n|N)$"), list("yYnN"))


class Inline(dict[str, Any]):
    """A mapping that is written on one line."""


def _inline(dumper: Any, value: Inline) -> Any:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


def _text(dumper: Any, value: str) -> Any:
    """Line breaks and the like as escapes, so that no reader takes them for its own."""
    style = None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(Inline, _inline)
_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda self, data: True  # what stands twice is written twice


def dump(value: object) -> str:
    """The YAML of a value that JSON can hold, in its order; `parse` reads the same value out of it."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
