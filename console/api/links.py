"""The paths of pages, for programs that pass them on to people."""

from flask import current_app

from console.core.explaining import Link


def path_of(link: Link | None) -> str | None:
    """The page's path, needing no request; None without such a page here."""
    if link is None or link.endpoint not in current_app.view_functions:
        return None
    values = dict(link.values)
    anchor = values.pop("_anchor", None)
    path = current_app.url_map.bind("").build(link.endpoint, values)
    return f"{path}#{anchor}" if anchor else path
