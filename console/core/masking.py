"""Secrets are masked wherever words of others are kept: by the name of a value, and inside texts."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MASK = "***"
SHORTEST_PART = 5
SECRET_NAME = re.compile(
    r"authorization|password|passwd|token|secret|cookie|api[_-]?key|private[_-]?key|credential", re.IGNORECASE
)
# Each begins with letters of its own and has an end to how far it looks, so that a long text takes no longer
# for each of its characters than a short one: nobody who writes one may make a process stand still.
SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)(\s{1,20})[\w.~+/=-]+"), rf"\1\2{MASK}"),
    (re.compile(r"(://[^\s:/@]{0,200}:)[^\s@]{1,500}@"), rf"\1{MASK}@"),
    (
        re.compile(
            r"(?i)(password|passwd|token|secret|cookie|api[_-]?key|private[_-]?key)"
            r"""(["']?\s{0,20}[=:]\s{0,20})(?:"[^"\n]{1,500}"|'[^'\n]{1,500}'|["']?[^\s,;&"']+)"""
        ),
        rf"\1\2{MASK}",
    ),
)


def masked(name: str, value: Any) -> Any:
    """The value, or the mask when it is called like a secret; within lists and mappings at any depth."""
    if SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked("", item) for item in value]
    return masked_text(value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """The text without credentials: bearer tokens, passwords in URLs, and `password=…`."""
    for pattern, replacement in SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def without_parts(text: str, address: str) -> str:
    """The text without any part of the address that may be a secret, as it is written or decoded."""
    parts = {part for part in re.split(r"[/@:?&=#;,\s]+", address) if len(part) >= SHORTEST_PART}
    parts |= {whole for part in parts if len(whole := unquote(part)) >= SHORTEST_PART}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "…")
    return text
