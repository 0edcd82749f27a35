"""Where Prometheus asks each server process. Not on the site's own port: several processes share that, and anybody may
ask there."""

import logging

from django.conf import settings
from prometheus_client import REGISTRY, start_http_server

from channels_databinding.metrics import DatabindingCollector

logger = logging.getLogger(__name__)


def serve() -> None:
    """Listen on the first free port of METRICS, such as `127.0.0.1:9100-9107`; do nothing where it is empty."""
    if not settings.METRICS:
        return
    address, _, ports = settings.METRICS.rpartition(":")
    first, _, last = ports.partition("-")
    REGISTRY.register(DatabindingCollector())
    reason: object = "none is named"
    for port in range(int(first), int(last or first) + 1):
        try:
            start_http_server(port, address or "127.0.0.1")
        except OSError as error:  # most likely another process of ours has it
            reason = error
        else:
            return
    logger.error("Metrics are not served: METRICS=%s has no free port (%s).", settings.METRICS, reason)
