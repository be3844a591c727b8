"""The plot: one bar per load, drawn as SVG, legible on light and dark pages."""

import pathlib
import statistics
from html import escape
from typing import Any

GROUPS = {
    "File in the order of the key": [
        "wharf", "wharf-one-thread", "chdb", "polars", "duckdb", "duckdb-key", "postgres", "sqlite",
    ],
    "Shuffled copy": ["wharf-shuffled", "chdb-shuffled", "duckdb-key-shuffled"],
}
WIDTH, LEFT, RIGHT, ROW, BAR = 800, 280, 70, 26, 16

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .group { font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .other { fill: #a8b1ba; }
  .wharf { fill: #0b7285; }
  .spread { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .other { fill: #59636e; }
    .wharf { fill: #22b8cf; }
    .spread { stroke: #e6edf3; }
  }
"""


def bar(subject: dict[str, Any], top: int, scale: float) -> list[str]:
    """Draws the row of one subject: name, bar, least to most, and median."""
    walls = [run["wall"] for run in subject["runs"]]
    middle, least, most = statistics.median(walls), min(walls), max(walls)
    center = top + ROW / 2
    kind = "wharf" if subject["label"].startswith("Wharf") else "other"
    label = subject["label"]
    for known in (", shuffled", ", no key", ", same key"):
        label = label.replace(known, "")
    label = escape(label if subject["refuses"] == "yes" else label + ", no key checked")
    return [
        f'<text x="{LEFT - 8}" y="{center + 4:g}" text-anchor="end">{label}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{center - BAR / 2:g}" '
        f'width="{middle * scale:.1f}" height="{BAR}"/>',
        f'<line class="spread" x1="{LEFT + least * scale:.1f}" y1="{center:g}" '
        f'x2="{LEFT + most * scale:.1f}" y2="{center:g}"/>',
        f'<text x="{LEFT + most * scale + 6:.1f}" y="{center + 4:g}">{middle:.2f} s</text>',
    ]


def draw(results: dict[str, Any]) -> str:
    """Returns the SVG."""
    subjects = results["subjects"]
    groups = {title: [subjects[name] for name in names if name in subjects]
              for title, names in GROUPS.items()}
    longest = max(run["wall"] for group in groups.values() for subject in group
                  for run in subject["runs"])
    scale = (WIDTH - LEFT - RIGHT) / longest
    body, top = [], 56
    for title, group in groups.items():
        body.append(f'<text class="group" x="{LEFT}" y="{top + 17}">{title}</text>')
        top += ROW
        for subject in sorted(group, key=lambda one: statistics.median(
                run["wall"] for run in one["runs"])):
            body += bar(subject, top, scale)
            top += ROW
        top += 8
    title = f"Import of TPC-H lineitem, scale factor {results['scale']:g}"
    note = "wall seconds of the whole process: median as a bar, least to most as a line"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" role="img" aria-labelledby="title">',
        f'<title id="title">{title}: {note}</title>',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="12" y="22">{title}</text>',
        f'<text class="small" x="12" y="40">{note}</text>',
        *body,
        "</svg>",
    ]) + "\n"


def write(path: pathlib.Path, results: dict[str, Any]) -> None:
    """Writes the SVG."""
    path.write_text(draw(results))
