"""The numbers this process tells: every metric is named once, in `DEFINITIONS`; the documentation lists the same.

The edge counts in plain dictionaries (half a microsecond a request); Prometheus' own counters would cost seven times
that. They become Prometheus' text only when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    sentence: str
    labels: tuple[str, ...] = ()


DEFINITIONS = {
    definition.name: definition
    for definition in (
        Definition(
            "ostiary_requests_total",
            "counter",
            "Requests answered, by route template, method and status.",
            ("route", "method", "status"),
        ),
        Definition(
            "ostiary_request_seconds", "histogram", "Seconds from a request's arrival to its answer's end.", ("route",)
        ),
        Definition("ostiary_requests_in_flight", "gauge", "Requests under way now."),
        Definition("ostiary_unexpected_errors_total", "counter", "Requests that ended in an unexpected error (500)."),
        Definition("ostiary_storage_unavailable_total", "counter", "Requests refused for want of the database (503)."),
        Definition(
            "ostiary_audit_write_failures_total",
            "counter",
            "Requests refused because what they changed could not be written to the log (503).",
        ),
        Definition("ostiary_hash_threads", "gauge", "Threads that hash passwords."),
        Definition("ostiary_hash_active", "gauge", "Password hashes under way now."),
        Definition("ostiary_hash_waiting", "gauge", "Callers that wait for a password hash."),
        Definition("ostiary_hashes_total", "counter", "Password hashes computed since the start."),
        Definition("ostiary_access_log_dropped_total", "counter", "Access log lines that could not be written."),
        Definition("ostiary_live_sessions", "gauge", "Sessions that had not ended, counted within the last minute."),
        Definition("ostiary_ledger_events", "gauge", "Events that have their number, seen within the last 10 seconds."),
        Definition("ostiary_ledger_unnumbered_events", "gauge", "Events that wait for their number; usually 0."),
        Definition(
            "ostiary_ledger_uncovered_seconds",
            "gauge",
            "Age of the oldest event that no checkpoint outside the database covers; 0 where all are covered.",
        ),
        Definition(
            "ostiary_siem_lag_events", "gauge", "Numbered events that a receiver does not have yet.", ("exporter",)
        ),
        Definition("ostiary_siem_lag_seconds", "gauge", "Seconds for which the oldest of them waits.", ("exporter",)),
        Definition("ostiary_feed_entries", "gauge", "The number of the feed's newest entry, as this process knows it."),
        Definition("ostiary_feed_followers", "gauge", "Streams of services that follow the feed through this process."),
        Definition(
            "ostiary_feed_age_seconds",
            "gauge",
            "Seconds since this process read the feed; above 1 its followers hear nothing.",
        ),
        Definition(
            "ostiary_place_file_good",
            "gauge",
            "1 where a file of places or addresses is in use as it is; 0 where it is missing or damaged, and its last"
            " good version, if there was one, stays in use.",
            ("file",),
        ),
        Definition("ostiary_place_file_versions_total", "counter", "Versions of the file taken into use.", ("file",)),
        Definition("ostiary_place_file_refusals_total", "counter", "Times that the file went bad.", ("file",)),
        Definition("ostiary_resident_bytes", "gauge", "Memory of this process that is in RAM."),
        Definition("ostiary_start_time_seconds", "gauge", "When this process started, in seconds since 1970."),
    )
}


class Metrics(Collector):
    """What this process has counted, and the gauges that others hand in."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.in_flight = 0
        self.unexpected_errors = 0
        self.storage_unavailable = 0
        self.audit_write_failures = 0
        self._latency: dict[str, list[float]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._labelled: dict[str, Callable[[], Mapping[tuple[str, ...], float]]] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answered request. `route` is a template, never a path that somebody typed."""
        key = route, method if method in METHODS else "other", status
        self.requests[key] = self.requests.get(key, 0) + 1
        row = self._latency.get(route)
        if row is None:
            # A number a bucket, the one beyond the last, and the sum.
            row = self._latency[route] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Registers where a metric without labels (a counter too) is read from when somebody asks."""
        self._gauges[name] = read

    def labelled_gauge(self, name: str, read: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """Registers where a metric with labels is read from: numbers by the values of its labels, in their order."""
        self._labelled[name] = read

    def collect(self) -> Iterator[Family]:
        """Every metric, as Prometheus' client takes them."""
        yield self._requests()
        yield self._seconds()
        own = {
            "ostiary_requests_in_flight": self.in_flight,
            "ostiary_unexpected_errors_total": self.unexpected_errors,
            "ostiary_storage_unavailable_total": self.storage_unavailable,
            "ostiary_audit_write_failures_total": self.audit_write_failures,
        }
        for name, number in {**own, **{name: read() for name, read in self._gauges.items()}}.items():
            family = _family(DEFINITIONS[name])
            family.add_metric([], number)
            yield family
        yield from (self._by_labels(name, read()) for name, read in self._labelled.items())

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def _requests(self) -> Family:
        family = _family(DEFINITIONS["ostiary_requests_total"])
        for (route, method, status), number in sorted(self.requests.items()):
            family.add_metric([route, method, str(status)], number)
        return family

    def _by_labels(self, name: str, numbers: Mapping[tuple[str, ...], float]) -> Family:
        family = _family(DEFINITIONS[name])
        for labels, number in sorted(numbers.items()):
            family.add_metric(labels, number)
        return family

    def _seconds(self) -> Family:
        definition = DEFINITIONS["ostiary_request_seconds"]
        family = HistogramMetricFamily(definition.name, definition.sentence, labels=definition.labels)
        for route, row in sorted(self._latency.items()):
            total, buckets = 0.0, []
            for bound, number in zip((*map(str, BUCKETS), "+Inf"), row[:-1], strict=True):
                total += number
                buckets.append((bound, total))
            family.add_metric([route], buckets, row[-1])
        return family


def _family(definition: Definition) -> CounterMetricFamily | GaugeMetricFamily:
    made = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    return made(definition.name, definition.sentence, labels=definition.labels)
