"""Requests by the run that they would follow."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_index(
        "ix_approvals_cause", "approvals", ["cause_id"], postgresql_where=sa.text("cause_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_approvals_cause", table_name="approvals")
