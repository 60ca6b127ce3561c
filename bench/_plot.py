"""A small plot as SVG: panels side by side, each with one or more lines over a logarithmic axis of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from pathlib import Path

WIDTH, HEIGHT, COLUMNS = 300, 210, 3
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 30, 28
INKS = ("#1b6ca8", "#c8553d", "#588157")
Lines = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: a title, and named lines with a value for each size."""

    title: str
    lines: Lines


def write(path: Path, sizes: Sequence[int], panels: Sequence[Panel]) -> None:
    """Draw all panels into one file."""
    rows = ceil(len(panels) / COLUMNS)
    wide, high = WIDTH * COLUMNS, HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" font-family="sans-serif" font-size="11">'
    ]
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * WIDTH},{row * HEIGHT})">')
        parts += _drawn(panel, sizes)
        parts.append("</g>")
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _drawn(panel: Panel, sizes: Sequence[int]) -> list[str]:
    top = _round_up(max(value for line in panel.lines.values() for value in line))
    base = HEIGHT - BOTTOM
    parts = [f'<text x="{LEFT}" y="14" font-weight="bold">{panel.title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = base - share * (base - TOP)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{top * share:g}</text>')
    for size in sizes:
        parts.append(f'<text x="{_x(size, sizes):.1f}" y="{base + 15}" text-anchor="middle">{size:,}</text>')
    for number, (name, values) in enumerate(panel.lines.items()):
        ink = INKS[number % len(INKS)]
        points = [
            (_x(size, sizes), base - value / top * (base - TOP))
            for size, value in zip(sizes, values, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{ink}"/>' for x, y in points]
        parts.append(f'<text x="{LEFT + 6}" y="{TOP + 4 + 13 * number}" fill="{ink}">{name}</text>')
    return parts


def _x(size: int, sizes: Sequence[int]) -> float:
    wide = WIDTH - LEFT - RIGHT - 20
    span = log10(sizes[-1] / sizes[0]) or 1.0
    return LEFT + 10 + wide * log10(size / sizes[0]) / span


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** (ceil(log10(value)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
