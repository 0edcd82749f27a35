"""… → tail → **pool** → …

The threads that wait for databases, so that the event loop never does: a few for all sockets of a process.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from django.db import InterfaceError, OperationalError, connections

T = TypeVar("T")

THREADS: Final = 4

threads = ThreadPoolExecutor(THREADS, thread_name_prefix="channels_databinding")


def work(do: Callable[..., T], *args: Any) -> T:
    """Do what a thread is for. If a database went away, once more: it may have been restarted."""
    sessions = {one.alias: one.connection for one in connections.all(initialized_only=True)}
    try:
        return do(*args)
    except (OperationalError, InterfaceError):
        lost = [connections[using] for using, session in sessions.items() if session and _is_lost(using, session)]
        if not lost:
            raise
        for connection in lost:
            connection.close()
        return do(*args)


def _is_lost(using: str, session: Any) -> bool:
    connection = connections[using]
    return connection.connection is not session or not connection.is_usable()


def let_go() -> None:
    """Close the threads' connections: nobody needs them for now, and a database cannot be dropped beside them."""
    together = threading.Barrier(THREADS, timeout=1)  # so that each thread takes one
    for _ in range(THREADS):
        threads.submit(_let_go, together)


def _let_go(together: threading.Barrier) -> None:
    connections.close_all()
    with suppress(threading.BrokenBarrierError):
        together.wait()
