"""windows, their accounts, and whose usage is whose"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

LABELS = {"type_": postgresql.JSONB(astext_type=sa.Text()), "server_default": "{}", "nullable": False}


def upgrade() -> None:
    op.create_table(
        "window_account",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("budget_core_ms", sa.BigInteger(), nullable=True),
        sa.Column("debt_core_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("settled_core_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("entitled_core_ms", sa.Double(), server_default="0", nullable=False),
        sa.Column("nearly_spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_window_account_node_id")),
        sa.PrimaryKeyConstraint("node_id", "starts_at", name=op.f("pk_window_account")),
    )
    op.create_index(op.f("ix_window_account_starts_at"), "window_account", ["starts_at"], unique=False)
    op.add_column("commitment", sa.Column("window", sa.Text(), server_default="day", nullable=False))
    for name in ("window_starts_at", "window_ends_at", "accrued_at"):
        op.add_column("commitment", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("quota_node", sa.Column("share_mc", sa.Double(), server_default="0", nullable=False))
    op.add_column("quota_node", sa.Column("reserved_core_ms", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint("reserved_not_negative", "quota_node", "reserved_core_ms >= 0")
    op.execute(_RESERVE_WHAT_RUNS)
    op.add_column("key", sa.Column("labels", **LABELS))
    op.add_column("usage_segment", sa.Column("labels", **LABELS))
    op.add_column("usage_segment", sa.Column("run_id", sa.Uuid(), nullable=True))
    op.add_column("usage_segment", sa.Column("window_starts_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE usage_segment SET window_starts_at = "
        "date_trunc('day', started_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    )
    op.execute(_WHOSE)
    op.alter_column("usage_segment", "window_starts_at", nullable=False)
    op.create_index(op.f("ix_usage_segment_window_starts_at"), "usage_segment", ["window_starts_at"], unique=False)


_RESERVE_WHAT_RUNS = """
WITH RECURSIVE path AS (
    SELECT n.id AS leaf, n.id, n.parent_id FROM quota_node n
    UNION ALL SELECT path.leaf, up.id, up.parent_id FROM path JOIN quota_node up ON up.id = path.parent_id
)
UPDATE quota_node n SET reserved_core_ms = held.core_ms
FROM (
    SELECT path.id, sum(l.estimate_ms * l.mc / 1000) AS core_ms
    FROM lease l JOIN path ON path.leaf = l.node_id
    WHERE l.state <> 'released' GROUP BY path.id
) held
WHERE n.id = held.id
"""
_WHOSE = """
UPDATE usage_segment s SET run_id = r.id, labels = r.labels
FROM lease l JOIN work_item i ON i.id = l.item_id JOIN run r ON r.id = i.run_id
WHERE l.id = s.lease_id
"""


def downgrade() -> None:
    op.drop_index(op.f("ix_usage_segment_window_starts_at"), table_name="usage_segment")
    for name in ("window_starts_at", "run_id", "labels"):
        op.drop_column("usage_segment", name)
    op.drop_column("key", "labels")
    op.drop_constraint("reserved_not_negative", "quota_node", type_="check")
    op.drop_column("quota_node", "reserved_core_ms")
    op.drop_column("quota_node", "share_mc")
    for name in ("accrued_at", "window_ends_at", "window_starts_at", "window"):
        op.drop_column("commitment", name)
    op.drop_index(op.f("ix_window_account_starts_at"), table_name="window_account")
    op.drop_table("window_account")
