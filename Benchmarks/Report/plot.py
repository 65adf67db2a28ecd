"""Draws curves as SVG: logarithmic axes, points, and words that can be read on light and on dark ground."""

import math
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 32, 44, 56
COLOURS = ["#2f7ed8", "#d9822b", "#3a9d5d", "#a05195"]
DASHES = ["", "7 4", "2 3", "9 3 2 3"]

STYLE = """
  text { font: 13px sans-serif; fill: #444 }
  .title { font-weight: bold; font-size: 15px }
  .axis { stroke: #777; fill: none }
  .grid { stroke: #8884; fill: none }
  .curve { stroke-width: 2.5; fill: none }
  .limit { stroke: #c0392b; stroke-width: 1.5; stroke-dasharray: 4 4 }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } .axis { stroke: #999 } }
"""


class Axis:
    """From values to places: logarithmic, over whole powers of ten; or from zero."""

    def __init__(self, values, start, end, logarithmic):
        self.start, self.end, self.logarithmic = start, end, logarithmic
        if logarithmic:
            self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            self.high = max(self.high, self.low + 1)
            self.ticks = [10.0**power for power in range(self.low, self.high + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(values)))
            while max(values) / step < 4:
                step /= 2
            count = math.ceil(max(values) / step)
            self.low, self.high = 0, count * step
            self.ticks = [step * index for index in range(count + 1)]

    def place(self, value):
        value = math.log10(value) if self.logarithmic else value
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def label(value):
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def draw(title, x_title, y_title, curves, logarithmic=True, limit=None):
    """An SVG document.

    curves: (name, [(x, y), …]); of one curve no name is shown. limit: (y, name) of a line across.
    """
    points = [point for _, curve in curves for point in curve]
    heights = [y for _, y in points] + ([limit[0]] if limit else [])
    horizontal = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, True)
    vertical = Axis(heights, HEIGHT - BOTTOM, TOP, logarithmic)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f"<title>{escape(title)}</title><style>{STYLE}</style>",
           f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>']
    for tick in horizontal.ticks:
        x = horizontal.place(tick)
        out.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label(tick)}</text>')
    for tick in vertical.ticks:
        y = vertical.place(tick)
        out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label(tick)}</text>')
    out.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_title)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">{escape(y_title)}</text>')
    if limit:
        y = vertical.place(limit[0])
        out.append(f'<path class="limit" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
                   f'<text x="{LEFT + 8}" y="{y - 6:.1f}">{escape(limit[1])}</text>')
    for index, (name, curve) in enumerate(curves):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        places = [(horizontal.place(x), vertical.place(y)) for x, y in curve]
        out.append(f'<polyline class="curve" stroke="{colour}" stroke-dasharray="{dash}" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        if len(curves) > 1:
            x, y = WIDTH - RIGHT - 104 * (len(curves) - index), 18
            out.append(f'<path class="curve" stroke="{colour}" stroke-dasharray="{dash}" d="M{x} {y}h34"/>'
                       f'<text x="{x + 42}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
