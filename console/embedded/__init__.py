"""Postgres and Valkey out of their wheels: real servers that live exactly as long as their starter.

Both listen on Unix sockets in directories of mode 0700 and nowhere else. Start them from the main
thread: the kernel ends them when the thread that started them ends.
"""

from console.embedded.cluster import postgres_program
from console.embedded.places import EmbeddedError
from console.embedded.postgres import start_postgres
from console.embedded.servers import Server
from console.embedded.valkey import start_valkey

__all__ = ["EmbeddedError", "Server", "postgres_program", "start_postgres", "start_valkey"]
