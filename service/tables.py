"""The schema: versions of models, revisions of the catalog, and the log of refreshes.

A version is one state of one model. `since_revision` opened it and `until_revision` closed it; the
open versions (`until_revision IS NULL`) are the present. The view `models` shows them, one row a
model, for people. `docs/database.md` tells what is written when.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.sqlite import DATETIME as SQLITE_DATETIME

SCHEMA = "0003"
"""The newest migration: a database that says so needs no Alembic at the start."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class _StoredTime(SQLITE_DATETIME):
    """RFC 3339 text. The library's own reads it by a regular expression, ten times slower."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], str | None]:
        del dialect
        return lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], datetime | None]:
        del dialect, coltype
        return lambda text: datetime.fromisoformat(text) if text else None


_STORED_TIME = _StoredTime()  # type: ignore[no-untyped-call]


class Time(TypeDecorator[datetime]):
    """UTC in whole seconds; aware on both ways. SQLite holds it as RFC 3339 text, so it sorts."""

    impl = DateTime(timezone=True).with_variant(_STORED_TIME, "sqlite")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


Json = JSON(none_as_null=True)
Serial = BigInteger().with_variant(Integer, "sqlite")

revisions = Table(
    "revisions",
    metadata,
    Column("revision", Serial, primary_key=True, autoincrement=False),
    Column("at", Time, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("source", String(64)),
    Column("added", Integer, nullable=False, server_default="0"),
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("missing", Integer, nullable=False, server_default="0"),
    Column("removed", Integer, nullable=False, server_default="0"),
    Column("returned", Integer, nullable=False, server_default="0"),
    Column("bulk", Json),
    CheckConstraint("revision > 0", name="positive"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("body", Text, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("model_id", String(256), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("since_revision", ForeignKey(revisions.c.revision), nullable=False, index=True),
    Column("until_revision", ForeignKey(revisions.c.revision), index=True),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("first_seen", Time, nullable=False),
    Column("missing_since", Time),
    Column("removed_at", Time),
    Column("position", Integer),
    Column("entry_id", ForeignKey(entries.c.id)),
    Column("name", Text, nullable=False),
    Column("author", String(256)),
    Column("description", Text),
    Column("badges", Json, nullable=False),
    Column("input", Json, nullable=False),
    Column("output", Json, nullable=False),
    Column("reasoning", Boolean),
    Column("reasoning_efforts", Json),
    Column("tools", Boolean),
    Column("structured_output", Boolean),
    Column("context_window", BigInteger),
    Column("served_context_window", BigInteger),
    Column("max_tokens", BigInteger),
    Column("cost_input", Double),
    Column("cost_output", Double),
    Column("cost_cache_read", Double),
    Column("cost_cache_write", Double),
    Column("cost_reasoning", Double),
    Column("cost_image", Double),
    Column("cost_request", Double),
    Column("cost_web_search", Double),
    Column("pricing", String(16), nullable=False),
    Column("free", Boolean),
    Column("supported_parameters", Json),
    Column("tokenizer", Text),
    Column("moderated", Boolean),
    Column("may_train_on_prompts", Boolean),
    Column("hugging_face_id", Text),
    Column("family", Text),
    Column("created", Time),
    Column("knowledge_cutoff", Date),
    Column("expires_at", Time),
    Column("preferred_index", Integer),
    Column("hints", Text),
    Column("fields", Json),
    CheckConstraint("until_revision > since_revision", name="order"),
    CheckConstraint("origin IN ('discovered', 'fallback')", name="origin"),
    CheckConstraint("status IN ('active', 'missing', 'removed')", name="status"),
    CheckConstraint("context_window > 0", name="context_window"),
    CheckConstraint("max_tokens > 0", name="max_tokens"),
    CheckConstraint("cost_input >= 0", name="cost_input"),
    CheckConstraint("cost_output >= 0", name="cost_output"),
)

_open = versions.c.until_revision.is_(None)
Index(
    "uq_versions_open",
    versions.c.source,
    versions.c.model_id,
    versions.c.origin,
    unique=True,
    sqlite_where=_open,  # as the migration says for PostgreSQL too; here that imports its dialect
)
Index("ix_versions_model", versions.c.source, versions.c.model_id, versions.c.since_revision)

refreshes = Table(
    "refreshes",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("at", Time, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text),
    Column("http_status", Integer),
    Column("entries", Integer),
    Column("rejected", Integer),
    Column("bad_fields", Integer),
    Column("revision", ForeignKey(revisions.c.revision)),
    Column("observed", String(64)),
    Column("scope", String(64)),
    Column("etag", Text),
    Column("last_modified", Text),
    Index("ix_refreshes_source_id", "source", "id"),
)

sources = Table(
    "sources",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("normaliser", Integer, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("webhook", String(64), nullable=False),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("revision", ForeignKey(revisions.c.revision), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Time, nullable=False),
    Column("settled_at", Time),
    Column("http_status", Integer),
    Column("detail", Text),
    CheckConstraint("state IN ('pending', 'delivered', 'given_up')", name="state"),
    Index("ix_deliveries_webhook_state_id", "webhook", "state", "id"),
)
