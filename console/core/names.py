"""One thing, however it is spelled: `process-x`, `process_x` and `package.tasks.process_x`."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def key_of(name: str) -> str:
    """The key of a task or job name: its last dotted part, lower case, `_` for `-` and spaces."""
    return name.rsplit(".", 1)[-1].strip().replace("-", "_").replace(" ", "_").lower()


def title_of(key: str) -> str:
    """A readable title for a key: `cleanup_old_runs` reads `Cleanup old runs`."""
    return key.replace("_", " ").strip().capitalize()


def find(name: str, known: Mapping[str, str]) -> str | None:
    """The path that `name` means; `known` maps each path to its key. None when none or several match."""
    wanted = name.strip()
    if wanted in known:
        return wanted
    dotted = wanted.replace("-", "_")
    if dotted in known:
        return dotted
    if "." in wanted:
        return None
    matches = [path for path, key in known.items() if key == key_of(wanted)]
    return matches[0] if len(matches) == 1 else None


def suggest(name: str, keys: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` known keys that resemble `name`, nearest first."""
    return get_close_matches(key_of(name), sorted(set(keys)), n=count, cutoff=0.45)
