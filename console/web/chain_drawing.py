"""Where the boxes and lines of a chain's drawing stand, in pixels; its list says the same in words."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from uuid import UUID

from console.core.chain import Link
from console.core.states import Condition
from console.services.chain_views import Chain, Node

WIDTH, HEIGHT = 208, 66
ACROSS, DOWN = 96, 18
EDGE = 6
APART = 20
LANE = 9
TIP = 7
LONGEST_LINE = 22


@dataclass(frozen=True)
class Box:
    """A job; `x` and `y` are its upper left corner, `name` is what fits of it, in one line or two."""

    node: Node
    name: Sequence[str]
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """A link: the curve, the head of its arrow, and where its word ends, which stands there once."""

    condition: Condition
    curve: str
    head: str
    x: int
    y: int
    is_first: bool
    is_cut: bool


@dataclass(frozen=True)
class Drawing:
    """A chain as it is drawn; `width` and `height` are those of the whole, `box` is the size of each box."""

    boxes: Sequence[Box]
    lines: Sequence[Line]
    width: int
    height: int
    box: tuple[int, int] = (WIDTH, HEIGHT)


Boxes = Mapping[UUID, Box]


def draw(chain: Chain) -> Drawing:
    """One column for each step, each as high as its jobs; the columns are centred on each other."""
    columns = _columns(chain)
    tallest = max((len(nodes) for nodes in columns.values()), default=0)
    boxes = {
        node.id: _box(node, place, len(nodes), tallest)
        for nodes in columns.values()
        for place, node in enumerate(nodes)
    }
    lanes = _lanes(chain.links, boxes)
    lines = _lines(chain.links, boxes, lanes)
    width = max((box.x for box in boxes.values()), default=0) + WIDTH + EDGE
    lowest = max((box.y for box in boxes.values()), default=0) + HEIGHT
    return Drawing(list(boxes.values()), lines, width, max(lowest, *lanes.values(), 0) + EDGE)


def _columns(chain: Chain) -> dict[int, list[Node]]:
    """The jobs of each column; those that follow the same stand together, so that few lines cross."""
    columns: dict[int, list[Node]] = defaultdict(list)
    for node in chain.nodes:
        columns[node.column].append(node)
    places: dict[UUID, float] = {}
    for column in sorted(columns):
        columns[column].sort(key=lambda node: _wish(node, chain.links, places))
        places |= {node.id: place - len(columns[column]) / 2 for place, node in enumerate(columns[column])}
    return columns


def _wish(node: Node, links: Sequence[Link], places: Mapping[UUID, float]) -> tuple[bool, float]:
    """In the middle of those before it; what follows failures alone stands lowest."""
    before = [link for link in links if link.to_id == node.id and link.from_id in places]
    is_aside = bool(before) and all(link.condition is Condition.FAILURE for link in before)
    return is_aside, sum(places[link.from_id] for link in before) / (len(before) or 1)


def _is_long(link: Link, boxes: Boxes) -> bool:
    """Whether the link passes over a column."""
    return boxes[link.to_id].node.column - boxes[link.from_id].node.column > 1


def _box(node: Node, place: int, count: int, tallest: int) -> Box:
    top = EDGE + (tallest - count) * (HEIGHT + DOWN) // 2
    x, y = EDGE + node.column * (WIDTH + ACROSS), top + place * (HEIGHT + DOWN)
    return Box(node, _fitted(node.name), x, y)


def _fitted(name: str) -> list[str]:
    """The name in at most two lines; the tooltip and the list have all of it."""
    rows = wrap(name, LONGEST_LINE) or [name]
    if len(rows) > 2:
        rows = [rows[0], f"{rows[1][: LONGEST_LINE - 1].rstrip()}…"]
    return rows


def _lanes(links: Sequence[Link], boxes: Boxes) -> dict[tuple[UUID, Condition], int]:
    """How low the lines run that pass over columns: below all boxes there, those to one job in one lane."""
    lanes: dict[tuple[UUID, Condition], int] = {}
    long = [link for link in links if _is_long(link, boxes)]
    ends = dict.fromkeys((link.to_id, link.condition) for link in long)
    for number, (to_id, condition) in enumerate(ends):
        of = [link for link in long if (link.to_id, link.condition) == (to_id, condition)]
        lanes[to_id, condition] = max(_below(link, boxes) for link in of) + number * LANE
    return lanes


def _below(link: Link, boxes: Boxes) -> int:
    """Where there is room under the columns that a link passes over."""
    first, last = boxes[link.from_id].node.column, boxes[link.to_id].node.column
    passed = [box.y for box in boxes.values() if first < box.node.column < last]
    return max(passed, default=0) + HEIGHT + DOWN - EDGE


def _lines(links: Sequence[Link], boxes: Boxes, lanes: Mapping[tuple[UUID, Condition], int]) -> list[Line]:
    """Links on one condition leave a box together, and come in together."""
    leaving, coming = defaultdict(set), defaultdict(set)
    for link in links:
        leaving[link.from_id].add(link.condition)
        coming[link.to_id].add(link.condition)
    found, seen = [], set()
    for link in sorted(links, key=lambda link: boxes[link.from_id].x):
        end = (link.to_id, link.condition)
        lane = (*end, _is_long(link, boxes))
        aside = _aside(link, leaving[link.from_id]), _aside(link, coming[link.to_id])
        low = lanes.get(end, 0)
        found.append(_line(link, boxes, low, aside, is_first=end not in seen, joins=lane in seen))
        seen |= {end, lane}
    return found


def _aside(link: Link, among: Collection[Condition]) -> int:
    """How far from its box's middle a link leaves or comes in: success above failure."""
    if len(among) < 2:
        return 0
    return APART // 2 if link.condition is Condition.FAILURE else -APART // 2


def _line(link: Link, boxes: Boxes, low: int, aside: tuple[int, int], *, is_first: bool, joins: bool) -> Line:
    """A line that passes over columns runs below all their boxes, so that it crosses none.

    One that joins another in its lane ends there: two rows of dashes one over the other look solid.
    """
    start, end = boxes[link.from_id], boxes[link.to_id]
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2 + aside[0]
    x2, y2 = end.x - TIP, end.y + HEIGHT // 2 + aside[1]
    if not _is_long(link, boxes):
        middle = (x1 + x2) // 2
        curve = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    else:
        bend = ACROSS // 2
        down = f"C{x1 + bend} {y1} {x1 + bend} {low} {x1 + ACROSS} {low}"
        along = f"H{end.x - ACROSS}C{end.x - bend} {low} {x2 - bend} {y2} {x2} {y2}"
        curve = f"M{x1} {y1}{down}{'' if joins else along}"
    is_cut = start.node.is_deleted or end.node.is_deleted
    return Line(link.condition, curve, f"M{end.x} {y2}l-8 -4.5v9z", x2 - 3, y2 - 5, is_first, is_cut)
