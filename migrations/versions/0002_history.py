"""Which fields each version changed, what a revision did in bulk, rules by source, webhooks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.add_column("versions", sa.Column("fields", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("revisions", sa.Column("bulk", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "sources",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("normaliser", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_sources")),
    )
    op.create_table(
        "webhooks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("webhook", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("revision", SERIAL, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'given_up')", name=op.f("ck_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["revision"], ["revisions.revision"], name=op.f("fk_deliveries_revision_revisions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
    )
    op.create_index(
        "ix_deliveries_webhook_state_id", "deliveries", ["webhook", "state", "id"], unique=False
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("deliveries")
    op.drop_table("webhooks")
    op.drop_table("sources")
    op.drop_column("revisions", "bulk")
    op.drop_column("versions", "fields")
