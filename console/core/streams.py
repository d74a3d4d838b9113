"""Long answers, made piece by piece."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager


def within(context: Callable[[], AbstractContextManager[object]], pieces: Iterator[str]) -> Iterator[str]:
    """The same pieces, each made inside a context of its own: between two of them nothing is held open."""
    while True:
        with context():
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece
