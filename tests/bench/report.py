#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Tables, plots and goals from what tests/bench/run kept in $B/bench.

    tests/bench/report.py            prints them in Markdown, and draws the plots there
    tests/bench/report.py --docs     writes them into docs/performance.md, behind its marker, and docs/plots
"""
import os
import pathlib
import sys

sys.dont_write_bytecode = True
from figures import Figures, median, ratio, spread  # noqa: E402
from plot import plot  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("B", "build")) / "bench"
MARKER = "<!-- make bench: what follows is its report -->"
TABLE_SIZES = [1, 10000, 131072, 1048576]
FORWARD_SIZES = [1, 16384, 131072, 1048576]
TUNNELS = [2, 8, 32, 128, 1024]


# ---- Words --------------------------------------------------------------------------------------------------------------


def cell(row):
    """ns, and how far the turns lie apart."""
    return f"{median(row):,.0f} ± {100 * spread(row) / 2:.0f} %" if row else "–"


def rate(row):
    return f"{1e6 / median(row):,.0f} ± {100 * spread(row) / 2:.0f} %" if row else "–"


def times(value):
    return f"{value:.1f} ×" if value else "–"


def table(heads, lines):
    kept = [line for line in lines if any(word != "–" for word in line[len(heads) // 3 :])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *kept]) + "\n"


def conditions(figures):
    said = []
    for part, run in figures.runs.items():
        said.append(
            f"{part}: {run['when']}, tree {run.get('tree', 'unknown')}, Linux {run['kernel']}, "
            f"{run['processors']} × {run['processor']}, load {run['load'][0]:.1f} when it began and {run['load'][1]:.1f} at its end, {run['seconds']} s."
        )
    return "\n".join(f"- {line}" for line in said) + "\n"


# ---- Tables -------------------------------------------------------------------------------------------------------------


def of_tables(figures):
    lines = []
    for what in ("find", "insert"):
        for family in (4, 6):
            for flows in TABLE_SIZES:
                rows = {r: figures.get("tables", what, r, family, flows) for r in ("floor", "ours", "HASH", "LRU_HASH")}
                floor = figures.get("tables", "find", "floor", family, flows)
                if not rows["ours"]:
                    continue
                lines.append(
                    [what, f"v{family}", f"{flows:,}", cell(floor)]
                    + [cell(rows[r]) for r in ("ours", "HASH", "LRU_HASH")]
                    + [times(ratio(rows["LRU_HASH"], rows["ours"])), times(ratio(rows["LRU_HASH"], rows["ours"], floor))]
                )
    heads = ["", "", "flows", "floor, ns", "ours, ns", "HASH, ns", "LRU_HASH, ns", "LRU_HASH / ours", "beyond the floor"]
    return table(heads, lines)


def of_memory(figures):
    lines = []
    for rival in ("ours", "ours, counters", "HASH", "LRU_HASH", "conntrack"):
        row = figures.get("tables", "memory", rival)
        if row:
            lines.append([rival, f"{median(row):,.0f}"])
    return table(["", "bytes a flow"], lines)


PROGRAMS = [("tc", "tunnel_ingress"), ("tc", "return_egress"), ("tc", "uplink_ingress"), ("xdp", "uplink_xdp")]


def of_programs(figures):
    lines = []
    uncounted = [(of, f"{program}, no counters") for of, program in PROGRAMS[:2]]
    for of, program in [("tc", "floor"), *PROGRAMS[:3], *uncounted, ("xdp", "floor"), PROGRAMS[3]]:
        for family in (4, 6):
            rows = [figures.get("programs", of, program, family, flows, 1) for flows in TABLE_SIZES]
            name = f"{program}, {of.upper()}" if program == "floor" else program
            many = figures.get("programs", of, program, family, 10000, 1024)
            lines.append([name, f"v{family}", *[cell(row) for row in rows], cell(many)])
    heads = ["ns a packet", "", "1 flow", *[f"{flows:,} flows" for flows in TABLE_SIZES[1:]], "10,000 flows, 1,024 tunnels"]
    return table(heads, lines)


FLOOD = ["known", "known, beside known", "known, beside flood", "flood"]


def flood_rows(figures, family):
    return [figures.get("flood", "tc", rival, family, 100000, 1) for rival in FLOOD]


def left_in_flood(figures, family):
    """Of what known flows take beside as many packets of known flows: their own time, and the processor they share with the others."""
    known, beside_known, beside_flood, flood = flood_rows(figures, family)
    if not all((known, beside_known, beside_flood, flood)):
        return {"own": None, "shared": None}
    return {
        "own": ratio(beside_known, beside_flood),
        "shared": (median(beside_known) + median(known)) / (median(beside_flood) + median(flood)),
    }


def of_flood(figures):
    lines = [[f"v{family}", *[cell(row) for row in flood_rows(figures, family)[1:]]] for family in (4, 6)]
    return table(["ns a packet", "known flows beside known ones", "known flows beside a flood", "the flood"], lines)


RIVALS = {
    "request": ["floor", "ip_forward", "nft", "ours"],
    "response": ["floor", "ip_forward", "nft", "ours", "ours, home0"],
    "relay": ["floor", "ip_forward", "nft", "ours, XDP", "ours, TC", "ours, TC, no MAC"],
    "new": ["floor", "ip_forward", "nft", "ours", "ours, alone"],
}
BEST = {"request": "ours", "response": "ours", "relay": "ours, XDP", "new": "ours"}


def places(case):
    if case == "new":
        return [(family, 65536, 2) for family in (4, 6)]
    least = 1 if case == "relay" else 2
    known = [(4, flows, least) for flows in FORWARD_SIZES] + [(6, flows, least) for flows in FORWARD_SIZES[:3]]
    return known if case == "relay" else known + [(4, 16384, tunnels) for tunnels in TUNNELS[1:]]


def of_forwarding(figures, case):
    lines = []
    for family, flows, tunnels in places(case):
        rows = {r: figures.get("forward", case, r, family, flows, tunnels) for r in RIVALS[case]}
        ours, nft, floor = rows[BEST[case]], rows["nft"], rows["floor"]
        lines.append(
            [f"v{family}", f"{flows:,}", f"{tunnels:,}", *[rate(rows[r]) for r in RIVALS[case]]]
            + [times(ratio(nft, ours)), times(ratio(nft, ours, floor))]
        )
    heads = ["", "flows", "tunnels", *RIVALS[case], f"nft / {BEST[case]}", "beyond the floor"]
    return table(heads, lines)


FILTER = {
    "flood": ("a flood that nobody serves", ["floor", "no filter", "nft, input", "nft, prerouting", "ours"]),
    "served": ("what is served", ["no filter", "ours, elsewhere", "ours, tunnel", "ours, socket"]),
}
FILTER_SOURCES = 4096


def of_filter(figures, case):
    words, rivals = FILTER[case]
    lines = []
    for family in (4, 6):
        rows = {r: figures.get("filter", case, r, family, FILTER_SOURCES) for r in rivals}
        said = [cell(rows[r]) for r in rivals]
        if case == "flood":
            said += [times(ratio(rows[r], rows["ours"])) for r in rivals[1:4]]
        lines.append([words, f"v{family}", *said])
    heads = ["ns a packet", "", *rivals] + ([f"{r} / ours" for r in rivals[1:4]] if case == "flood" else [])
    return table(heads, lines)


def of_daemons(figures):
    lines = []
    for (part, of, _, _, flows, tunnels), row in figures.rows.items():
        if part == "daemons" and row["samples"] and not row["unsound"]:
            lines.append([of, f"{flows:,} flows" if flows else f"{tunnels:,} tunnels", cell(row)])
    return table(["", "", "ms"], lines)


# ---- Goals --------------------------------------------------------------------------------------------------------------


def find_ratio(figures, what, family):
    ours = figures.get("tables", what, "ours", family, 1048576)
    floor = figures.get("tables", "find", "floor", family, 1048576)
    return ratio(ours, figures.get("tables", what, "LRU_HASH", family, 1048576), floor)


def forward_ratio(figures, case, flows, tunnels, family):
    rows = [figures.get("forward", case, rival, family, flows, tunnels) for rival in ("nft", BEST[case])]
    return ratio(*rows)


def tunnels_ratio(figures, case, rival="ours"):
    """What 1024 tunnels cost more than 2, each beyond the floor of its own run."""
    more = []
    for tunnels in (1024, 2):
        row = figures.get("forward", case, rival, 4, 16384, tunnels)
        floor = figures.get("forward", case, "floor", 4, 16384, tunnels)
        more.append(median(row) - median(floor) if row and floor else None)
    return more[0] / more[1] if all(more) else None


def tunnels_words(figures, case):
    """Beside it what they cost the kernel that forwards by itself."""
    alone = tunnels_ratio(figures, case, "ip_forward")
    return f"a {case} among 1,024 tunnels / among 2, beyond the floor" + (f" (ip_forward alone: {alone:.2f})" if alone else "")


def program_tunnels_ratio(figures, family):
    rows = [figures.get("programs", "tc", "return_egress", family, 10000, tunnels) for tunnels in (1024, 1)]
    return median(rows[0]) / median(rows[1]) if all(rows) else None


def seconds(figures, of):
    row = figures.get("daemons", of, "ours", 0, 1048576, 0)
    return median(row) / 1000 if row else None


def both(measure, *of):
    return [measure(*of, family) for family in (4, 6)]


def goals(figures):
    """What is wanted, and what is: of IPv4 and of IPv6, or of both at once."""
    memory = figures.get("tables", "memory", "ours")
    flood = [left_in_flood(figures, family) for family in (4, 6)]
    return [
        ("TC path, response, 16,384 flows: nft / ours", ">= 2.5", both(forward_ratio, figures, "response", 16384, 2)),
        ("TC path, request, 16,384 flows: nft / ours", ">= 2.5", both(forward_ratio, figures, "request", 16384, 2)),
        ("XDP path, relay, 16,384 flows: nft / ours", ">= 5", both(forward_ratio, figures, "relay", 16384, 1)),
        ("return_egress with 1,024 tunnels / with one", "<= 1.05", both(program_tunnels_ratio, figures)),
        (tunnels_words(figures, "response"), "<= 1.05", [tunnels_ratio(figures, "response")]),
        (tunnels_words(figures, "request"), "<= 1.05", [tunnels_ratio(figures, "request")]),
        ("finding a flow among a million: ours / LRU_HASH, beyond the floor", "<= 0.25", both(find_ratio, figures, "find")),
        ("inserting a million flows: ours / LRU_HASH, beyond the floor", "<= 0.5", both(find_ratio, figures, "insert")),
        ("bytes a flow at half load, without counters", "<= 130", [median(memory) if memory else None]),
        ("new flows: nft / ours", ">= 2", both(forward_ratio, figures, "new", 65536, 2)),
        ("known flows in a flood, by the time of their own packets", ">= 0.9", [left["own"] for left in flood]),
        ("known flows in a flood, a packet of it for each, on one processor", ">= 0.9", [left["shared"] for left in flood]),
        ("restart with a million flows, s", "<= 1", [seconds(figures, "restart")]),
    ]


def is_met(goal, value):
    """As it is shown."""
    relation, bound = goal.split()
    return round(value, 2) >= float(bound) if relation == ">=" else round(value, 2) <= float(bound)


def of_goals(figures):
    lines = []
    for words, goal, values in goals(figures):
        known = [value for value in values if value is not None]
        met = [is_met(goal, value) for value in known]
        verdict = "not measured" if not met else "met" if all(met) else "**missed**" if not any(met) else "**missed** by one"
        said = [f"{value:.2f}" if value is not None else "–" for value in values]
        lines.append([words, goal.replace(">=", "≥").replace("<=", "≤"), *said, *[""] * (2 - len(said)), verdict])
    return table(["", "goal", "is, v4 or both", "v6", ""], lines)


# ---- Plots --------------------------------------------------------------------------------------------------------------


def points(figures, part, of, rival, sizes, by_tunnels=False, tunnels=0):
    for size in sizes:
        where = (16384, size) if by_tunnels else (size, tunnels)
        row = figures.get(part, of, rival, 4, *where)
        if row:
            yield size, median(row)


def plots(figures):
    """By file name, what is to be drawn: title, words of the axes, lines."""
    table_lines = {r: list(points(figures, "tables", "find", r, TABLE_SIZES)) for r in ("LRU_HASH", "HASH", "ours", "floor")}
    program_lines = {p: list(points(figures, "programs", of, p, TABLE_SIZES, tunnels=1)) for of, p in PROGRAMS}
    found = {
        "find-by-flows.svg": ("Finding a flow", "flows known", "ns", table_lines),
        "programs-by-flows.svg": ("A packet in each program", "flows known", "ns", program_lines),
    }
    for case, title in (("request", "A request, forwarded"), ("response", "A response, forwarded"), ("relay", "A relay")):
        tunnels = 1 if case == "relay" else 2
        lines = {r: list(points(figures, "forward", case, r, FORWARD_SIZES, tunnels=tunnels)) for r in RIVALS[case]}
        found[f"{case}-by-flows.svg"] = (title, "flows known", "ns a packet", lines)
        if case == "relay":
            continue
        lines = {r: list(points(figures, "forward", case, r, TUNNELS, True)) for r in RIVALS[case]}
        found[f"{case}-by-tunnels.svg"] = (title + ", 16,384 flows", "tunnels", "ns a packet", lines)
    return {name: drawn for name, drawn in found.items() if any(len(line) > 1 for line in drawn[3].values())}


def draw(figures, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in plots(figures).items():
        (folder / name).write_text(plot(*drawn))


# ---- All of it ----------------------------------------------------------------------------------------------------------


def picture(figures, name, words):
    return f"\n![{words}](plots/{name})\n" if name in plots(figures) else ""


def sections(figures):
    yield "### Goals", of_goals(figures)
    yield "### Finding and inserting a flow", of_tables(figures) + picture(
        figures, "find-by-flows.svg", "ns to find a flow, by how many are known"
    )
    yield "### Memory", of_memory(figures)
    yield "### A packet in each program", of_programs(figures) + picture(
        figures, "programs-by-flows.svg", "ns of a packet in each program, by how many flows are known"
    )
    yield "### A flood of new flows", of_flood(figures)
    for case, title in (
        ("request", "### Forwarding a request, kpps"),
        ("response", "### Forwarding a response, kpps"),
        ("relay", "### Relaying a response that surfaced, kpps"),
        ("new", "### New flows, thousands a second"),
    ):
        drawn = [picture(figures, f"{case}-by-{what}.svg", f"ns a packet, by {what}") for what in ("flows", "tunnels")]
        yield title, of_forwarding(figures, case) + "".join(drawn)
    yield "### An uplink's filter", of_filter(figures, "flood") + "\n" + of_filter(figures, "served")
    yield "### Daemons", of_daemons(figures)


def report(figures):
    said = [conditions(figures)]
    said += [f"{title}\n\n{body}" for title, body in sections(figures) if body.count("\n") > 2]
    bad = figures.unsound()
    if bad:
        said.append("No figures, since packets were lost or went astray:\n")
        said += [f"- {row['of']}, {row['rival']}, v{row['family']}, {row['flows']:,} flows: {row['unsound']}" for row in bad]
    return "\n".join(said)


def main():
    figures = Figures(FOLDER)
    if not figures.runs:
        sys.exit(f"bench: nothing was measured: {FOLDER} is empty. Try: make bench")
    if sys.argv[1:] != ["--docs"]:
        draw(figures, FOLDER)
        print(report(figures))
        return
    page = ROOT / "docs/performance.md"
    before, marker, _ = page.read_text().partition(MARKER)
    if not marker:
        sys.exit(f"bench: {page} has no line {MARKER}")
    draw(figures, ROOT / "docs/plots")
    page.write_text(f"{before}{marker}\n\n{report(figures)}")


main()
