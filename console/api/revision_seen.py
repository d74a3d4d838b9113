"""Which revision a caller saw: `revision` of the body, or `If-Match`; answers say theirs by `ETag`."""

import re

from console.api.schemas.schedules import LARGEST_REVISION
from console.core.errors import Invalid

# A proxy that compresses an answer makes its tag a weak one; it still names the revision.
TAG = re.compile(r'(?:(?:W/)?"(\d{1,10})"|(\d{1,10}))', re.ASCII)


def tag(revision: int) -> dict[str, str]:
    """The header that says which revision an answer shows."""
    return {"ETag": f'"{revision}"'}


def seen(revision: int | None, if_match: str | None) -> int | None:
    """The revision that the caller saw; None when they don't say, or match any.

    Raises `Invalid` that names `If-Match` when it can't be read, and `revision` when both say different ones.
    """
    matched = _read(if_match)
    if revision is not None and matched is not None and revision != matched:
        text = f"is {revision}, but If-Match says {matched}"
        raise Invalid(f"revision: {text}. Nothing was changed.", fields={"revision": [text]})
    return matched if revision is None else revision


def _read(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = TAG.fullmatch(if_match.strip())
    number = int(found[1] or found[2]) if found else 0
    if not 1 <= number <= LARGEST_REVISION:
        text = 'must be the ETag of one revision, such as "12"'
        raise Invalid(f"If-Match: {text}. Nothing was changed.", fields={"If-Match": [text]})
    return number
