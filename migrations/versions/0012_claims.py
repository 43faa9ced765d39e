"""claims of room that others have"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quota_node", sa.Column("moves", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "claim",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("mc", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_claim_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim")),
    )
    op.create_index("uq_claim_open", "claim", ["node_id"], unique=True, postgresql_where=sa.text("closed_at IS NULL"))
    op.create_index(op.f("ix_claim_node_id_opened_at"), "claim", ["node_id", "opened_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_claim_node_id_opened_at"), table_name="claim")
    op.drop_index("uq_claim_open", table_name="claim", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("claim")
    op.drop_column("quota_node", "moves")
