"""Where the boxes and lines of a chain's drawing stand, in pixels; its list says the same in words."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from console.core.chain import Link
from console.core.states import Condition
from console.services.chain_views import Chain, Node

WIDTH, HEIGHT = 190, 52
ACROSS, DOWN = 96, 18
EDGE = 6
APART = 18
TIP = 7
LONGEST_NAME = 24


@dataclass(frozen=True)
class Box:
    """A job; `x` and `y` are its upper left corner."""

    node: Node
    name: str
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """A link: the curve, the head of its arrow, and where its word ends."""

    condition: Condition
    curve: str
    head: str
    x: int
    y: int


@dataclass(frozen=True)
class Drawing:
    """A chain as it is drawn; `width` and `height` are those of the whole, `box` is the size of each box."""

    boxes: Sequence[Box]
    lines: Sequence[Line]
    width: int
    height: int
    box: tuple[int, int] = (WIDTH, HEIGHT)


def draw(chain: Chain) -> Drawing:
    """One column for each step, each as high as its jobs; the columns are centred on each other."""
    columns: dict[int, list[Node]] = defaultdict(list)
    for node in chain.nodes:
        columns[node.column].append(node)
    tallest = max((len(nodes) for nodes in columns.values()), default=0)
    boxes = {
        node.id: _box(node, place, len(nodes), tallest)
        for nodes in columns.values()
        for place, node in enumerate(nodes)
    }
    lines = _lines(chain.links, boxes)
    width = max((box.x for box in boxes.values()), default=0) + WIDTH + EDGE
    lowest = max((box.y for box in boxes.values()), default=0) + HEIGHT
    passing = max((_below(link, boxes) for link in chain.links if _is_long(link, boxes)), default=0)
    return Drawing(list(boxes.values()), lines, width, max(lowest, passing) + EDGE)


def _is_long(link: Link, boxes: Mapping[UUID, Box]) -> bool:
    """Whether the link passes over a column."""
    return boxes[link.to_id].node.column - boxes[link.from_id].node.column > 1


def _box(node: Node, place: int, count: int, tallest: int) -> Box:
    top = EDGE + (tallest - count) * (HEIGHT + DOWN) // 2
    name = node.name if len(node.name) <= LONGEST_NAME else f"{node.name[: LONGEST_NAME - 1].rstrip()}…"
    return Box(node, name, EDGE + node.column * (WIDTH + ACROSS), top + place * (HEIGHT + DOWN))


def _below(link: Link, boxes: Mapping[UUID, Box]) -> int:
    """Where there is room under the columns that a link passes over."""
    first, last = boxes[link.from_id].node.column, boxes[link.to_id].node.column
    passed = [box.y for box in boxes.values() if first < box.node.column < last]
    return max(passed, default=0) + HEIGHT + DOWN - EDGE


def _lines(links: Sequence[Link], boxes: Mapping[UUID, Box]) -> list[Line]:
    """Links that leave a box, or come in, stand apart in the order of their other ends, long ones lowest."""
    leaving, coming = defaultdict(list), defaultdict(list)
    for link in sorted(links, key=lambda link: _order(link, link.to_id, boxes)):
        leaving[link.from_id].append(link)
    for link in sorted(links, key=lambda link: _order(link, link.from_id, boxes)):
        coming[link.to_id].append(link)
    return [
        _line(link, boxes, _aside(link, leaving[link.from_id]), _aside(link, coming[link.to_id]))
        for link in links
    ]


def _order(link: Link, other_id: UUID, boxes: Mapping[UUID, Box]) -> tuple[bool, int, bool]:
    return _is_long(link, boxes), boxes[other_id].y, link.condition is Condition.FAILURE


def _aside(link: Link, among: Sequence[Link]) -> int:
    """How far from the middle of its box a link leaves or comes in, when there are so many."""
    apart = min(APART, (HEIGHT - 12) / len(among))
    return round((among.index(link) - (len(among) - 1) / 2) * apart)


def _line(link: Link, boxes: Mapping[UUID, Box], leaves: int, comes: int) -> Line:
    """A line that passes over columns runs below all their boxes, so that it crosses none."""
    start, end = boxes[link.from_id], boxes[link.to_id]
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2 + leaves
    x2, y2 = end.x - TIP, end.y + HEIGHT // 2 + comes
    if not _is_long(link, boxes):
        middle = (x1 + x2) // 2
        curve = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    else:
        low, bend = _below(link, boxes), ACROSS // 2
        down = f"C{x1 + bend} {y1} {x1 + bend} {low} {x1 + ACROSS} {low}"
        curve = f"M{x1} {y1}{down}H{end.x - ACROSS}C{end.x - bend} {low} {x2 - bend} {y2} {x2} {y2}"
    return Line(link.condition, curve, f"M{end.x} {y2}l-8 -4.5v9z", x2 - 3, y2 - 5)
