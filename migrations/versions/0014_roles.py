"""stewards, what cells see of others, who gives back first, webhooks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("key", sa.Column("steward_of", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_key_steward_of"), "key", "quota_node", ["steward_of"], ["id"])
    op.create_check_constraint(
        op.f("ck_key_stewards_have_a_term"),
        "key",
        "steward_of IS NULL OR (cell_id IS NULL AND site_id IS NULL AND expires_at IS NOT NULL)",
    )
    op.add_column("commitment", sa.Column("shares_visible", sa.Text(), server_default="own", nullable=False))
    op.add_column("commitment", sa.Column("debt_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "quota_node", sa.Column("reclaim_first", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "webhook",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_webhook_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(op.f("ix_webhook_node_id"), "webhook", ["node_id"], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("webhook_id", "event_id", name=op.f("uq_webhook_delivery_webhook_id_event_id")),
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
    op.drop_column("quota_node", "reclaim_first")
    op.drop_column("commitment", "debt_since")
    op.drop_column("commitment", "shares_visible")
    op.drop_constraint(op.f("ck_key_stewards_have_a_term"), "key", type_="check")
    op.drop_constraint(op.f("fk_key_steward_of"), "key", type_="foreignkey")
    op.drop_column("key", "steward_of")
