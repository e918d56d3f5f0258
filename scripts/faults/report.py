"""The table of a run: for the terminal line by line, for docs/reliability.md as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.faults.run import Result

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = (
    "| Fault | insights made | due on sockets | received | lost | doubled | out of order | healed after | slowest save "
    "| saves repeated |\n| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
)


def line(result: Result) -> str:
    """For the terminal; what was wrong stands below it."""
    findings = result.findings
    text = (
        f"{'ok  ' if result.passed else 'FAIL'} {result.fault:<52}{findings.insights:>6} made{findings.expected:>8} due"
        f"{findings.received:>8} received{findings.lost:>5} lost{findings.doubled:>4} doubled"
        f"{result.healed_s:>7.1f} s to heal{result.slowest_save_s:>7.2f} s slowest save{result.took_s:>6.0f} s in all"
    )
    remarks = [*findings.remarks, *(f"{name} ended by itself and was started again" for name in result.restarted)]
    return "\n".join([text, *(f"       {remark}" for remark in remarks)])


def table(results: Sequence[Result]) -> str:
    return "\n".join([HEAD, *map(_row, results)])


def write(results: Sequence[Result], conditions: str, file: Path) -> None:
    """Put the table between its marks; the words around it are the document's own."""
    text = file.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{conditions}\n\n{table(results)}\n{END}{after}", encoding="utf-8")


def _row(result: Result) -> str:
    findings = result.findings
    restarted = f" ({', '.join(result.restarted)} ended by itself and was started again)" if result.restarted else ""
    cells = [
        result.fault + restarted,
        f"{findings.insights:,}",
        f"{findings.expected:,}",
        f"{findings.received:,}",
        str(findings.lost),
        str(findings.doubled),
        str(findings.disordered),
        f"{result.healed_s:.1f} s",
        f"{result.slowest_save_s * 1000:,.0f} ms",
        str(result.saves_repeated),
    ]
    return f"| {' | '.join(cells)} |"
