"""quotas as a document: reasons in an audit that only grows, names of groups, scheduled changes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index(op.f("ix_audit_target_id"), "audit", ["target", "id"], unique=False)
    op.execute(
        """
        CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit is only ever added to'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()
        """
    )
    op.create_index(
        "uq_quota_node_group", "quota_node", ["name"], unique=True, postgresql_where=sa.text("kind = 'group'")
    )
    op.create_table(
        "scheduled_change",
        sa.Column("change", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("undo", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_change")),
    )
    op.create_index(
        "ix_scheduled_change_open",
        "scheduled_change",
        ["state"],
        postgresql_where=sa.text("state IN ('scheduled', 'active')"),
    )


def downgrade() -> None:
    op.drop_table("scheduled_change")
    op.drop_index("uq_quota_node_group", table_name="quota_node")
    op.execute("DROP TRIGGER audit_stays ON audit")
    op.execute("DROP FUNCTION audit_stays()")
    op.drop_index(op.f("ix_audit_target_id"), table_name="audit")
    op.drop_column("audit", "reason")
