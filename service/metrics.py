"""What Prometheus scrapes. One registry an application, so that two in a process do not mix."""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service import __version__
from service.catalog import Census, Kind, Listing, Outcome, Refresh

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series, and nothing here reads them

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
WEBHOOK_RESULTS: Final = ("delivered", "failed", "given_up")
_LATENCIES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Everything that is counted, each with its help."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        ProcessCollector(registry=registry)
        build = Info("model_catalog_build", "The version that runs.", registry=registry)
        build.info({"version": __version__})
        self._requests = _Requests()
        registry.register(self._requests)
        self._refreshes = Counter(
            "model_catalog_refresh",
            "Refreshes by outcome and reason.",
            ["source", "outcome", "reason"],
            registry=registry,
        )
        self._refresh_seconds = Histogram(
            "model_catalog_refresh_duration_seconds",
            "Time one refresh took.",
            ["source"],
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=registry,
        )
        self._upstream_up = Gauge(
            "model_catalog_upstream_up",
            "1 when the last refresh was good or held, 0 when it was rejected or failed.",
            ["source"],
            registry=registry,
        )
        self._next_refresh = Gauge(
            "model_catalog_next_refresh_timestamp_seconds",
            "When the next refresh is due; NaN when none is.",
            ["source"],
            registry=registry,
        )
        self._held = Gauge(
            "model_catalog_held_refreshes",
            "How often in a row a list was held, at most 10; 0 when none is held.",
            ["source"],
            registry=registry,
        )
        self._rejects = Counter(
            "model_catalog_entry_rejects",
            "Entries that could not be made a model.",
            ["source", "reason"],
            registry=registry,
        )
        self._bad_fields = Counter(
            "model_catalog_entry_bad_fields",
            "Values that broke their field's rule and became unknown.",
            ["source", "field"],
            registry=registry,
        )
        self._models = Gauge(
            "model_catalog_models",
            "Models of the served catalog, tombstones too.",
            ["source", "status", "origin"],
            registry=registry,
        )
        self._changes = Counter(
            "model_catalog_changes",
            "What refreshes did to models, by kind.",
            ["source", "kind"],
            registry=registry,
        )
        self._omitted = Gauge(
            "model_catalog_omitted_models",
            "Models that a dialect leaves out, as it cannot tell them truthfully.",
            ["dialect"],
            registry=registry,
        )
        self._revision = Gauge(
            "model_catalog_revision", "The served revision; 0 while nothing is stored.",
            registry=registry,
        )  # fmt: skip
        self._age = Gauge(
            "model_catalog_data_age_seconds",
            "Time since the served list was last known to be the gateway's.",
            ["source"],
            registry=registry,
        )
        self._stale = Gauge(
            "model_catalog_stale",
            "1 while answers say Catalog-Stale: true, else 0.",
            registry=registry,
        )
        self._streams = Gauge(
            "model_catalog_streams", "Streams of changes that are open.", registry=registry
        )
        self._webhook_deliveries = Counter(
            "model_catalog_webhook_deliveries",
            "Attempts by result: delivered, failed (it is tried again) or given_up.",
            ["webhook", "result"],
            registry=registry,
        )
        self._webhook_pending = Gauge(
            "model_catalog_webhook_pending",
            "Messages that are still to be delivered.",
            ["webhook"],
            registry=registry,
        )
        self._storage_up = Gauge(
            "model_catalog_storage_up", "1 while the database can be written.", registry=registry
        )

    def watch(
        self,
        source: str,
        *,
        age_seconds: Callable[[], float | None],
        is_stale: Callable[[], bool],
        next_refresh: Callable[[], datetime | None],
        held: Callable[[], int],
        storage_up: Callable[[], bool],
    ) -> None:
        """Read what changes by itself at the time of the scrape."""
        unknown = float("nan")
        self._age.labels(source).set_function(
            lambda: unknown if (age := age_seconds()) is None else age
        )
        self._stale.set_function(lambda: float(is_stale()))
        self._next_refresh.labels(source).set_function(
            lambda: at.timestamp() if (at := next_refresh()) else unknown
        )
        self._held.labels(source).set_function(lambda: float(held()))
        self._storage_up.set_function(lambda: float(storage_up()))
        for kind in Kind:
            self._changes.labels(source, kind)

    def watch_streams(self, count: Callable[[], int]) -> None:
        """Read the number of open streams at the time of the scrape."""
        self._streams.set_function(lambda: float(count()))

    def watch_webhook(self, webhook: str, pending: Callable[[], int]) -> Callable[[str], None]:
        """Read how many messages are pending at the time of the scrape.

        Returns what counts an attempt by its result.
        """
        self._webhook_pending.labels(webhook).set_function(lambda: float(pending()))
        counters = {
            result: self._webhook_deliveries.labels(webhook, result) for result in WEBHOOK_RESULTS
        }
        return lambda result: counters[result].inc()

    def observer_of(self, route: str) -> Callable[[str, int, float], None]:
        """Counts answers of one route: method, status, seconds.

        `route` is a declared pattern, never the path that was asked.
        """
        return self._requests.observer_of(route)

    def observe_refresh(self, refresh: Refresh, listing: Listing | None) -> None:
        """Count one refresh. `listing` is what it read, if it read anything."""
        source = refresh.source
        self._refreshes.labels(source, refresh.outcome, refresh.reason).inc()
        self._refresh_seconds.labels(source).observe(refresh.duration_ms / 1000)
        answered = refresh.outcome.is_good or refresh.outcome is Outcome.HELD
        self._upstream_up.labels(source).set(answered)
        if listing is None:
            return
        for reason, count in Tally(reject.reason for reject in listing.rejects).items():
            self._rejects.labels(source, reason).inc(count)
        for field, count in listing.bad_fields.items():
            self._bad_fields.labels(source, field).inc(count)

    def observe_changes(self, source: str, counts: Mapping[Kind, int]) -> None:
        """Count what one refresh did to models."""
        for kind, count in counts.items():
            self._changes.labels(source, kind).inc(count)

    def observe_snapshot(self, revision: int, census: Census, omitted: Mapping[str, int]) -> None:
        """Tell what is served. `omitted` are the models that a dialect leaves out, by its name."""
        self._revision.set(revision)
        for dialect, count in omitted.items():
            self._omitted.labels(dialect).set(count)
        self._models.clear()
        for (source, status, origin), count in census.items():
            self._models.labels(source, status, origin).set(count)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format asked for, and its content type.

        Only the format is taken from the client: versions of its own choice break the encoder.
        """
        openmetrics = "application/openmetrics-text"
        encode, content_type = choose_encoder(openmetrics if openmetrics in accept else "")
        return encode(self._registry), content_type


class _Requests(Collector):
    """Counts in plain numbers, as one thread makes all answers: a tenth of the time."""

    def __init__(self) -> None:
        self._answers: Tally[tuple[str, str, int]] = Tally()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def observer_of(self, route: str) -> Callable[[str, int, float], None]:
        answers, sums = self._answers, self._seconds
        buckets = self._buckets.setdefault(route, [0] * (len(_LATENCIES) + 1))
        sums.setdefault(route, 0.0)

        def observe(method: str, status: int, seconds: float) -> None:
            answers[route, method if method in _METHODS else "(other)", status] += 1
            buckets[bisect_left(_LATENCIES, seconds)] += 1
            sums[route] += seconds

        return observe

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "model_catalog_http_requests",
            "Requests answered.",
            labels=["route", "method", "status"],
        )
        for (route, method, status), count in self._answers.items():
            requests.add_metric([route, method, str(status)], count)
        yield requests
        latency = HistogramMetricFamily(
            "model_catalog_http_request_duration_seconds",
            "Time to make an answer, without sending it.",
            labels=["route"],
        )
        bounds = [*map(str, _LATENCIES), "+Inf"]
        for route, buckets in self._buckets.items():
            cumulated = list(zip(bounds, accumulate(buckets), strict=True))
            latency.add_metric([route], cumulated, self._seconds[route])
        yield latency
