"""The plots of docs/performance.md: `plots.py RESULTS.json DIRECTORY`."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
# The same figures make the same file.
mpl.rcParams.update(
    {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9, "figure.constrained_layout.use": True}
)

from matplotlib import pyplot  # noqa: E402

OURS, OTHERS, LIMIT, MISSED = "#0b6e4f", "#8d99ae", "#d9c077", "#b3402f"
LIMITS = ("websockets", "postgresql")
# File name → how the titles of its rows begin
BARS = {
    "insights.svg": ["One insight at a time, saved → on the socket", "the same, p50"],
    "fan-out.svg": ["One house insight → 1,000 connected users", "One house insight → 10,000 eligible users"],
    "sockets.svg": ["Messages forwarded to 1,000 sockets", "Memory for an idle", "Signed-in connects"],
}


def main(results: Path, directory: Path) -> None:
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    for name, titles in BARS.items():
        chosen = [row for title in titles for row in rows if row["title"].startswith(title) and row["figures"]][
            : len(titles)
        ]
        save(bars(chosen), directory / name)
    save(targets(rows), directory / "targets.svg")


def bars(rows: list[dict[str, Any]]) -> Any:
    figure, axes = pyplot.subplots(1, len(rows), figsize=(4 * len(rows), 2.8), squeeze=False)
    for axis, row in zip(axes[0], rows, strict=True):
        names = list(row["medians"])[::-1]
        middles = [row["medians"][name] for name in names]
        low = [middle - min(row["figures"][name]) for name, middle in zip(names, middles, strict=True)]
        high = [max(row["figures"][name]) - middle for name, middle in zip(names, middles, strict=True)]
        axis.barh(names, middles, xerr=[low, high], color=[colour(name) for name in names], error_kw={"elinewidth": 1})
        axis.bar_label(
            axis.containers[-1], labels=[f" {middle:,.3g}" if middle < 100 else f" {middle:,.0f}" for middle in middles]
        )
        axis.margins(x=0.2)
        if max(middles) > 30 * min(middles):
            axis.set_xscale("log")
            axis.set_xlim(min(middles) / 3, max(middles) * 6)
        axis.set_title(f"{row['title']}\n({row['unit']})", fontsize=9, wrap=True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def targets(rows: list[dict[str, Any]]) -> Any:
    """How far beyond its target each ratio is: 1 is met, 2 is twice as good as asked."""
    asked = [
        (f"{row['name']}: {row['title']}: {check['what']}", margin(check)) for row in rows for check in row["checks"]
    ][::-1]
    asked = [(title, share) for title, share in asked if share is not None]
    figure, axis = pyplot.subplots(figsize=(9, 0.26 * len(asked) + 1))
    shares = [share for _title, share in asked]
    axis.barh(
        [title for title, _share in asked],
        shares,
        left=0,
        color=[OURS if share >= 1 else "#b3402f" for share in shares],
    )
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=1)
    axis.set_xlabel("target = 1; to the right is better")
    axis.tick_params(axis="y", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def margin(check: dict[str, Any]) -> float | None:
    if not check["value"] or not check["target"]:
        return None  # a count that has to be 0
    share: float = check["value"] / check["target"]
    return share if check["at_least"] else 1 / share


def colour(name: str) -> str:
    return OURS if name.startswith("ours") else LIMIT if name in LIMITS else OTHERS


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
