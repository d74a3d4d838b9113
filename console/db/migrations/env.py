"""What Alembic runs: the app's own engine and metadata."""

from alembic import context

from console.db import tables  # noqa: F401  (fills the metadata)
from console.db.session import db


def run() -> None:
    """Migrates over one connection, all in one transaction."""
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()


run()
