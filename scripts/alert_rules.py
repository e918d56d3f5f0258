"""Has promtool read the alert rules and play their cases, where it can be had; says so in one line where it cannot.

python -m scripts.alert_rules
"""

from __future__ import annotations

import subprocess
import sys

from scripts import needs

DIRECTORY = needs.ROOT / "deploy" / "prometheus"
COMMANDS = (
    ("check", "rules", "alerts.yml"),
    ("check", "config", "--syntax-only", "prometheus.yml"),
    ("test", "rules", "alerts_test.yml"),
)


def main() -> int:
    try:
        promtool = needs.promtool()
    except needs.MissingError as missing:
        print(f"The alert rules were not checked: {missing}.")
        return 0
    for command in COMMANDS:
        done = subprocess.run([promtool, *command], cwd=DIRECTORY, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
