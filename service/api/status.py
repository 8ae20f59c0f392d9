"""`/catalog/status` and `/readyz`: how the service is, from memory."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.catalog import Catalog, Census, Listing, Origin, Refresh, Shrink, Status
from service.dialects.native import time_text
from service.errors import StorageError
from service.present import Present
from service.snapshot import Snapshot, census
from service.webhooks import WebhookHealth

Json = dict[str, Any]

MAX_SHOWN: Final = 100
"""Rejected entries and held-back ids that are shown; the counts are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How one source is doing."""

    source: str
    url: str
    is_refreshing: bool
    next_refresh: datetime | None
    last: Refresh | None
    last_good: Refresh | None
    held: Sequence[Refresh]
    """Newest first; empty when no list is held."""
    gap: Shrink | None
    """What the held list lacks, where it was read by this process."""
    listing: Listing | None
    storage_error: StorageError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """How everything is doing that changes the catalog or tells of it."""

    source: SourceHealth
    webhooks: Sequence[WebhookHealth]


Health = Callable[[], ServiceHealth]


def status_json(version: str, present: Present, health: ServiceHealth) -> Json:
    """The whole state of the service, as a person or a dashboard wants it."""
    catalog = present.snapshot and present.snapshot.catalog
    age = present.age_seconds
    return {
        "version": version,
        "revision": catalog and catalog.revision,
        "updatedAt": catalog and time_text(catalog.updated_at),
        "stale": present.is_stale,
        "checkedAt": time_text(present.checked_at),
        "ageSeconds": None if age is None else round(age),
        "models": _counts(present.snapshot.census) if present.snapshot else {},
        "omitted": _omitted(present.snapshot) if present.snapshot else {},
        "storage": _storage(health.source.storage_error),
        "sources": [_source(health.source)],
        "webhooks": [_webhook(webhook) for webhook in health.webhooks],
    }


def readiness_json(present: Present, health: ServiceHealth) -> tuple[bool, Json]:
    """Whether readers get answers, and what is wrong all the same."""
    checks = {
        "snapshot": "ok" if present.snapshot else "not published yet",
        "storage": str(health.source.storage_error or "ok"),
        "data": "stale" if present.is_stale else "ok",
    }
    is_ready = present.snapshot is not None
    is_well = all(check == "ok" for check in checks.values())
    state = "ok" if is_well else "degraded" if is_ready else "starting"
    return is_ready, {"status": state, "checks": checks}


def refresh_json(refresh: Refresh) -> Json:
    """One refresh, as the log has it."""
    return {
        "source": refresh.source,
        "at": time_text(refresh.at),
        "outcome": refresh.outcome,
        "reason": refresh.reason,
        "detail": refresh.detail,
        "durationMs": refresh.duration_ms,
        "httpStatus": refresh.http_status,
        "entries": refresh.entries,
        "rejected": refresh.rejected,
        "badFields": refresh.bad_fields,
        "revision": refresh.revision,
    }


def stored_status_json(
    path: str, catalog: Catalog, last: Refresh | None, last_good: Refresh | None
) -> Json:
    """The state of a database, as far as it tells by itself."""
    return {
        "database": path,
        "revision": catalog.revision,
        "updatedAt": time_text(catalog.updated_at),
        "checkedAt": time_text(last_good.at) if last_good else None,
        "models": _counts(census(catalog)),
        "lastRefresh": last and refresh_json(last),
        "lastGoodRefresh": last_good and refresh_json(last_good),
    }


def _counts(found: Census) -> Mapping[str, int]:
    """Models on offer, by status (tombstones too), and by origin."""
    by_status, by_origin = Counter[str](), Counter[str]()
    for (_, status, origin), count in found.items():
        by_status[status] += count
        by_origin[origin] += 0 if status is Status.REMOVED else count
    return {
        "total": by_origin.total(),
        **{str(status): by_status[status] for status in Status},
        **{str(origin): by_origin[origin] for origin in Origin},
    }


def _omitted(snapshot: Snapshot) -> Mapping[str, int]:
    """By dialect, how many models it cannot tell of."""
    return {name: spoken.omitted for name, spoken in snapshot.spoken.items()}


def _storage(error: StorageError | None) -> Json:
    if error is None:
        return {"state": "ok", "detail": None, "advice": None}
    return {"state": error.state, "detail": error.detail, "advice": error.advice}


def _source(health: SourceHealth) -> Json:
    return {
        "source": health.source,
        "url": health.url,
        "refreshing": health.is_refreshing,
        "nextRefresh": time_text(health.next_refresh),
        "lastRefresh": health.last and refresh_json(health.last),
        "lastGoodRefresh": health.last_good and refresh_json(health.last_good),
        "held": _held(health.held, health.gap) if health.held else None,
        "lastList": health.listing and _listing(health.listing),
    }


def _held(held: Sequence[Refresh], gap: Shrink | None) -> Json:
    return {
        "since": time_text(held[-1].at),
        "detail": held[0].detail,
        "active": gap and gap.active,
        "missing": gap and len(gap.missing),
        "ids": gap and gap.missing[:MAX_SHOWN],
    }


def _listing(listing: Listing) -> Json:
    return {
        "models": len(listing.models),
        "duplicates": listing.duplicates,
        "rejected": len(listing.rejects),
        "rejects": [
            {"index": reject.index, "reason": reject.reason}
            for reject in listing.rejects[:MAX_SHOWN]
        ],
        "badFields": listing.bad_fields,
        "unreadKeys": listing.unread_keys,
    }


def _webhook(health: WebhookHealth) -> Json:
    account = health.account
    return {
        "name": health.name,
        "url": health.origin,
        "pending": account.pending,
        "oldestPending": time_text(account.oldest_pending),
        "delivered": account.delivered,
        "givenUp": account.given_up,
        "lastDelivery": time_text(account.last_delivery),
        "lastError": account.last_error,
        "nextAttempt": time_text(account.next_attempt),
    }
