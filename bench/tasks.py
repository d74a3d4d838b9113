"""What the figures execute: nothing, so that what is measured is the product."""

from console import Run, task


@task(title="Nothing")
def nothing(run: Run) -> None:
    """Does nothing."""


def stock_nothing() -> None:
    """The same for a stock worker."""
