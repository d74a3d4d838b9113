"""Messages: what a job is about, how it was closed, deletions that can be undone, events and templates."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

NEAREST = ("sort_at", "name", "id")
ALIVE = "deleted_at IS NULL"
CHOSEN_BY = ("status", "status_reason", "kind", "category")
SETTLED = "message_type = 'INIT' AND status = 'skipped' AND status_reason = 'HAS_LOAD_IN_TIME'"
RESOLVED: dict[str, sa.types.TypeEngine[Any]] = {
    "resolved_at": sa.DateTime(timezone=True),
    "resolved_by": sa.String(),
    "resolved_note": sa.String(),
}


def upgrade() -> None:
    _widen_jobs()
    for name, kind in RESOLVED.items():
        op.add_column("runs", sa.Column(name, kind, nullable=True))
    _deletions()
    _events()
    _message_settings()
    _message_templates()
    _message_plans()


def _widen_jobs() -> None:
    op.add_column("jobs", sa.Column("message_type", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("subject_id", sa.Uuid(), nullable=True))
    op.add_column("jobs", sa.Column("closed_by", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("deletion_id", sa.Uuid(), nullable=True))
    for name, column, more in (("message_type", "message_type", CHOSEN_BY), ("subject", "subject_id", ())):
        op.create_index(
            f"ix_jobs_{name}",
            "jobs",
            ["org_id", column, *NEAREST],
            postgresql_include=more,
            postgresql_where=sa.text(f"{ALIVE} AND {column} IS NOT NULL"),
        )
    for name, condition, more in (("tasks", "message_type IS NULL", CHOSEN_BY), ("settled", SETTLED, ())):
        op.create_index(
            f"ix_jobs_{name}",
            "jobs",
            ["org_id", *NEAREST],
            postgresql_include=more,
            postgresql_where=sa.text(f"{ALIVE} AND {condition}"),
        )
    # For duplicates: a message that went out counts also when its job was deleted.
    op.create_index(
        "ix_jobs_subject_deleted",
        "jobs",
        ["org_id", "subject_id"],
        postgresql_where=sa.text("deleted_at IS NOT NULL AND subject_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_recipient",
        "jobs",
        ["org_id", sa.text("lower(recipient)"), *NEAREST],
        postgresql_where=sa.text(f"{ALIVE} AND recipient IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_deletion", "jobs", ["deletion_id"], postgresql_where=sa.text("deletion_id IS NOT NULL")
    )


def _org() -> list[sa.schema.SchemaItem]:
    return [sa.Column("org_id", sa.Uuid(), nullable=False)]


def _owned(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["org_id"], ["orgs.id"], name=op.f(f"fk_{table}_org_id"), ondelete="CASCADE"
    )


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _at(name: str, *, is_open: bool = False) -> sa.Column[object]:
    default = None if is_open else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=is_open)


def _deletions() -> None:
    op.create_table(
        "deletions",
        _id(),
        *_org(),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("left_running", sa.Integer(), nullable=False),
        _at("undone_at", is_open=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.Column("restored", sa.Integer(), nullable=True),
        _owned("deletions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
    )
    op.create_index("ix_deletions_recent", "deletions", ["org_id", "at", "id"])


def _events() -> None:
    op.create_table(
        "events",
        _id(),
        *_org(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("venue", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        _at("load_in_at", is_open=True),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("contact_name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("contact_email", sa.String(), nullable=True),
        sa.Column("crew", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("search", sa.String(), sa.Computed("lower(name || ' ' || venue)", persisted=True)),
        _at("created_at"),
        _at("changed_at"),
        _at("deleted_at", is_open=True),
        _owned("events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(
        "ix_events_nearest",
        "events",
        ["org_id", "starts_at", "name", "id"],
        postgresql_where=sa.text(ALIVE),
    )
    op.create_index(
        "ix_events_search",
        "events",
        ["search"],
        postgresql_using="gin",
        postgresql_ops={"search": "gin_trgm_ops"},
    )


def _message_settings() -> None:
    op.create_table(
        "message_settings",
        *_org(),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("weekend_rule", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _at("changed_at"),
        sa.Column("changed_by", sa.String(), nullable=False),
        _owned("message_settings"),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_message_settings")),
        sa.CheckConstraint(
            "weekend_rule IN ('none', 'previous_friday', 'next_monday')",
            name=op.f("ck_message_settings_weekend_rule"),
        ),
    )
    op.create_table(
        "message_types",
        *_org(),
        sa.Column("message_type", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("send_time", sa.Time(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _at("changed_at"),
        sa.Column("changed_by", sa.String(), nullable=False),
        _owned("message_types"),
        sa.PrimaryKeyConstraint("org_id", "message_type", name=op.f("pk_message_types")),
    )


def _message_templates() -> None:
    op.create_table(
        "message_templates",
        *_org(),
        sa.Column("message_type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("html", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        _at("created_at"),
        _owned("message_templates"),
        sa.PrimaryKeyConstraint("org_id", "message_type", "version", name=op.f("pk_message_templates")),
    )


def _message_plans() -> None:
    op.create_table(
        "message_plans",
        _id(),
        *_org(),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("message_type", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resumes_paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("written", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        _at("created_at"),
        _owned("message_plans"),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_message_plans_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_message_plans_job_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_plans")),
        sa.UniqueConstraint(
            "event_id", "message_type", "address", name=op.f("uq_message_plans_event_id_message_type_address")
        ),
    )
    op.create_index(op.f("ix_message_plans_job_id"), "message_plans", ["job_id"])


def downgrade() -> None:
    """Message jobs go with their events; a job that was closed by hand keeps its status."""
    op.execute("DELETE FROM jobs WHERE message_type IS NOT NULL")
    for table in ("message_plans", "message_templates", "message_types", "message_settings", "events"):
        op.drop_table(table)
    op.drop_table("deletions")
    for name in RESOLVED:
        op.drop_column("runs", name)
    for name in ("settled", "tasks", "deletion", "recipient", "subject_deleted", "subject", "message_type"):
        op.drop_index(f"ix_jobs_{name}", table_name="jobs")
    for name in ("deletion_id", "closed_by", "subject_id", "message_type"):
        op.drop_column("jobs", name)
