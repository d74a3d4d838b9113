"""Fill `static/vendor/` from pinned packages: the browser gets files that pip has checked."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

TARGET = Path(__file__).parent.parent / "static" / "vendor"
BOOTSTRAP = "static/bootstrap5/css"
ICONS = "static/bootstrap5/icons"
FILES = (
    ("flask_bootstrap", f"{BOOTSTRAP}/bootstrap.min.css", "bootstrap.min.css"),
    ("flask_bootstrap", f"{BOOTSTRAP}/font/bootstrap-icons.min.css", "bootstrap-icons.min.css"),
    ("flask_bootstrap", f"{BOOTSTRAP}/font/fonts/bootstrap-icons.woff2", "fonts/bootstrap-icons.woff2"),
    ("flask_bootstrap", f"{BOOTSTRAP}/font/fonts/bootstrap-icons.woff", "fonts/bootstrap-icons.woff"),
    ("js_lib_htmx", "static/htmx/htmx.min.js", "htmx.min.js"),
)


def fill(target: Path = TARGET) -> list[str]:
    """Copy what is missing or differs; returns the names copied, none the second time.

    Raises ModuleNotFoundError or FileNotFoundError when a package is not what it was when it was pinned.
    """
    return [name for package, source, name in FILES if _copy(_root(package) / source, target / name)]


def _root(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {package} is not installed")
    return Path(spec.submodule_search_locations[0])


def _copy(source: Path, target: Path) -> bool:
    if target.exists() and target.read_bytes() == source.read_bytes():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return True


if __name__ == "__main__":
    for name in fill():
        sys.stdout.write(f"static/vendor/{name}\n")
