"""How the pool of sessions is doing, as metrics."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from resumer_daemon.store.pool import Pool


class PoolGauges(Collector):
    """Tells what the pool counts of itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield its connections, who waits for one, and for how long."""
        said = self._pool.stats()
        idle = said.get("pool_available", 0)
        connections = GaugeMetricFamily(
            "resumer_pool_connections", "Connections of the pool.", labels=["state"]
        )
        connections.add_metric(["idle"], idle)
        connections.add_metric(["used"], said.get("pool_size", 0) - idle)
        yield connections
        yield GaugeMetricFamily(
            "resumer_pool_max_connections",
            "How many it may have (`RESUMER_POOL_SIZE`).",
            value=said.get("pool_max", 0),
        )
        yield GaugeMetricFamily(
            "resumer_pool_waiting",
            "Who waits for a connection now.",
            value=said.get("requests_waiting", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_requests",
            "Times that somebody wanted a connection.",
            value=said.get("requests_num", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_wait_seconds",
            "How long all of them waited together.",
            value=said.get("requests_wait_ms", 0) / 1000,
        )
        yield CounterMetricFamily(
            "resumer_pool_errors",
            "Connections that could not be opened, or were lost, or waited for in vain.",
            value=sum(
                said.get(what, 0)
                for what in ("connections_errors", "connections_lost", "requests_errors")
            ),
        )
