"""Label sets are closed, so the number of series is bounded."""

import re
from collections.abc import Iterable, Sequence
from itertools import product
from typing import get_args

from prometheus_client import Counter, Gauge

from resumer_daemon.api.middleware import METHODS
from resumer_daemon.daemon.instrumentation import STEPS
from resumer_daemon.daemon.polling import WakeupSource
from resumer_daemon.engine.plan import Status
from resumer_daemon.engine.vocabulary import RequestKind, RequestOutcome
from resumer_daemon.store.gauges import REASONS, Gauges
from resumer_daemon.store.migration_files import known
from resumer_daemon.telemetry.metrics import Histogram, Metrics
from tests.unit.documents import ROOT, between, rows

SERIES = 2_200

PAGE = ROOT / "docs" / "http-api.md"
STATUSES = {"200", "202", "304", *re.findall(r"(?m)^\| ([45]\d\d) ", PAGE.read_text("utf-8"))}
ENDPOINTS = [endpoint.split() for endpoint, *_ in rows(between(PAGE, "endpoints"))]
OPEN = [("GET", path) for path in ("/api/v1/openapi.json", "/livez", "/readyz", "/metrics")]
REQUESTS = {
    *((route, method, status) for method, route in [*ENDPOINTS, *OPEN] for status in STATUSES),
    *((route, "other", "405") for _, route in [*ENDPOINTS, *OPEN]),
    *product(["other"], [*METHODS, "other"], STATUSES),
}
GUARD = next(m for m in known() if m.name == "functions/guard_decisions").up.decode()
OBJECTIONS = set(re.findall(r"WHEN .* THEN '(\w+)'", GUARD))
OPERATING = ROOT / "docs" / "operating.md"
CAUSES = {row[0] for row in rows(between(OPERATING, "causes"))}
RECONCILED = {row[0] for row in rows(between(OPERATING, "reconciled"))}
ERASED = {"requests", "events", "effects", "outbox", "pauses", "definitions"}
OUTCOMES = {*get_args(Status), *get_args(RequestOutcome), "done", "failed", "delivered", "dead"}
EVERY = {
    "trigger": {*get_args(RequestKind), "effect"},
    "kind": {*get_args(RequestKind), "webhook", "context"},
    "outcome": OUTCOMES,
    "cause": CAUSES,
    "source": set(get_args(WakeupSource)),
    "stage": {"commit", "claim", "advance", "record", "effects", "follow_up"},
    "type": {*STEPS, "unknown"},
    "reason": OBJECTIONS,
    "mode": {"notify", "poll"},
    "sqlstate_class": {f"{number:02d}" for number in range(60)},
    "table": {*ERASED, "resume_requests", "leases"},
    "task": {row[0] for row in rows(between(OPERATING, "tasks"))},
}


def test_all_label_values_make_a_bounded_number_of_series():
    """The bound is generous: it combines all label values, except those of HTTP."""
    made = Metrics()
    for collector in made.registry._collector_to_names:
        if isinstance(collector, Counter | Gauge | Histogram):
            [family] = [*collector.describe()]
            names = getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", ())
            for values in _together(family.name, names):
                collector.labels(*values)
    series = sum(len(family.samples) for family in made.registry.collect())
    assert 500 < series < SERIES - 100


def _together(metric: str, names: Sequence[str] | None) -> Iterable[tuple[str, ...]]:
    if metric == "resumer_reconciled":
        return product(sorted(RECONCILED))
    if names and "route" in names:
        return REQUESTS
    return product(*(sorted(EVERY[name]) for name in names)) if names else ()


def test_guard_reasons_are_read_from_the_migration():
    assert {"missing_approver", "self_approval", "after_expiry"} < OBJECTIONS


def test_foreign_pause_reasons_share_one_label():
    gauges = Gauges("")
    gauges.up = True
    gauges._pauses = [
        {"reason": reason, "open": 2, "oldest": float(age)}
        for age, reason in enumerate([*sorted(REASONS), *(f"my reason {n}" for n in range(500))])
    ]
    samples = [sample for family in gauges.collect() for sample in family.samples]
    told = {s.labels["reason"]: s.value for s in samples if s.name == "resumer_paused_executions"}
    assert told == {**dict.fromkeys(REASONS, 2), "other": 1000}
    ages = [s for s in samples if s.name == "resumer_oldest_pause_age_seconds"]
    assert max(s.value for s in ages if s.labels["reason"] == "other") == 504
