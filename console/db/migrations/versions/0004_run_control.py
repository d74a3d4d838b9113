"""Runs with a cause, in sequences, at a later time and with two names; jobs that need a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

IDS = ("cause_id", "after_run_id", "sequence_id", "approval_id")
INDEXES = {
    "cause": ("cause_id", "cause_id IS NOT NULL"),
    "after": ("after_run_id", "after_run_id IS NOT NULL"),
    "sequence": ("sequence_id", "sequence_id IS NOT NULL"),
}
ASKED = "trigger <> 'schedule' AND trigger <> 'tick'"
CHAINED = "cause_id IS NOT NULL AND trigger = 'chain'"
FORMER = "'jitter', 'buffer_one', 'cancel_other', 'pause'"
HOLDS = "held_by IS NULL OR held_by IN ({}) AND state = 'queued'"


def upgrade() -> None:
    for name in IDS:
        op.add_column("runs", sa.Column(name, sa.Uuid(), nullable=True))
    op.add_column("runs", sa.Column("approved_by", sa.String(), nullable=True))
    for name, (column, condition) in INDEXES.items():
        op.create_index(f"ix_runs_{name}", "runs", [column], postgresql_where=sa.text(condition))
    op.create_index(
        "uq_runs_chain", "runs", ["cause_id", "job_id"], unique=True, postgresql_where=sa.text(CHAINED)
    )
    op.create_index(
        "ix_runs_dry", "runs", ["org_id", "requested_at", "id"], postgresql_where=sa.text("dry_run")
    )
    op.create_index(
        "ix_runs_asked",
        "runs",
        ["org_id", "trigger", "requested_at", "id"],
        postgresql_where=sa.text(ASKED),
    )
    _hold(f"{FORMER}, 'later', 'sequence'")
    op.add_column(
        "jobs", sa.Column("needs_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )


def _hold(values: str) -> None:
    op.drop_constraint(op.f("ck_runs_held_by"), "runs", type_="check")
    op.create_check_constraint(op.f("ck_runs_held_by"), "runs", HOLDS.format(values))


def downgrade() -> None:
    """What a person asked for at a later time, or in a sequence, starts at once."""
    op.drop_column("jobs", "needs_approval")
    op.execute("UPDATE runs SET held_by = NULL WHERE held_by IN ('later', 'sequence')")
    _hold(FORMER)
    op.drop_index("ix_runs_asked", table_name="runs", postgresql_where=sa.text(ASKED))
    op.drop_index("ix_runs_dry", table_name="runs", postgresql_where=sa.text("dry_run"))
    op.drop_index("uq_runs_chain", table_name="runs", postgresql_where=sa.text(CHAINED))
    for name, (_, condition) in INDEXES.items():
        op.drop_index(f"ix_runs_{name}", table_name="runs", postgresql_where=sa.text(condition))
    for name in ("approved_by", *IDS):
        op.drop_column("runs", name)
