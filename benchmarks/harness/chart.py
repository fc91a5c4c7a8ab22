"""Bar charts as SVG, with real text and colours that follow the reader's light or dark setting. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; }
.ours { fill: #0a7d55; } .peer { fill: #8c959f; } .floor { fill: #c9a227; }
.spread { stroke: #1f2328; stroke-width: 1.5; } .grid { stroke: #d1d9e0; stroke-width: 1; }
.aim { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .note { fill: #9198a1; }
.ours { fill: #3fb98a; } .peer { fill: #656c76; } .floor { fill: #d4b13f; }
.spread { stroke: #f0f6fc; } .grid { stroke: #3d444d; } .aim { stroke: #f0883e; }
}
""".strip()

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 860, 290, 120, 28, 66, 44


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, its length with quartiles, the text at its end, and whose it is."""

    label: str
    value: float
    low: float
    high: float
    text: str
    kind: str


def bars(title: str, note: str, unit: str, entries: Sequence[Bar], *, aim: float | None = None) -> str:
    """Draw a chart of horizontal bars, all from zero on one linear scale.

    Args:
        title: What is shown.
        note: How to read it, in a line below the title.
        unit: What a grid line's number counts.
        entries: The bars, from the top.
        aim: A value to mark with a dashed line.
    """
    if not entries:
        raise ValueError("a chart needs bars")
    height = _TOP + _ROW * len(entries) + _BOTTOM
    longest = max(*(max(bar.value, bar.high) for bar in entries), aim or 0.0, 1e-9)
    span = _WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return _LEFT + value / longest * span

    told = "; ".join(f"{bar.label}: {bar.text}" for bar in entries)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"',
        ' aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(note)} {escape(told)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        f'<text class="note" x="16" y="46">{escape(note)}</text>',
    ]
    bottom = _TOP + _ROW * len(entries)
    for mark in grid(longest):
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" y1="{_TOP - 6}" x2="{x(mark):.1f}" y2="{bottom}"/>')
        label = f"{mark:g}" + (f" {unit}" if mark == 0 else "")
        parts.append(
            f'<text class="note" x="{x(mark):.1f}" y="{bottom + 18}" text-anchor="middle">{escape(label)}</text>'
        )
    for index, bar in enumerate(entries):
        y = _TOP + index * _ROW
        middle = y + _ROW / 2 - 1
        parts.append(f'<text x="{_LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>')
        width = max(x(bar.value) - _LEFT, 1.0)
        parts.append(
            f'<rect class="{bar.kind}" x="{_LEFT}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 10}" rx="2"/>'
        )
        parts.append(
            f'<line class="spread" x1="{x(bar.low):.1f}" y1="{middle:.1f}" x2="{x(bar.high):.1f}" y2="{middle:.1f}"/>'
        )
        end = max(x(bar.value), x(bar.high)) + 8
        parts.append(f'<text x="{end:.1f}" y="{middle + 4:.1f}">{escape(bar.text)}</text>')
    if aim is not None:
        parts.append(f'<line class="aim" x1="{x(aim):.1f}" y1="{_TOP - 6}" x2="{x(aim):.1f}" y2="{bottom}"/>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def grid(longest: float) -> list[float]:
    """Return four to eight round values from zero up to the longest bar."""
    step = 1.0
    while longest / step > 8:
        step *= 10
    while longest / step <= 0.8:
        step /= 10
    for finer in (5, 2):
        if longest / (step / finer) <= 8:
            step /= finer
            break
    return [round(step * index, 10) for index in range(int(longest / step + 1e-9) + 1)]
