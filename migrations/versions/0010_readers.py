"""readers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


BOUNDED_BEFORE = "max_parallel IS NOT NULL AND state IN ('queued', 'running')"
BOUNDED = "state IN ('queued', 'running') AND coalesce(max_parallel, max_unread, abandon_after_s) IS NOT NULL"


def upgrade() -> None:
    op.add_column("run", sa.Column("max_unread", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("abandon_after_s", sa.BigInteger(), nullable=True))
    op.drop_index("ix_run_bounded", table_name="run")
    op.create_index("ix_run_bounded", "run", ["id"], unique=False, postgresql_where=sa.text(BOUNDED))
    op.create_table(
        "reader_group",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("given_seq", sa.BigInteger(), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_reader_group_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_group")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_reader_group_run_id_name")),
    )
    op.create_table(
        "reader",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column("consumer", sa.Text(), nullable=True),
        sa.Column("connection", sa.Uuid(), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["reader_group.id"], name=op.f("fk_reader_group_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_reader_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader")),
        sa.UniqueConstraint("connection", name=op.f("uq_reader_connection")),
        sa.UniqueConstraint("group_id", "consumer", name=op.f("uq_reader_group_id_consumer")),
    )
    op.create_index(op.f("ix_reader_run_id_seen_at"), "reader", ["run_id", "seen_at"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["reader_group.id"], name=op.f("fk_delivery_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_delivery_reader_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "seq", name=op.f("pk_delivery")),
    )
    op.create_index(op.f("ix_delivery_reader_id_seq"), "delivery", ["reader_id", "seq"], unique=False)


def downgrade() -> None:
    op.drop_table("delivery")
    op.drop_table("reader")
    op.drop_table("reader_group")
    op.drop_index("ix_run_bounded", table_name="run")
    op.create_index("ix_run_bounded", "run", ["id"], unique=False, postgresql_where=sa.text(BOUNDED_BEFORE))
    op.drop_column("run", "abandon_after_s")
    op.drop_column("run", "max_unread")
