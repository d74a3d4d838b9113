"""Where the servers keep data and sockets, and as which user Postgres does so."""

import hashlib
import os
import pwd
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

NAME = "callboard"
SHARED = Path("/var/lib/callboard")
LONGEST_SOCKET_PATH = 107


class EmbeddedError(Exception):
    """An embedded server can't be started; the text is one line that says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The user under whom Postgres runs; it refuses root."""

    uid: int
    gid: int

    @property
    def other(self) -> bool:
        return self.uid != os.geteuid()


def account_of_postgres() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "Postgres refuses to run as root and there is no user nobody: "
            "start as an ordinary user, or set DATABASE_URL"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def place_of(home: Path, account: Account) -> Path:
    """Where data and socket lie: the home, or a directory of its own where the home is closed to others.

    The choice is remembered in the home, so that a fresh home means a fresh database.
    """
    home.mkdir(parents=True, exist_ok=True)
    memory = home / "database_place"
    if memory.exists():
        return shared(memory.read_text().strip())
    if not account.other or open_to_others(home):
        return home
    name = f"data-{secrets.token_hex(8)}"
    memory.write_text(f"{name}\n")
    return shared(name, make=True)


def shared(name: str, make: bool = False) -> Path:
    try:
        for path in (SHARED, SHARED / name) if make else (SHARED,):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(
            f"Postgres needs {SHARED}, which can't be made ({error.strerror}): set DATABASE_URL"
        ) from None
    return SHARED / name


def open_to_others(path: Path) -> bool:
    """Whether a user without rights of its own may go to `path` and enter or execute it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def private_directory(wished: Path, longest_name: str, account: Account) -> Path:
    """A directory that only `account` can enter and whose sockets have a path short enough for Linux."""
    path = wished
    if len(os.fsencode(wished)) + 1 + len(longest_name) > LONGEST_SOCKET_PATH:
        mark = hashlib.sha256(os.fsencode(wished)).hexdigest()[:12]
        path = Path(tempfile.gettempdir()) / f"{NAME}-{account.uid}-{mark}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedError(f"{path} belongs to another user: remove it, or choose another CONSOLE_HOME")
    os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
    return path
