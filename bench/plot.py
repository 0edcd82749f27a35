"""figures → **plot** → report → compare

One change until the median socket has it, by the number of sockets: an SVG, for light and dark pages.
"""

from math import log10

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 860, 400, 64, 82, 46, 76
SIZES = (1, 100, 1_000, 4_000)
TIMES_MS = (0.1, 1, 10, 100, 1_000, 10_000)
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #1f2328 }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  path { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .ours { stroke: #0969da; fill: #0969da } .channels { stroke: #bc4c00; fill: #bc4c00 }
  .dcrf { stroke: #8250df; fill: #8250df } .bare { stroke: #6e7781; fill: #6e7781 }
  path.ours, path.channels, path.dcrf, path.bare { fill: none } path.bare { stroke-dasharray: 5 4 }
  text.ours, text.channels, text.dcrf, text.bare { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d }
    .ours { stroke: #58a6ff; fill: #58a6ff } .channels { stroke: #f0883e; fill: #f0883e }
    .dcrf { stroke: #bc8cff; fill: #bc8cff } .bare { stroke: #9198a1; fill: #9198a1 }
  }"""


def plot(figures, servers, peers):
    """Return the SVG. `peers` are (name, label)."""
    panel = (WIDTH - LEFT - 2 * GAP) // len(servers) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Milliseconds until the median socket has a change, by the number of sockets">',
        f"<style>{STYLE}\n</style>",
    ]
    for n, server in enumerate(servers):
        parts += _panel(figures, server, peers, LEFT + n * (panel + GAP), panel)
    return "\n".join([*parts, *_legend(peers), "</svg>\n"])


def _panel(figures, server, peers, left, width):
    bottom = HEIGHT - BOTTOM

    def x(size):
        return left + 10 + (width - 20) * log10(size) / log10(SIZES[-1])

    def y(time_ms):
        return bottom - (bottom - TOP) * (log10(time_ms) + 1) / (log10(TIMES_MS[-1]) + 1)

    yield f'<text class="title" x="{left}" y="{TOP - 32}">{server}</text>'
    for time_ms in TIMES_MS:
        yield f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y(time_ms):.1f}" y2="{y(time_ms):.1f}"/>'
        label = f"{time_ms:,} ms" if time_ms < 1_000 else f"{time_ms // 1_000} s"
        yield f'<text x="{left - 8}" y="{y(time_ms) + 4:.1f}" text-anchor="end">{label}</text>'
    for size in SIZES:
        yield f'<text x="{x(size):.1f}" y="{bottom + 20}" text-anchor="middle">{size:,}</text>'
    for peer, _ in peers:
        points = [(x(size), figures.median("fanout", server, peer, f"{size}.median_ms")) for size in SIZES]
        points = [(at, y(max(time_ms, 0.1))) for at, time_ms in points if time_ms is not None]
        if points:
            yield f'<path class="{peer}" d="M' + " L".join(f"{at:.1f} {up:.1f}" for at, up in points) + '"/>'
            yield from (f'<circle class="{peer}" cx="{at:.1f}" cy="{up:.1f}" r="3.5"/>' for at, up in points)


def _legend(peers):
    at = LEFT
    for peer, label in peers:
        yield f'<circle class="{peer}" cx="{at + 5:.0f}" cy="16" r="5"/>'
        yield f'<text x="{at + 16:.0f}" y="20">{label.replace("`", "")}</text>'
        at += 40 + 7.2 * len(label)
    yield f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">sockets</text>'
