"""Which job runs after which."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "job_links",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("from_job_id", sa.Uuid(), nullable=False),
        sa.Column("to_job_id", sa.Uuid(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.CheckConstraint("condition IN ('success', 'failure')", name=op.f("ck_job_links_condition")),
        sa.CheckConstraint("from_job_id <> to_job_id", name=op.f("ck_job_links_no_circle")),
        sa.ForeignKeyConstraint(
            ["from_job_id"], ["jobs.id"], name=op.f("fk_job_links_from_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("fk_job_links_org_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["to_job_id"], ["jobs.id"], name=op.f("fk_job_links_to_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_links")),
        sa.UniqueConstraint(
            "from_job_id", "condition", "to_job_id", name=op.f("uq_job_links_from_job_id_condition_to_job_id")
        ),
    )
    op.create_index("ix_job_links_to", "job_links", ["to_job_id"])


def downgrade() -> None:
    """What follows what is forgotten; the runs that followed stay."""
    op.drop_table("job_links")
