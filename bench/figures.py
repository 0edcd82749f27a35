"""**figures** → goals → report → compare

What was measured: medians, spread, ratios, and how they are written.
"""

from dataclasses import dataclass


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def written(number):
    """Write a number with as many digits as it has to say."""
    if number >= 100:
        return f"{round(number, -max(0, len(str(int(number))) - 3)):,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}" if number else "0"


@dataclass(frozen=True)
class Figures:
    """`values` are by (part, server, peer, name): one of each round. `about` is the machine, and what ran on it."""

    about: dict
    values: dict

    def median(self, *key):
        """Return the median of the rounds, None if it was not measured."""
        values = self.values.get(key)
        return median(values) if values else None

    def cell(self, *key):
        """Write the median and, where it matters, the lowest and the highest."""
        values = self.values.get(key)
        if not values:
            return "–"
        low, high, middle = written(min(values)), written(max(values)), written(median(values))
        return middle if low == high else f"{middle} <sub>{low}–{high}</sub>"

    def ratio(self, ours, theirs):
        """Return how many times theirs ours is, None if one was not measured."""
        ours, theirs = self.median(*ours), self.median(*theirs)
        return ours / theirs if ours is not None and theirs else None

    def as_json(self):
        return {"about": self.about, "figures": [[*key, values] for key, values in self.values.items()]}

    @classmethod
    def from_json(cls, told):
        return cls(told["about"], {tuple(key): values for *key, values in told["figures"]})
