#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What went wrong during a soak, beside what is excused: a table by kind of traffic, then each thing that is not excused.

    ledger.py FOLDER     reads traffic.*, excused, actions, drops; status 1 if anything is not excused

Datagrams are judged by when they were sent: excused if that was between BEGIN (less SLACK: what was on its way) and END.
What came damaged or twice never is, and no connection.
"""
import glob
import sys
from collections import Counter, defaultdict

SLACK = 0.5  # from a device's clock to the far end of a path, on a busy machine
SHOWN = 20
CONNECTIONS = {"page", "download", "upload"}
folder = sys.argv[1]


def lines_of(name):
    try:
        with open(f"{folder}/{name}") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def excuses():
    for line in lines_of("excused"):
        begin, end, who, _ = line.split(" ", 3)
        yield float(begin) - SLACK, float(end), who


def is_excused(windows, sent, who, kind, outcome):
    if kind in CONNECTIONS or outcome in ("damaged", "twice"):
        return False
    return any(begin <= sent <= end and who == whose for begin, end, whose in windows)


def during(start):
    """The action that ran then, or the last one before."""
    last = "before any action"
    for line in lines_of("actions"):
        begin, words = line.split(" ", 1)
        if float(begin) > start:
            break
        last = f"{start - float(begin):.1f} s into {words}"
    return last


def counted(found):
    """What the kernels counted while something of that was on its way: here it may have been lost."""
    sums = Counter()
    for line in lines_of("drops"):
        time, machine, name, more = line.split()
        if any(start - SLACK <= float(time) <= start + 2 * SLACK for start, _, _ in found):
            sums[machine, name] += int(more)
    for (machine, name), more in sums.most_common():
        print(f"  at that time {machine} counted {name} {more}")


def main():
    windows, sent, good = list(excuses()), Counter(), Counter()
    excused, guilty, found = defaultdict(Counter), defaultdict(Counter), []
    for path in sorted(glob.glob(f"{folder}/traffic.*")):
        for line in lines_of(path[len(folder) + 1:]):
            words = line.split()
            if words[0] == "total":
                _, _, kind, family, count, answered = words
                sent[kind, family] += int(count)
                good[kind, family] += int(answered)
            elif words[0] != "done":
                start, end, who, kind, family, outcome = words[:6]
                fits = is_excused(windows, float(start), who, kind, outcome)
                (excused if fits else guilty)[kind, family][outcome] += 1
                if not fits:
                    found.append((float(start), float(end), " ".join(words[2:])))
    print(f"  {'traffic':14}{'sent':>9}{'good':>9}  excused, and not excused")
    for row in sorted(sent):
        told = [" ".join(f"{n} {outcome}" for outcome, n in sorted(c[row].items())) or "-" for c in (excused, guilty)]
        print(f"  {' '.join(row):14}{sent[row]:9}{good[row]:9}  {told[0]}; {told[1]}")
        if not good[row]:
            found.append((0, 0, f"{' '.join(row)}: none was good"))
        if sent[row] != good[row] + sum((excused[row] + guilty[row]).values()) - guilty[row]["twice"]:
            found.append((0, 0, f"{' '.join(row)}: the numbers do not add up"))
    if not sent:
        found.append((0, 0, "no traffic"))
    counted(found)
    for start, end, words in sorted(found)[:SHOWN]:
        print(f"  NOT EXCUSED {words}, {end - start:.1f} s long, {during(start)}")
    if len(found) > SHOWN:
        print(f"  … and {len(found) - SHOWN} more")
    return bool(found)


sys.exit(main())
