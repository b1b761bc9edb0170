"""Metrics for Prometheus: events by outcome, commits, waiting events, refusals by cause, age of the log's proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from ledger.ingest.acknowledged import Counts

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One server's own registry of metrics, so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("settle_events", "Events taken in, by outcome.", ["outcome"], registry=self.registry)
        self.requests = Counter(
            "settle_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.refusals = Counter("settle_refusals", "Requests refused, by cause.", ["cause"], registry=self.registry)
        self.seconds = Histogram(
            "settle_request_seconds", "How long a request took.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.waiting = Gauge("settle_waiting_events", "Events that wait for a commit.", registry=self.registry)
        self.in_flight = Gauge("settle_in_flight_bytes", "Bytes of bodies in memory.", registry=self.registry)
        self.behind = Gauge(
            "settle_consumer_behind",
            "Messages that waited in a broker's partition after the newest group taken.",
            ["stream", "partition"],
            registry=self.registry,
        )
        self.size = Gauge("settle_log_size", "Entries of the newest checkpoint.", registry=self.registry)

    def count(self, counts: Counts) -> None:
        """Count the outcomes of a request's events."""
        for outcome in ("accepted", "duplicates", "conflicts", "quarantined"):
            if number := getattr(counts, outcome):
                self.events.labels(outcome).inc(number)

    def text(self) -> bytes:
        return generate_latest(self.registry)
