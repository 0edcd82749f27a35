"""What Prometheus is told of a process."""

import gc
import socket
import subprocess
import sys
from contextlib import closing
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from channels_databinding.metrics import DatabindingCollector
from databases import only
from example.consumers import Values
from example.models import IntegerValue
from process import environment


@pytest.fixture
def told(transactional_db):
    """Return `told(name, **labels)`: what a scrape says. Counters begin at 0 with each test."""
    gc.collect()  # the hubs of earlier event loops, unless somebody still holds one
    registry = CollectorRegistry()
    registry.register(DatabindingCollector())
    samples = [sample for metric in registry.collect() for sample in metric.samples if sample.name.endswith("_total")]
    before = {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    def told(name, **labels):
        name = f"channels_databinding_{name}"
        return registry.get_sample_value(name, labels) - before.get((name, *labels.values()), 0)

    return told


async def test_sockets_and_what_they_subscribe_to_are_counted_while_they_are_there(visit, told):
    browsers = [await visit(Values) for _ in range(3)]
    for browser in browsers:
        await browser.subscribe("intval")

    assert (told("sockets"), told("subscriptions"), told("members")) == (3, 1, 3)
    for browser in browsers:
        await browser.leave()
    assert (told("sockets"), told("subscriptions"), told("members")) == (0, 0, 0)


async def test_changes_and_frames_are_counted(visit, told):
    browsers = [await visit(Values) for _ in range(2)]
    for browser in browsers:
        await browser.subscribe("intval")
    before = told("changes_read_total"), told("frames_sent_total")

    await IntegerValue.objects.acreate(name="a", value=1)
    for browser in browsers:
        await browser.hear()

    assert (told("changes_read_total") - before[0], told("frames_sent_total") - before[1]) == (1, 2)


async def test_resets_are_counted(visit, told, settings):
    settings.CHANNELS_DATABINDING = {"reset_above": 1}
    browser = await visit(Values)
    await browser.subscribe("intval")

    await IntegerValue.objects.abulk_create(IntegerValue(name=name, value=1) for name in "ab")
    await browser.hear()

    assert told("resets_total") == 1


async def test_closes_are_counted_by_reason(visit, told, settings):
    settings.CHANNELS_DATABINDING = {"sockets_per_user": 1}
    alice = await User.objects.acreate(username="alice")

    for _ in range(3):
        await visit(Values, alice)

    assert told("closes_total", code="4413", reason="flooding") == 2
    assert told("closes_total", code="4408", reason="too slow") == 0


async def test_nobody_waits_where_nothing_changes(visit, told):
    assert told("behind_seconds") == 0


def test_names_are_as_prometheus_wants_them():
    registry = CollectorRegistry()
    registry.register(DatabindingCollector())

    families = list(text_string_to_metric_families(generate_latest(registry).decode()))

    assert len(families) == 8
    assert all(family.documentation.endswith(".") for family in families)


# ---- the project's own port for them

SERVE = """
import django, sys
django.setup()
from config.metrics import serve
serve()
print("serves", flush=True)
sys.stdin.read()
"""

ON_A_FILE = only("sqlite", "each process is on a file of its own, and asks it nothing")


@pytest.fixture
def process(tmp_path):
    """Return `process(metrics)`: what serves metrics, or would like to, and has said so."""
    processes = []

    def process(metrics):
        serving = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=environment(f"sqlite:///{tmp_path / 'db.sqlite3'}", "config.settings", METRICS=metrics),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(serving)
        assert serving.stdout.readline() == "serves\n"
        return serving

    yield process
    for serving in processes:
        serving.communicate()


def free_ports(count):
    """Return the first of so many free ports in a row."""
    while True:
        with closing(socket.socket()) as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for another in range(port + 1, port + count):
                    with closing(socket.socket()) as one:
                        one.bind(("127.0.0.1", another))
            except (OSError, OverflowError):
                continue
        return port


@ON_A_FILE
def test_each_process_is_asked_on_a_port_of_its_own(process):
    port = free_ports(2)

    for _ in range(2):
        process(f"127.0.0.1:{port}-{port + 1}")

    for one in (port, port + 1):
        assert b"channels_databinding_sockets 0.0" in urlopen(f"http://127.0.0.1:{one}/metrics").read()


@ON_A_FILE
def test_a_process_for_which_no_port_is_left_serves_all_the_same(process):
    port = free_ports(1)
    process(f"127.0.0.1:{port}")

    without = process(f"127.0.0.1:{port}")

    _, told = without.communicate()
    assert f"Metrics are not served: METRICS=127.0.0.1:{port} has no free port" in told


@ON_A_FILE
def test_without_the_setting_nobody_is_told_anything(process):
    serving = process("")

    told, _ = serving.communicate()
    assert told == ""
