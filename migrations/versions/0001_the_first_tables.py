"""the first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("change", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "capacity_epoch",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("capacity_mc", sa.BigInteger(), nullable=False),
        sa.Column("limit_mc", sa.BigInteger(), nullable=False),
        sa.Column("numerator", sa.BigInteger(), nullable=False),
        sa.Column("denominator", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_capacity_epoch")),
    )
    op.create_table(
        "catalogue_state",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("source_sha256", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_state")),
    )
    op.create_table(
        "cell",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cell")),
        sa.UniqueConstraint("name", name=op.f("uq_cell_name")),
    )
    op.create_table(
        "commitment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("numerator", sa.BigInteger(), nullable=False),
        sa.Column("denominator", sa.BigInteger(), nullable=False),
        sa.Column("capacity_mc", sa.BigInteger(), nullable=False),
        sa.Column("limit_mc", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("half_life_s", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
    )
    op.create_table(
        "environment",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("base_task", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("modifiers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("step_us", sa.Double(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_environment")),
        sa.UniqueConstraint("ordinal", name=op.f("uq_environment_ordinal")),
        sa.UniqueConstraint("ref", name=op.f("uq_environment_ref")),
    )
    op.create_index(op.f("ix_environment_base_task"), "environment", ["base_task"], unique=False)
    op.create_index(op.f("ix_environment_domain_ordinal"), "environment", ["domain", "ordinal"], unique=False)
    op.create_index(op.f("ix_environment_family_ordinal"), "environment", ["family", "ordinal"], unique=False)
    op.create_index(
        op.f("ix_environment_modifiers"), "environment", ["modifiers"], unique=False, postgresql_using="gin"
    )
    op.create_index(op.f("ix_environment_words"), "environment", ["words"], unique=False, postgresql_using="gin")
    op.create_table(
        "heartbeat_clock",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("accepting_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heartbeat_clock")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "site",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("redis_url", sa.Text(), nullable=False),
        sa.Column("store_url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
    )
    op.create_table(
        "key",
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cell_id IS NULL OR site_id IS NULL", name=op.f("ck_key_one_owner")),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_key_cell_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_key_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_key_secret_sha256")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_outbox_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "quota_node",
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("borrowing_limit_mc", sa.BigInteger(), nullable=True),
        sa.Column("lending_limit_mc", sa.BigInteger(), nullable=True),
        sa.Column("max_loan_ms", sa.BigInteger(), nullable=True),
        sa.Column("window_budget_core_ms", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("nominal_mc", sa.BigInteger(), nullable=False),
        sa.Column("carry", sa.BigInteger(), nullable=False),
        sa.Column("used_mc", sa.BigInteger(), nullable=False),
        sa.Column("used_core_ms", sa.BigInteger(), nullable=False),
        sa.Column("decayed_core_ms", sa.Double(), nullable=False),
        sa.Column("decayed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("used_mc >= 0", name=op.f("ck_quota_node_used_not_negative")),
        sa.CheckConstraint("weight >= 1", name=op.f("ck_quota_node_weight_positive")),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_quota_node_cell_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["quota_node.id"], name=op.f("fk_quota_node_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_node")),
        sa.UniqueConstraint("cell_id", name=op.f("uq_quota_node_cell_id")),
    )
    op.create_index(
        "uq_quota_node_root", "quota_node", ["kind"], unique=True, postgresql_where=sa.text("kind = 'root'")
    )
    op.create_table(
        "subset",
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("domains", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_subset_cell_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subset")),
    )
    op.create_index(op.f("ix_subset_cell_id_id"), "subset", ["cell_id", "id"], unique=False)
    op.create_table(
        "worker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("contributes_mc", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("heartbeats", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_worker_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("incarnation", name=op.f("uq_worker_incarnation")),
    )
    op.create_index(
        "uq_worker_live",
        "worker",
        ["site_id", "name"],
        unique=True,
        postgresql_where=sa.text("state IN ('joining', 'active', 'draining')"),
    )
    op.create_table(
        "run",
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("subset_id", sa.Uuid(), nullable=True),
        sa.Column("environments", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("episodes", sa.BigInteger(), nullable=True),
        sa.Column("steps_per_env", sa.BigInteger(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("items_total", sa.BigInteger(), nullable=False),
        sa.Column("items_done", sa.BigInteger(), nullable=False),
        sa.Column("items_failed", sa.BigInteger(), nullable=False),
        sa.Column("steps_expected", sa.BigInteger(), nullable=False),
        sa.Column("steps_done", sa.BigInteger(), nullable=False),
        sa.Column("episodes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_run_cell_id")),
        sa.ForeignKeyConstraint(["subset_id"], ["subset.id"], name=op.f("fk_run_subset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_cell_id_id"), "run", ["cell_id", "id"], unique=False)
    op.create_table(
        "subset_environment",
        sa.Column("subset_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subset_id"], ["subset.id"], name=op.f("fk_subset_environment_subset_id")),
        sa.PrimaryKeyConstraint("subset_id", "ordinal", name=op.f("pk_subset_environment")),
    )
    op.create_table(
        "usage_segment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("lease_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mc", sa.BigInteger(), nullable=False),
        sa.Column("core_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_usage_segment_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_segment")),
    )
    op.create_index(
        op.f("ix_usage_segment_node_id_started_at"), "usage_segment", ["node_id", "started_at"], unique=False
    )
    op.create_table(
        "work_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mc", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("estimate_ms", sa.BigInteger(), nullable=False),
        sa.Column("max_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("specs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_work_item_node_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_work_item_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item")),
    )
    op.create_index(
        "ix_work_item_queue",
        "work_item",
        ["node_id", sa.literal_column("priority DESC"), "run_id", "ordinal"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(op.f("ix_work_item_run_id_ordinal"), "work_item", ["run_id", "ordinal"], unique=False)
    op.create_table(
        "chunk",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("episodes", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_chunk_item_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_chunk_run_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_chunk_site_id")),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_chunk")),
        sa.UniqueConstraint("item_id", name=op.f("uq_chunk_item_id")),
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("mc", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("estimate_ms", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_lease_item_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["node_id"], ["quota_node.id"], name=op.f("fk_lease_node_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_lease_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_item_id"), "lease", ["item_id"], unique=False)
    op.create_index(
        "ix_lease_live_worker", "lease", ["worker_id"], unique=False, postgresql_where=sa.text("state <> 'released'")
    )
    op.create_index("uq_lease_live", "lease", ["item_id"], unique=True, postgresql_where=sa.text("state <> 'released'"))


def downgrade() -> None:
    op.drop_index("uq_lease_live", table_name="lease", postgresql_where=sa.text("state <> 'released'"))
    op.drop_index("ix_lease_live_worker", table_name="lease", postgresql_where=sa.text("state <> 'released'"))
    op.drop_index(op.f("ix_lease_item_id"), table_name="lease")
    op.drop_table("lease")
    op.drop_table("chunk")
    op.drop_index(op.f("ix_work_item_run_id_ordinal"), table_name="work_item")
    op.drop_index("ix_work_item_queue", table_name="work_item", postgresql_where=sa.text("state = 'queued'"))
    op.drop_table("work_item")
    op.drop_index(op.f("ix_usage_segment_node_id_started_at"), table_name="usage_segment")
    op.drop_table("usage_segment")
    op.drop_table("subset_environment")
    op.drop_index(op.f("ix_run_cell_id_id"), table_name="run")
    op.drop_table("run")
    op.drop_index(
        "uq_worker_live", table_name="worker", postgresql_where=sa.text("state IN ('joining', 'active', 'draining')")
    )
    op.drop_table("worker")
    op.drop_index(op.f("ix_subset_cell_id_id"), table_name="subset")
    op.drop_table("subset")
    op.drop_index("uq_quota_node_root", table_name="quota_node", postgresql_where=sa.text("kind = 'root'"))
    op.drop_table("quota_node")
    op.drop_table("outbox")
    op.drop_table("key")
    op.drop_table("site")
    op.drop_table("idempotency_key")
    op.drop_table("heartbeat_clock")
    op.drop_index(op.f("ix_environment_words"), table_name="environment", postgresql_using="gin")
    op.drop_index(op.f("ix_environment_modifiers"), table_name="environment", postgresql_using="gin")
    op.drop_index(op.f("ix_environment_family_ordinal"), table_name="environment")
    op.drop_index(op.f("ix_environment_domain_ordinal"), table_name="environment")
    op.drop_index(op.f("ix_environment_base_task"), table_name="environment")
    op.drop_table("environment")
    op.drop_table("commitment")
    op.drop_table("cell")
    op.drop_table("catalogue_state")
    op.drop_table("capacity_epoch")
    op.drop_table("audit")
