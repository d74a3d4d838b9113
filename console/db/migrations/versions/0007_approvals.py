"""Requests for a second person."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None


def columns() -> list[sa.Column[Any]]:
    """New ones each time, for a column belongs to one table."""
    return [
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("trigger", sa.String(), server_default=sa.text("'manual'"), nullable=False),
        sa.Column("override", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.Column("sequence_id", sa.Uuid(), nullable=True),
        sa.Column("after_run_id", sa.Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("requester", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("requester_kind", sa.String(), server_default=sa.text("'person'"), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=True),
        sa.Column("requester_email", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("shown", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("decider", sa.String(), nullable=True),
    ]


PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    for column in columns():
        op.add_column("approvals", column)
    op.create_index(
        "ix_approvals_pending", "approvals", ["org_id", "expires_at", "id"], postgresql_where=PENDING
    )
    op.create_index("ix_approvals_job", "approvals", ["job_id", "state"])
    op.create_table(
        "approval_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("fk_approval_keys_org_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name=op.f("fk_approval_keys_approval_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "key", name=op.f("pk_approval_keys")),
    )
    op.create_index(op.f("ix_approval_keys_approval_id"), "approval_keys", ["approval_id"])


def downgrade() -> None:
    op.drop_table("approval_keys")
    op.drop_index("ix_approvals_job", table_name="approvals")
    op.drop_index("ix_approvals_pending", table_name="approvals", postgresql_where=PENDING)
    for column in columns():
        op.drop_column("approvals", column.name)
