"""Measure this project and what one could take instead, on one machine in one run.

    python -m benchmarks [--row NAME] [--quick] [--rounds 3]

All rows at full size replace docs/performance/ and the tables in docs/performance.md; anything less is only printed and
kept in var/benchmarks/.
"""

import argparse
import json
import signal
import time
import traceback
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.arena import Arena
from benchmarks.results import Row, table
from benchmarks.rows import MEASURES
from benchmarks.scale import FULL, QUICK
from scripts.with_services import services

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "var" / "benchmarks" / "run"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=MEASURES, help="only this one; may be given again")
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: a look, not a measurement")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    wanted = options.row or list(MEASURES)
    signal.signal(signal.SIGTERM, _end)
    began = time.monotonic()
    rows: list[Row] = []
    failed = False
    with services(durable=True) as addresses:
        arena = Arena(RUN, addresses)
        for side, why in arena.missing.items():
            print(f"{side} is left out: {why}", flush=True)
        for name in wanted:
            started = time.monotonic()
            try:
                found = MEASURES[name](arena, scale)
            except Exception:  # the other rows are worth as much without this one
                failed = True
                print(f"\n{name} could not be measured:\n{traceback.format_exc()}", flush=True)
                continue
            rows += found
            print(f"\n{name}, {time.monotonic() - started:.0f} s\n{table(found)}", flush=True)
            for row in found:
                if row.note:
                    print(f"  {row.title}: {row.note}", flush=True)
        results = report.as_json(rows, scale, addresses["DATABASE_URL"])
    print(f"\nEverything, {time.monotonic() - began:.0f} s\n{table(rows)}", flush=True)
    (RUN.parent / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    if not failed and not options.row and not options.quick:
        report.publish(rows, results)
    return 1 if failed else 0


def _end(number: int, frame: object) -> None:
    """Leave by the way that ends what was started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
