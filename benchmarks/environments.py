"""A Python environment for each side, with its pinned requirements, under var/benchmarks/; and where nchan is."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "var" / "benchmarks"
NCHAN_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/share/nginx/modules/ngx_nchan_module.so"),
)


class UnavailableError(Exception):
    """A side cannot be had here; the text says why, in one line."""


@cache
def python(side: str) -> Path:
    """The interpreter of a side (or of `tools`: client and plots), installed on first use. Raises UnavailableError."""
    if side == "ours":
        return Path(sys.executable)
    requirements = ROOT / "benchmarks" / ("tools" if side == "tools" else f"sides/{side}") / "requirements.txt"
    stamp = ENVIRONMENTS / side / ".made"
    if not stamp.exists() or stamp.stat().st_mtime < requirements.stat().st_mtime:
        ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        print(f"Installing what {side} needs ...", flush=True)
        command = ["sh", "scripts/make_venv.sh", str(stamp), str(requirements)]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if made.returncode:
            raise UnavailableError(made.stderr.strip().splitlines()[-1])
    return stamp.parent / "bin" / "python"


@cache
def nchan_module() -> Path:
    """The nginx module; as root, Debian's package is installed when it is missing. Raises UnavailableError."""
    found = _nchan_module()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing libnginx-mod-nchan with apt-get ...", flush=True)
        command = ["apt-get", "install", "-qq", "-y", "libnginx-mod-nchan"]
        subprocess.run(command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, capture_output=True)
        found = _nchan_module()
    if found is None:
        raise UnavailableError("nginx with libnginx-mod-nchan is not installed")
    return found


def _nchan_module() -> Path | None:
    if not shutil.which("nginx"):
        return None
    return next((path for path in NCHAN_MODULES if path.exists()), None)
