"""How each field of a file's entry is read, and what is wrong with what stands there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from console.core.schedule import FIELDS as TYPES
from console.core.states import Condition
from console.core.strict_yaml import Node
from console.services import job_names
from console.services.chains import FIELDS as SIDES
from console.services.chains import MOST_LINKS

LONGEST = {"task": 300, "subject": 500, "recipient": 320}


@dataclass(frozen=True)
class Part:
    """What is wrong in a field; `name` is that of the part of it, such as `args.days`, if it has parts."""

    text: str
    name: str = ""
    line: int | None = None


class Wrong(Exception):
    """A value is not what its field holds."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        super().__init__()


def unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"is no known field{f'; did you mean {near[0]}?' if near else ''}"


def _text(node: Node) -> str:
    if node.value is None:
        raise Wrong(Part("is empty; give it a value, or leave it out"))
    if node.doubt or not isinstance(node.value, str):
        raise Wrong(Part(node.doubt or "must be text; put it in quotes"))
    return node.value


def _text_of(name: str) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        text = _text(node)
        if not text.strip() or len(text) > LONGEST[name]:
            raise Wrong(Part(f"must have 1 to {LONGEST[name]} characters"))
        return text

    return read


def _or_none(read: Callable[[Node], Any]) -> Callable[[Node], Any]:
    return lambda node: None if node.value is None else read(node)


def _key(node: Node) -> str:
    """In the spelling of jobs; whether a new job may be called so is seen when it is made."""
    return job_names.spelled(_text(node))


def _switch(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise Wrong(Part("must be true or false"))
    return node.value


def _seconds(node: Node) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int):
        raise Wrong(Part("must be a whole number of seconds, or null for none"))
    return node.value


def _args(node: Node) -> dict[str, Any]:
    if not isinstance(node.value, dict):
        raise Wrong(Part("must be a mapping, such as {days: 30}"))
    wrong = list(_doubts(node, "args"))
    if wrong:
        raise Wrong(*wrong)
    return dict(_plain(node))


def _doubts(node: Node, place: str) -> Iterator[Part]:
    """The words in a value that could be two things."""
    if node.doubt:
        yield Part(node.doubt, place, node.line)
    if isinstance(node.value, list):
        for number, item in enumerate(node.value):
            yield from _doubts(item, f"{place}[{number}]")
    if isinstance(node.value, dict):
        for name, item in node.value.items():
            yield from _doubts(item, f"{place}.{name}")


def _plain(node: Node) -> Any:
    """The value as JSON holds it."""
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {name: _plain(item) for name, item in node.value.items()}
    return node.value


def _schedule(node: Node) -> dict[str, Any]:
    """The shape, with the fields of its type alone; what they may hold is the services' to judge."""
    if not isinstance(node.value, dict):
        raise Wrong(Part("must be a mapping, such as {type: daily, hour: 9, minute: 15}"))
    found = node.value.get("type")
    type_ = found.value if found else None
    if not isinstance(type_, str) or type_ not in TYPES:
        raise Wrong(Part(f"must be one of {', '.join(TYPES)}", "type", found.line if found else None))
    known = ("type", *TYPES[type_])
    wrong = [
        Part(_misplaced(type_, name, known), name, item.line)
        for name, item in node.value.items()
        if name not in known
    ]
    if wrong:
        raise Wrong(*wrong)
    # Doubtful words such as 9:15 and dates stay texts, which only a moment may be.
    return {name: _plain(item) for name, item in node.value.items()}


def _misplaced(type_: str, name: str, known: Sequence[str]) -> str:
    is_anothers = any(name in fields for fields in TYPES.values())
    return f"is not for the type {type_}" if is_anothers else unknown(name, known)


@dataclass(frozen=True)
class Follower:
    """A job that is to follow; `place` is such as `then.on_success[0]`."""

    key: str
    place: str
    line: int


def _then(node: Node) -> dict[Condition, list[Follower]]:
    """All that is to follow, by how the run before it ends."""
    if not isinstance(node.value, dict):
        raise Wrong(Part("must be a mapping, such as {on_success: [send_report]}; {} for nothing"))
    known = {field: condition for condition, field in SIDES.items()}
    wrong: list[Part] = []
    found: dict[Condition, list[Follower]] = {}
    for name, side in node.value.items():
        try:
            if name not in known:
                raise Wrong(Part(unknown(name, known), f"then.{name}", side.line))
            found[known[name]] = _followers(side, f"then.{name}")
        except Wrong as error:
            wrong += error.parts
    if wrong:
        raise Wrong(*wrong)
    return found


def _followers(node: Node, place: str) -> list[Follower]:
    if not isinstance(node.value, list):
        raise Wrong(Part("must be a list of keys, such as [send_report]", place, node.line))
    if len(node.value) > MOST_LINKS:
        raise Wrong(Part(f"at most {MOST_LINKS} jobs may follow one", place, node.line))
    wrong: list[Part] = []
    found: dict[str, Follower] = {}
    for number, item in enumerate(node.value):
        at = f"{place}[{number}]"
        try:
            key = _key(item)
        except Wrong as error:
            wrong += [Part(part.text, at, item.line) for part in error.parts]
            continue
        if key in found:
            wrong.append(Part(f"{key} stands in this list already", at, item.line))
        found.setdefault(key, Follower(key, at, item.line))
    if wrong:
        raise Wrong(*wrong)
    return list(found.values())


FIELDS: dict[str, Callable[[Node], Any]] = {
    "key": _key,
    "name": _text,
    "task": _text_of("task"),
    "args": _args,
    "schedule": _schedule,
    "timezone": _text,
    "enabled": _switch,
    "overlap": _text,
    "catch_up": _text,
    "catch_up_window_seconds": _or_none(_seconds),
    "jitter_seconds": _or_none(_seconds),
    "then": _then,
    "subject": _text_of("subject"),
    "recipient": _or_none(_text_of("recipient")),
}
