#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The failure table in Markdown: rows.sh's lines on stdin, what was measured (SETTING ROW HOW FAMILY MOVED SILENT BACK LOST SENT STALL
HOLE FLAPS, a line a device and run) in a file. Median and worst over both families."""
import statistics
import sys

SETTING = {"ours-10": "ours, 10 ms", "ours-50": "ours, 50 ms", "frr-50": "FRR, 50 ms"}
GOALS = {
    ("path", "ours-10"): "60 ms",
    ("path", "ours-50"): "200 ms",
    ("path", "frr-50"): "300 ms",
    ("application", "ours-50"): "620 ms",
    ("application", "frr-50"): "620 ms",
    ("timeout", "ours-50"): "820 ms",
    ("timeout", "frr-50"): "820 ms",
    ("command", "ours-50"): "0 lost",
    ("command", "frr-50"): "0 lost",
}


def figures(values):
    """Median / worst; what was not there in a run ("-") is left out."""
    numbers = [int(v) for v in values if v != "-"]
    return f"{statistics.median_low(numbers)} / {max(numbers)}" if numbers else "–"


def cells(lines):
    for how in ("anew", "flow"):
        of = [line for line in lines if line[0] == how]
        for column in (2, 3, 4, 5):
            yield figures(line[column] for line in of)


def main():
    measured = {}
    for line in open(sys.argv[1]):
        setting, row, *rest = line.split()
        measured.setdefault((row, setting), []).append(rest)
    print("| what happens | provider's side, BFD × 3 | goal | new flows: other path, ms | silent, ms | answered again, ms | lost |"
          " one flow: other path, ms | silent, ms | answered again, ms | lost | flaps | stalled, ms | holes |")
    print("|" + "---|" * 14)
    for line in sys.stdin:
        name, settings, _, _, kind, what = line.split(None, 5)
        for setting in settings.split(","):
            lines = measured.get((name, setting))
            if not lines:
                continue
            flaps = sum(int(line[-1]) for line in lines if line[:2] == ["anew", "v4"])
            stalled = max(int(line[7]) for line in lines if line[0] == "flow")
            holes = sum(line[8] == "hole" for line in lines)
            print("|", " | ".join([what.strip(), SETTING[setting], GOALS.get((kind, setting), "–"), *cells(lines),
                                   str(flaps), str(stalled), str(holes)]), "|")


main()
