"""What was measured: rows of figures, and whether each target is met."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.arena import OURS, STOCK, Contestant

# In the order in which a table shows them.
COLUMNS = {
    "ours daphne": "ours, daphne",
    "ours uvicorn": "ours, uvicorn",
    "ours": "ours, no server",
    "tutorial daphne": "tutorial, daphne",
    "tutorial uvicorn": "tutorial, uvicorn",
    "hq": "notifications-hq",
    "orm": "Django ORM",
    "socketio": "python-socketio",
    "nchan": "nchan",
    "websockets": "bare websockets",
    "postgresql": "bare SQL",
}


@dataclass
class Check:
    """A target: `value` is to be at least, or at most, `target`."""

    what: str
    value: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass
class Row:
    """One kind of work in one unit; a figure a round for each side, and what is asked of their medians."""

    name: str
    title: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    note: str = ""

    def add(self, contestant: Contestant | str, figure: float) -> None:
        self.figures.setdefault(str(contestant), []).append(figure)

    def median(self, contestant: Contestant | str) -> float | None:
        figures = self.figures.get(str(contestant))
        return median(figures) if figures else None

    def check(self, what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
        if at_least is not None:
            self.checks.append(Check(what, value, at_least, at_least=True))
        if at_most is not None:
            self.checks.append(Check(what, value, at_most, at_least=False))

    def compare(
        self,
        ratio: Callable[[float, float], float],
        rivals: dict[Contestant, Contestant] | Contestant | None = None,
        *,
        at_least: float | dict[Contestant, float] | None = None,
        at_most: float | dict[Contestant, float] | None = None,
    ) -> None:
        """Ask the ratio of each of our servers to its rival, the stock app on the same server by default."""
        for ours in OURS:
            rival = rivals if isinstance(rivals, Contestant) else (rivals or STOCK)[ours]
            mine, theirs = self.median(ours), self.median(rival)
            if mine and theirs:
                self.check(ours.server, ratio(mine, theirs), at_least=_of(at_least, ours), at_most=_of(at_most, ours))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "medians": {name: median(figures) for name, figures in self.figures.items()},
            "checks": [asdict(check) | {"met": check.met} for check in self.checks],
        }


def _of(target: float | dict[Contestant, float] | None, ours: Contestant) -> float | None:
    return target[ours] if isinstance(target, dict) else target


def times_as_many(mine: float, theirs: float) -> float:
    return mine / theirs


def times_faster(mine: float, theirs: float) -> float:
    return theirs / mine


def percentile(samples: Iterable[float], percent: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def figure(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def table(rows: list[Row]) -> str:
    """Markdown: one line a row."""
    columns = [name for name in COLUMNS if any(name in row.figures for row in rows)]
    head = ["Work", "Unit", *(COLUMNS[name] for name in columns), "Ratio", "Target", "Met"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [row.title, row.unit, *(figure(row.median(name)) for name in columns), *_judged(row.checks)] for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _judged(checks: list[Check]) -> list[str]:
    targets = [f"{'≥' if check.at_least else '≤'} {check.target:g}" for check in checks]
    return [
        ", ".join(f"{check.what} {figure(check.value)}" for check in checks),
        ", ".join(dict.fromkeys(targets)),
        ", ".join(dict.fromkeys("yes" if check.met else "**no**" for check in checks)),
    ]
