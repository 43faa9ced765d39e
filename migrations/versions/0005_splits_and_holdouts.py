"""splits and holdouts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "split",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("catalogue", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split")),
    )
    op.create_index(op.f("ix_split_name_version"), "split", ["name", "version"], unique=True)
    op.create_table(
        "split_in_force",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_split_in_force_split_id_split")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_in_force")),
    )
    op.create_table(
        "holdout",
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_holdout_split_id_split")),
        sa.PrimaryKeyConstraint("split_id", "digest", name=op.f("pk_holdout")),
    )
    op.create_table(
        "exposure_budget",
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_exposure_budget_cell_id_cell")),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_exposure_budget_split_id_split")),
        sa.PrimaryKeyConstraint("split_id", "cell_id", name=op.f("pk_exposure_budget")),
    )
    op.create_table(
        "exposure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("specs", sa.BigInteger(), nullable=False),
        sa.Column("refs", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("episodes", sa.BigInteger(), nullable=True),
        sa.Column("steps_per_env", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_exposure_split_id_split")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exposure")),
    )
    op.create_index(op.f("ix_exposure_cell_id_id"), "exposure", ["cell_id", "id"], unique=False)
    op.execute(
        """
        CREATE FUNCTION exposure_stays() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the log of exposures is only ever added to'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER exposure_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON exposure
        FOR EACH STATEMENT EXECUTE FUNCTION exposure_stays()
        """
    )
    op.add_column("subset", sa.Column("split", sa.Text(), nullable=True))
    op.add_column("subset", sa.Column("left_out", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("purpose", sa.Text(), server_default="train", nullable=False))
    op.add_column("run", sa.Column("split", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("held_out", JSON, server_default="{}", nullable=False))
    op.add_column("run", sa.Column("carved", JSON, server_default="[]", nullable=False))
    # stewards so far: whoever may change what operators change
    op.execute("UPDATE key SET scopes = array_append(scopes, 'splits:write') WHERE 'admin:write' = ANY(scopes)")


def downgrade() -> None:
    op.execute("UPDATE key SET scopes = array_remove(scopes, 'splits:write')")
    for column in ("carved", "held_out", "split", "purpose"):
        op.drop_column("run", column)
    op.drop_column("subset", "left_out")
    op.drop_column("subset", "split")
    for table in ("exposure", "exposure_budget", "holdout", "split_in_force", "split"):
        op.drop_table(table)
    op.execute("DROP FUNCTION exposure_stays()")
