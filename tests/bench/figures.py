# SPDX-License-Identifier: Apache-2.0
"""What tests/bench/run kept, found by what it is of, and how two figures of one run compare."""
import json
import pathlib
import statistics


class Figures:
    """The rows of all parts that were measured, and when and how."""

    def __init__(self, folder):
        self.runs = {}
        self.rows = {}
        for path in sorted(pathlib.Path(folder).glob("*.json")):
            run = json.loads(path.read_text())
            self.runs[run["part"]] = run
            for row in run["rows"]:
                key = (row["part"], row["of"], row["rival"], row["family"], row["flows"], row["tunnels"])
                self.rows[key] = row

    def get(self, part, of, rival, family=0, flows=0, tunnels=0):
        """The row, or None when it was not measured or is no figure."""
        row = self.rows.get((part, of, rival, family, flows, tunnels))
        return row if row and row["samples"] and not row["unsound"] else None

    def unsound(self):
        return [row for row in self.rows.values() if row["unsound"]]


def median(row):
    return statistics.median(row["samples"])


def spread(row):
    """All that lies between the least and the most, by the median."""
    return (max(row["samples"]) - min(row["samples"])) / median(row) if median(row) else 0


def ratio(row, other, floor=None):
    """How often one costs the other, taken in turns: the median of the turns. With a floor: beyond it."""
    if not row or not other:
        return None
    floors = floor["samples"] if floor else [0] * len(row["samples"])
    turns = [
        (a - f) / (b - f) for a, b, f in zip(row["samples"], other["samples"], floors) if a > f and b > f
    ]
    return statistics.median(turns) if turns else None
