"""What a page's address asks for, checked; the page's links are made of the same thing."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Self

from console.web.parameters import check_names

PAGE = 50
RUNS_OF_JOB = 20


class Query:
    """The base of each page's query: its fields are the parameters of the address."""

    def but(self, **changes: Any) -> Self:
        """The same query with other values; a changed filter begins at the first page."""
        return replace(self, **{"cursor": None, **changes})  # type: ignore[type-var]

    @property
    def params(self) -> dict[str, str]:
        """What stands in the address."""
        given = asdict(self).items()  # type: ignore[call-overload]
        return {name.rstrip("_"): "1" if value is True else str(value) for name, value in given if value}

    @classmethod
    def _check_names(cls, args: Mapping[str, str], also: tuple[str, ...]) -> None:
        names = [item.name.rstrip("_") for item in fields(cls)]  # type: ignore[arg-type]
        check_names(args, *names, *also)

    @property
    def is_filtered(self) -> bool:
        return any(name != "cursor" for name in self.params)
