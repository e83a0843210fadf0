"""A line chart as SVG: measured points, a line through them, axes with units. Readable on light and dark."""

from html import escape
from math import ceil, floor, log10
from statistics import median

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 56
COLOURS = ("#3b82d6", "#d9822b", "#8a63d2", "#2f9e6e")
GREY, FAINT = "#80868f", "#80868f40"


def plain(value):
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def step_of(most):
    """A round step that gives four to eight marks."""
    rough = most / 6
    power = 10 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def chart(title, x_title, y_title, series, note=""):
    """`series`: [(name, [(x, [measured y, …]), …])]; x on a logarithmic axis. Points are all measured values, lines join medians."""
    xs = [x for _, points in series for x, _ in points]
    most = max(y for _, points in series for _, measured in points for y in measured)
    low, high = log10(min(xs)), log10(max(xs))
    step = step_of(most)
    top = ceil(most / step) * step

    def at_x(value):
        share = (log10(value) - low) / (high - low) if high > low else 0.5
        return LEFT + 12 + share * (WIDTH - LEFT - RIGHT - 24)

    def at_y(value):
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
           f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13" fill="{GREY}">',
           f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>']  # fmt: skip
    for number in range(round(top / step) + 1):
        value, y = number * step, at_y(number * step)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{plain(round(value, 6))}</text>')
    for x in sorted(set(xs)):
        out.append(f'<line x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" stroke="{GREY}"/>')
        out.append(f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{plain(x)}</text>')
    out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="{GREY}"/>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_title)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{escape(y_title)}</text>')
    at = LEFT
    for (name, points), colour in zip(series, COLOURS):
        line = " ".join(f"{at_x(x):.1f},{at_y(median(measured)):.1f}" for x, measured in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.2" fill="{colour}" fill-opacity="0.65"/>' for x, measured in points for y in measured]
        out.append(f'<circle cx="{at + 5}" cy="42" r="4" fill="{colour}"/><text x="{at + 14}" y="46">{escape(name)}</text>')
        at += 34 + 7 * len(name)
    if note:
        out.append(f'<text x="{WIDTH - RIGHT}" y="22" text-anchor="end" font-size="11">{escape(note)}</text>')
    return "\n".join([*out, "</svg>", ""])
