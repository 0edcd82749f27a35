"""figures → **goals** → report → compare

What was to be reached, from `DESIGN.md`, and whether it is. Each goal is a row of the page for each server.
"""

from figures import written

SERVERS = ("daphne", "uvicorn")


def goals(figures):
    """Yield (goal, server, figure, whether it is reached). What was not measured is left out."""
    for server in SERVERS:
        for goal, figure, reached in _of(figures, server):
            if figure is not None:
                yield goal, server, figure, reached


def _of(figures, server):
    def get(part, peer, name):
        return figures.median(part, server, peer, name)

    def beside(part, name, peer):
        """Return our figure, the other's, and ours as a multiple of it."""
        ours, other = get(part, "ours", name), get(part, peer, name)
        return ours, other, ours / other if ours is not None and other else None

    ours, other, times = beside("fanout", "1000.per_s", "bare")
    if server == "daphne" and ours:
        yield "1,000 sockets: at least 45,000 deliveries a second", f"{written(ours)}", ours >= 45_000
    if times:
        told = f"{written(ours)} a second, {written(times)} × {written(other)}"
        yield "… and past the bare loop", told, times >= 1
    ours, other, times = beside("fanout", "1000.per_s", "dcrf")
    if times:
        told = f"{written(times)} × {written(other)}"
        yield "… at least 15 × djangochannelsrestframework", told, times >= 15
    ours, other, times = beside("fanout", "1000.cpu_us", "bare")
    if times:
        told = f"{written(ours)} µs, {written(times)} × {written(other)}"
        yield "1,000 sockets: CPU per delivery at most 1.6 × bare loop", told, times <= 1.6
    ours, other, times = beside("fanout", "1000.one_cpu_us", "bare")
    if times:
        told = f"{written(ours)} µs, {written(times)} × {written(other)}"
        yield "… the same, one change at a time", told, times <= 1.6
    for size, more_ms in ((1_000, 3), (4_000, 5)):
        ours, other, times = beside("fanout", f"{size}.median_ms", "bare")
        if times:
            most = 1.3 * other + more_ms
            goal = f"{size:,} sockets: the median has a change within 1.3 × bare loop + {more_ms} ms"
            yield goal, f"{written(ours)} ms, allowed {written(most)}", ours <= most
    ours = get("fanout", "ours", "1.median_ms")
    if ours:
        yield "Save until one other has it: at most 5 ms", f"{written(ours)} ms", ours <= 5
    ours = get("fanout", "ours", "echo.p99_ms")
    if ours:
        most = get("fanout", "ours", "echo.most_ms")
        told = f"99 % within {written(ours)} ms, the longest {written(most)}"
        yield "4,000 sockets: a bystander's ping within 4 ms meanwhile", told, ours <= 4
    ours = get("back", "ours", "queries")
    if ours is not None:
        yield "1,000 back at once: one query", written(ours), ours <= 1
    ours, other, times = beside("writes", "50.per_s", "dcrf")
    if times:
        told = f"{written(ours)} a second, {written(times)} × {written(other)}"
        yield "50 writers: at least 3 × djangochannelsrestframework", told, times >= 3
    if ours:
        yield "… and 1,500 a second", f"{written(ours)} a second", ours >= 1_500
    ours, other, times = beside("memory", "socket_kb", "hello")
    if times:
        told = f"{written(ours)} KB, {written(times)} × {written(other)}"
        yield "An idle socket: no more memory than one of plain Channels", told, times <= 1
