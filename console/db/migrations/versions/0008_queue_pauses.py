"""Queues that are paused for an org."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "queue_pauses",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("fk_queue_pauses_org_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "queue", name=op.f("pk_queue_pauses")),
    )


def downgrade() -> None:
    """What waited for a queue to be resumed starts at once."""
    op.drop_table("queue_pauses")
