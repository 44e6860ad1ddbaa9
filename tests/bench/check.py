#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Holds what was measured by BPF_PROG_TEST_RUN against a stored baseline: no absolute time, only how each program compares with
the floor of its run, and the one-line table with LRU_HASH. A ratio may be half as much again as the baseline's: what is worse
is no noise. When something became dearer for a good reason, or cheaper for long:

    tests/bench/check.py             compares $B/bench/check with tests/bench/baseline.json
    tests/bench/check.py --accept    makes what was measured the baseline
"""
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
from figures import Figures, ratio  # noqa: E402

BASELINE = pathlib.Path(__file__).resolve().parent / "baseline.json"
FOLDER = pathlib.Path(os.environ.get("B", "build")) / "bench/check"
MARGIN = 1.5
SIZES = [1, 10000, 131072]
PROGRAMS = [("tc", "tunnel_ingress"), ("tc", "return_egress"), ("tc", "uplink_ingress"), ("xdp", "uplink_xdp")]


def measured(figures):
    """Each ratio by its name."""
    found = {}
    for family in (4, 6):
        for flows in SIZES:
            where = f"v{family}, {flows} flows"
            for what in ("find", "insert"):
                rows = [figures.get("tables", what, rival, family, flows) for rival in ("ours", "LRU_HASH")]
                found[f"{what}: ours / LRU_HASH, {where}"] = ratio(*rows)
            for of, program in PROGRAMS:
                rows = [figures.get("programs", of, rival, family, flows, 1) for rival in (program, "floor")]
                found[f"{program} / floor, {where}"] = ratio(*rows)
    return {name: round(value, 3) for name, value in found.items() if value}


def compare(name, bound, value):
    """Prints how it stands. True: it is worse than it may be."""
    worse = value is None or value > bound * MARGIN
    says = "not measured" if value is None else f"{value:.2f}, baseline {bound:.2f}"
    print(f"{'FAIL' if worse else 'PASS'} bench-check: {name}: {says}")
    return worse


def main():
    found = measured(Figures(FOLDER))
    if sys.argv[1:] == ["--accept"]:
        BASELINE.write_text(json.dumps(found, indent=1) + "\n")
        return
    baseline = json.loads(BASELINE.read_text())
    worse = [compare(name, bound, found.get(name)) for name, bound in baseline.items()]
    sys.exit(any(worse))


main()
