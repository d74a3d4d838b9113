"""People of an org can be disabled there, and are called there as the org calls them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("name", sa.String(), nullable=True))
    op.add_column("memberships", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("memberships", sa.Column("disabled_by", sa.String(), nullable=True))


def downgrade() -> None:
    """Who is disabled in an org has no membership of it any more: access is never given back by accident."""
    op.execute("DELETE FROM memberships WHERE disabled_at IS NOT NULL")
    for name in ("disabled_by", "disabled_at", "name"):
        op.drop_column("memberships", name)
