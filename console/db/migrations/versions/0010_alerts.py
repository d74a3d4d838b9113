"""Alert rules, where they go, and what was sent."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

EVENTS = (
    "'failed', 'failed_in_a_row', 'late', 'missed', 'unknown', 'recovered', 'scheduler_red', 'worker_red'"
)
KINDS = "'mail', 'webhook', 'apprise'"
BAD = "state IN ('failed', 'missed', 'unknown')"
TABLES = (
    "alert_cursors",
    "alert_deliveries",
    "alert_events",
    "alert_rule_channels",
    "alert_rules",
    "alert_channels",
)


def upgrade() -> None:
    _channels()
    _rules()
    _events()
    _deliveries()
    op.create_table(
        "alert_cursors",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        _instant("at"),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("fk_alert_cursors_org_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_alert_cursors")),
    )
    op.create_index("ix_runs_bad", "runs", ["org_id", "finished_at"], postgresql_where=sa.text(BAD))


def _instant(name: str, nullable: bool = False, now: bool = False) -> sa.Column[datetime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _own(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f(f"fk_{table}_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _reference(table: str, column: str, to: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete=ondelete)


def _channels() -> None:
    op.create_table(
        "alert_channels",
        *_own("alert_channels"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("locked", sa.String(), nullable=True),
        _instant("created_at", now=True),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_alert_channels_kind")),
        sa.UniqueConstraint("org_id", "name", name=op.f("uq_alert_channels_org_id_name")),
    )


def _rules() -> None:
    op.create_table(
        "alert_rules",
        *_own("alert_rules"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("throttle_seconds", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _instant("since"),
        _instant("sent_at", nullable=True),
        _instant("created_at", now=True),
        sa.CheckConstraint(f"event IN ({EVENTS})", name=op.f("ck_alert_rules_event")),
        sa.CheckConstraint("scope IN ('all', 'category', 'job')", name=op.f("ck_alert_rules_scope")),
        sa.CheckConstraint("(scope = 'job') = (job_id IS NOT NULL)", name=op.f("ck_alert_rules_job")),
        sa.CheckConstraint(
            "(scope = 'category') = (category IS NOT NULL)", name=op.f("ck_alert_rules_category")
        ),
        _reference("alert_rules", "job_id", "jobs", "CASCADE"),
        sa.UniqueConstraint("org_id", "name", name=op.f("uq_alert_rules_org_id_name")),
    )
    op.create_index(
        "ix_alert_rules_job", "alert_rules", ["job_id"], postgresql_where=sa.text("job_id IS NOT NULL")
    )
    op.create_table(
        "alert_rule_channels",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        _reference("alert_rule_channels", "rule_id", "alert_rules", "CASCADE"),
        _reference("alert_rule_channels", "channel_id", "alert_channels", "CASCADE"),
        sa.PrimaryKeyConstraint("rule_id", "channel_id", name=op.f("pk_alert_rule_channels")),
    )
    op.create_index(op.f("ix_alert_rule_channels_channel_id"), "alert_rule_channels", ["channel_id"])


def _events() -> None:
    json = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "alert_events",
        *_own("alert_events"),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        _instant("happened_at"),
        _instant("found_at"),
        sa.Column("facts", json, server_default=sa.text("'{}'::jsonb"), nullable=False),
        _instant("over_at", nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        _reference("alert_events", "rule_id", "alert_rules", "CASCADE"),
        sa.UniqueConstraint("rule_id", "key", name=op.f("uq_alert_events_rule_id_key")),
    )
    for name, columns, condition in (
        ("waiting", ["rule_id"], "batch_id IS NULL"),
        ("open", ["rule_id", "job_id"], "over_at IS NULL"),
    ):
        op.create_index(
            f"ix_alert_events_{name}", "alert_events", columns, postgresql_where=sa.text(condition)
        )
    op.create_index("ix_alert_events_found", "alert_events", ["org_id", "found_at"])


def _deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        *_own("alert_deliveries"),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("rule_name", sa.String(), nullable=True),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("channel_name", sa.String(), nullable=False),
        sa.Column("channel_kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("event", sa.String(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _instant("next_at", nullable=True),
        _instant("created_at"),
        _instant("ended_at", nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.CheckConstraint(f"channel_kind IN ({KINDS})", name=op.f("ck_alert_deliveries_channel_kind")),
        sa.CheckConstraint("state IN ('pending', 'sent', 'failed')", name=op.f("ck_alert_deliveries_state")),
        _reference("alert_deliveries", "rule_id", "alert_rules", "SET NULL"),
        _reference("alert_deliveries", "channel_id", "alert_channels", "SET NULL"),
    )
    op.create_index(
        "ix_alert_deliveries_pending",
        "alert_deliveries",
        ["next_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_alert_deliveries_recent", "alert_deliveries", ["org_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_runs_bad", table_name="runs", postgresql_where=sa.text(BAD))
    for name in TABLES:
        op.drop_table(name)
