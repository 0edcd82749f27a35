"""… → readiness → **metrics** → apps

What Prometheus is told, read at the moment it asks. Needs `prometheus-client`; who does not import this module pays for
some plain additions, and for nothing else.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .hub import feeds, hubs
from .protocol import Close


class DatabindingCollector(Collector):
    """This process's sockets and what they were sent. `REGISTRY.register(DatabindingCollector())`"""

    def collect(self) -> Iterator[Metric]:
        every = hubs()
        counts = [hub.counts for hub in every]
        # Copies, each made in one step: this runs beside the event loop.
        subscriptions = [one for feed in feeds() for one in tuple(feed.subscriptions.values())]
        behind = [feed.behind_s or 0.0 for feed in feeds()]
        closes = sum((Counter(dict(each.closes)) for each in counts), Counter())

        yield gauge("sockets", "Sockets that are open.", sum(len(hub.lookout) for hub in every))
        yield gauge("subscriptions", "Different subscriptions: stream, params and groups.", len(subscriptions))
        yield gauge("members", "Sockets' places in them.", sum(len(one.members) for one in subscriptions))
        yield gauge("behind_seconds", "How long changes have waited to be handed on.", max(behind, default=0.0))
        yield counter("changes_read", "Changes read from the journal.", sum(each.changes for each in counts))
        yield counter("frames_sent", "Frames handed to sockets.", sum(each.frames for each in counts))
        yield counter("resets", "Subscriptions told to read again.", sum(each.resets for each in counts))
        closed = CounterMetricFamily(
            "channels_databinding_closes", "Sockets that this server closed.", labels=["code", "reason"]
        )
        for code in Close:  # those that are 0 too: who watches a rate needs its beginning
            closed.add_metric([str(code), code.name.lower().replace("_", " ")], closes[code])
        yield closed


def gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"channels_databinding_{name}", says, value)


def counter(name: str, says: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"channels_databinding_{name}", says, value)
