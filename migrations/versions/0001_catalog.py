"""Versions of models, revisions of the catalog, raw entries, the log of refreshes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# SQLite numbers rows by itself only where the key is an INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

MODELS = """
CREATE VIEW models AS
SELECT
    v.source || '/' || v.model_id AS ref,
    v.source, v.model_id AS id, v.name, v.author, v.description, v.badges, v.input, v.output,
    v.reasoning, v.reasoning_efforts, v.tools, v.structured_output,
    v.context_window, v.served_context_window, v.max_tokens,
    v.cost_input, v.cost_output, v.cost_cache_read, v.cost_cache_write, v.cost_reasoning,
    v.cost_image, v.cost_request, v.cost_web_search, v.pricing, v.free,
    v.supported_parameters, v.tokenizer, v.moderated, v.may_train_on_prompts, v.hugging_face_id,
    v.family, v.created, v.knowledge_cutoff, v.expires_at, v.preferred_index,
    v.origin, v.status, v.missing_since, v.removed_at, v.first_seen, v.position,
    r.at AS updated_at, v.since_revision AS revision
FROM versions AS v
JOIN revisions AS r ON r.revision = v.since_revision
WHERE v.until_revision IS NULL AND NOT EXISTS (
    SELECT 1 FROM versions AS o
    WHERE o.until_revision IS NULL AND o.source = v.source AND o.model_id = v.model_id
    AND (
        (v.origin = 'fallback' AND o.origin = 'discovered' AND o.status <> 'removed')
        OR (v.origin = 'discovered' AND v.status = 'removed' AND o.origin = 'fallback')
    )
)
"""
"""One row a model, for people: what `merge` makes of the open versions, but for the order."""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "entries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("digest", name=op.f("uq_entries_digest")),
    )
    op.create_table(
        "revisions",
        sa.Column(
            "revision",
            SERIAL,
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("added", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missing", sa.Integer(), server_default="0", nullable=False),
        sa.Column("removed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("returned", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("revision > 0", name=op.f("ck_revisions_positive")),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_revisions")),
    )
    op.create_table(
        "refreshes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("rejected", sa.Integer(), nullable=True),
        sa.Column("bad_fields", sa.Integer(), nullable=True),
        sa.Column("revision", SERIAL, nullable=True),
        sa.Column("observed", sa.String(length=64), nullable=True),
        sa.Column("scope", sa.String(length=64), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["revision"], ["revisions.revision"], name=op.f("fk_refreshes_revision_revisions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refreshes")),
    )
    op.create_index("ix_refreshes_source_id", "refreshes", ["source", "id"], unique=False)

    op.create_table(
        "versions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=256), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("since_revision", SERIAL, nullable=False),
        sa.Column("until_revision", SERIAL, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("entry_id", SERIAL, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=256), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("badges", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("input", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("output", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reasoning", sa.Boolean(), nullable=True),
        sa.Column("reasoning_efforts", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tools", sa.Boolean(), nullable=True),
        sa.Column("structured_output", sa.Boolean(), nullable=True),
        sa.Column("context_window", sa.BigInteger(), nullable=True),
        sa.Column("served_context_window", sa.BigInteger(), nullable=True),
        sa.Column("max_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_input", sa.Double(), nullable=True),
        sa.Column("cost_output", sa.Double(), nullable=True),
        sa.Column("cost_cache_read", sa.Double(), nullable=True),
        sa.Column("cost_cache_write", sa.Double(), nullable=True),
        sa.Column("cost_reasoning", sa.Double(), nullable=True),
        sa.Column("cost_image", sa.Double(), nullable=True),
        sa.Column("cost_request", sa.Double(), nullable=True),
        sa.Column("cost_web_search", sa.Double(), nullable=True),
        sa.Column("pricing", sa.String(length=16), nullable=False),
        sa.Column("free", sa.Boolean(), nullable=True),
        sa.Column("supported_parameters", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tokenizer", sa.Text(), nullable=True),
        sa.Column("moderated", sa.Boolean(), nullable=True),
        sa.Column("may_train_on_prompts", sa.Boolean(), nullable=True),
        sa.Column("hugging_face_id", sa.Text(), nullable=True),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=True),
        sa.Column("knowledge_cutoff", sa.Date(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("preferred_index", sa.Integer(), nullable=True),
        sa.CheckConstraint("origin IN ('discovered', 'fallback')", name=op.f("ck_versions_origin")),
        sa.CheckConstraint(
            "status IN ('active', 'missing', 'removed')", name=op.f("ck_versions_status")
        ),
        sa.CheckConstraint("context_window > 0", name=op.f("ck_versions_context_window")),
        sa.CheckConstraint("cost_input >= 0", name=op.f("ck_versions_cost_input")),
        sa.CheckConstraint("cost_output >= 0", name=op.f("ck_versions_cost_output")),
        sa.CheckConstraint("max_tokens > 0", name=op.f("ck_versions_max_tokens")),
        sa.CheckConstraint("until_revision > since_revision", name=op.f("ck_versions_order")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_versions_entry_id_entries")
        ),
        sa.ForeignKeyConstraint(
            ["since_revision"],
            ["revisions.revision"],
            name=op.f("fk_versions_since_revision_revisions"),
        ),
        sa.ForeignKeyConstraint(
            ["until_revision"],
            ["revisions.revision"],
            name=op.f("fk_versions_until_revision_revisions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
    )
    op.create_index(
        "ix_versions_model", "versions", ["source", "model_id", "since_revision"], unique=False
    )
    op.create_index("ix_versions_since_revision", "versions", ["since_revision"])
    op.create_index("ix_versions_until_revision", "versions", ["until_revision"])
    op.create_index(
        "uq_versions_open",
        "versions",
        ["source", "model_id", "origin"],
        unique=True,
        sqlite_where=sa.text("until_revision IS NULL"),
        postgresql_where=sa.text("until_revision IS NULL"),
    )
    op.execute(MODELS)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP VIEW models")
    for table in ("versions", "refreshes", "revisions", "entries"):
        op.drop_table(table)
