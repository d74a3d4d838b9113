"""Jitter, runs that are held, stop requests, and what policies decide."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

TEXTS = ("held_by", "stop_code", "stop_text", "decision_code", "decision")
INSTANTS = ("start_after", "stop_requested_at")
HOLDS = "held_by IS NULL OR held_by IN ('jitter', 'buffer_one', 'cancel_other', 'pause') AND state = 'queued'"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("jitter_seconds", sa.Integer(), nullable=True))
    for name in TEXTS:
        op.add_column("runs", sa.Column(name, sa.String(), nullable=True))
    for name in INSTANTS:
        op.add_column("runs", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_runs_held_by"), "runs", HOLDS)
    op.create_index(
        "ix_runs_held",
        "runs",
        ["held_by", "start_after"],
        unique=False,
        postgresql_where=sa.text("held_by IS NOT NULL"),
    )


def downgrade() -> None:
    """Runs that are held are released; policies of later versions become the one that skips."""
    op.execute("UPDATE jobs SET overlap = 'skip' WHERE overlap NOT IN ('skip', 'allow_all')")
    op.drop_index("ix_runs_held", table_name="runs", postgresql_where=sa.text("held_by IS NOT NULL"))
    op.drop_constraint(op.f("ck_runs_held_by"), "runs", type_="check")
    for name in (*TEXTS, *INSTANTS):
        op.drop_column("runs", name)
    op.drop_column("jobs", "jitter_seconds")
