# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG: lines over a logarithmic x, readable on a light page and a dark one."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 46, 54
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#767676"]  # told apart by who sees few colours


def number(value):
    return f"{value:,.0f}"


def round_up(value):
    """The next of 1, 1.5, 2, 3, 5, 10 …"""
    step = 10 ** math.floor(math.log10(value))
    return next(step * times for times in (1, 1.5, 2, 3, 5, 10) if value <= step * times)


class Frame:
    """Where values stand on the page."""

    def __init__(self, xs, top):
        self.xs = [math.log(x) for x in xs]
        self.top = top

    def x(self, value):
        first, last = self.xs[0], self.xs[-1]
        return LEFT + (math.log(value) - first) / ((last - first) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", colour="#767676", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{escape(words)}</text>'


def axes(frame, xs, title, x_words, y_words):
    yield text(LEFT, 22, title, "start", size=16)
    yield text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 10, x_words)
    yield text(LEFT - 60, TOP - 10, y_words, "start")
    for x in xs:
        yield text(frame.x(x), HEIGHT - BOTTOM + 20, number(x))
    for part in range(6):
        value = frame.top * part / 5
        y = frame.y(value)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#767676" stroke-opacity="0.3"/>'
        yield text(LEFT - 8, y + 4, number(value), "end")


def line(frame, points, colour):
    way = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5" fill="{colour}"/>'


def names_apart(frame, lines):
    """Where the lines' names stand: at their ends, and not upon each other."""
    ends = sorted((frame.y(points[-1][1]), name) for name, points in lines.items())
    places, last = {}, TOP - 20
    for y, name in ends:
        last = max(y, last + 17)
        places[name] = last
    return places


def plot(title, x_words, y_words, lines):
    """`lines`: by name, points (x, y) in order of x. The SVG's text."""
    lines = {name: points for name, points in lines.items() if points}
    xs = sorted({x for points in lines.values() for x, _ in points})
    frame = Frame(xs, round_up(max(y for points in lines.values() for _, y in points)))
    places = names_apart(frame, lines)
    drawn = list(axes(frame, xs, title, x_words, y_words))
    for (name, points), colour in zip(lines.items(), COLOURS):
        drawn += line(frame, points, colour)
        drawn.append(text(frame.x(points[-1][0]) + 12, places[name] + 4, name, "start", colour))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            "<!-- SPDX-License-Identifier: Apache-2.0 -->",
            *drawn,
            "</svg>\n",
        ]
    )
