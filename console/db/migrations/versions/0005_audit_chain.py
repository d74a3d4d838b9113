"""The audit trail: sealed in a chain, and refused to be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

TABLES = ("audit_entries", "audit_chain", "audit_heads")
INDEXES = {
    "ix_audit_entries_org_id_tag_number": ["org_id", "tag", "number"],
    "ix_audit_entries_org_id_at": ["org_id", "at"],
}
REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit trail is only ever added to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'An entry that is wrong is set right by another entry.';
END
$$
"""
GUARD = """
CREATE TRIGGER {table}_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""


def upgrade() -> None:
    """Entries outlive their org: no foreign key takes them along."""
    op.drop_constraint(op.f("fk_audit_entries_org_id"), "audit_entries", type_="foreignkey")
    op.add_column("audit_entries", sa.Column("uid", sa.Uuid(), nullable=True))
    op.add_column("audit_entries", sa.Column("mac", sa.LargeBinary(), nullable=True))
    op.create_unique_constraint(op.f("uq_audit_entries_uid"), "audit_entries", ["uid"])
    for name, columns in INDEXES.items():
        op.create_index(op.f(name), "audit_entries", columns)
    _chain()
    _heads()
    op.execute(REFUSE)
    for table in TABLES:
        op.execute(GUARD.format(table=table))


def _chain() -> None:
    op.create_table(
        "audit_chain",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "position", name=op.f("pk_audit_chain")),
    )
    op.create_index(op.f("ix_audit_chain_org_id_number"), "audit_chain", ["org_id", "number"], unique=True)


def _heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("legacy_until", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "position", name=op.f("pk_audit_heads")),
    )


def downgrade() -> None:
    """Seals are lost; entries stay, but for those of orgs that are gone."""
    op.drop_table("audit_heads")
    op.drop_table("audit_chain")
    op.execute("DROP TRIGGER audit_entries_only_grow ON audit_entries")
    op.execute("DROP FUNCTION refuse_audit_change()")
    for name in INDEXES:
        op.drop_index(op.f(name), table_name="audit_entries")
    op.drop_constraint(op.f("uq_audit_entries_uid"), "audit_entries", type_="unique")
    for name in ("mac", "uid"):
        op.drop_column("audit_entries", name)
    op.execute("DELETE FROM audit_entries WHERE org_id NOT IN (SELECT id FROM orgs)")
    op.create_foreign_key(
        op.f("fk_audit_entries_org_id"), "audit_entries", "orgs", ["org_id"], ["id"], ondelete="CASCADE"
    )
