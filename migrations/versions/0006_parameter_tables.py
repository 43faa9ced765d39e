"""parameter tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parameter_table",
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("weighted", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_parameter_table_cell_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parameter_table")),
    )
    op.create_index("uq_parameter_table_content", "parameter_table", ["cell_id", "digest"], unique=True)
    op.create_index(op.f("ix_parameter_table_digest"), "parameter_table", ["digest"], unique=False)
    op.create_index(op.f("ix_parameter_table_cell_id_id"), "parameter_table", ["cell_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("parameter_table")
